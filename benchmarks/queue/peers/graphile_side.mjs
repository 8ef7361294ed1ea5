// graphile-worker at its best: batches of 500 held locally, completions sent together.
import { answer, content, first, load, paced, command, now, second, tally, timed, url } from "./reporting.mjs";

const { Logger, makeWorkerUtils, run } = load("graphile-worker");
const { Pool } = load("pg");

if (command === "work") {
  let runner;
  const hit = tally(async () => (await runner).stop());
  runner = run({
    preset: {
      worker: {
        connectionString: url,
        concurrentJobs: 24,
        maxPoolSize: 10,
        pollInterval: 2000,
        localQueue: { size: 500 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
    taskList: { chore: async (payload) => hit(payload.sent) },
    noHandleSignals: true,
    logger: new Logger(() => () => {}),
  });
  await runner;
} else {
  const pool = new Pool({ connectionString: url, max: 2 });
  const utils = await makeWorkerUtils({ pgPool: pool, logger: new Logger(() => () => {}) });
  if (command === "setup") {
    await utils.migrate();
    answer({ done: true });
  } else if (command === "bulk") {
    await timed(first, async () => {
      for (let start = 0; start < first; start += second) {
        const count = Math.min(second, first - start);
        await utils.addJobs(Array.from({ length: count }, () => ({ identifier: "chore", payload: content })));
      }
    });
  } else if (command === "single") {
    await utils.addJob("chore", content);
    await timed(first, async () => {
      for (let number = 0; number < first; number += 1) await utils.addJob("chore", content);
    });
  } else if (command === "send") {
    await utils.addJob("chore", content);
    await paced(first, second, () => utils.addJob("chore", { ...content, sent: now() }));
  }
  await utils.release();
  await pool.end();
}

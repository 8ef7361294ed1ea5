// pg-boss at its best: fetched and completed 1,000 at a time, woken by notifications.
import { answer, content, first, load, paced, command, now, second, tally, timed, url } from "./reporting.mjs";

const { PgBoss } = load("pg-boss");

const isWorker = command === "work";
const boss = new PgBoss({
  connectionString: url,
  max: 10,
  useListenNotify: true,
  supervise: isWorker,
  schedule: false,
});
boss.on("error", (error) => console.error(error));
await boss.start();

if (isWorker) {
  const hit = tally(() => boss.stop({ graceful: true }));
  await boss.work(
    "chore",
    { batchSize: 1000, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true },
    async (jobs) => {
      for (const job of jobs) hit(job.data.sent);
    },
  );
} else {
  if (command === "setup") {
    await boss.createQueue("chore", { notify: true });
    answer({ done: true });
  } else if (command === "bulk") {
    await timed(first, async () => {
      for (let start = 0; start < first; start += second) {
        const count = Math.min(second, first - start);
        await boss.insert("chore", Array.from({ length: count }, () => ({ data: content })));
      }
    });
  } else if (command === "single") {
    await boss.send("chore", content);
    await timed(first, async () => {
      for (let number = 0; number < first; number += 1) await boss.send("chore", content);
    });
  } else if (command === "send") {
    await boss.send("chore", content);
    await paced(first, second, () => boss.send("chore", { ...content, sent: now() }));
  }
  await boss.stop({ graceful: true });
}

// How a JavaScript side reports: lines of JSON, as `reporting.py` says it.
import { createRequire } from "node:module";
import { setTimeout as pause } from "node:timers/promises";

// The peers lie in an environment of their own, not beside this file.
export const load = createRequire(`${process.env.PILAR_BENCH_PEERS}/package.json`);
export const content = JSON.parse(process.env.PILAR_BENCH_CONTENT);
export const [url, command, ...numbers] = process.argv.slice(2);
export const [first, second] = numbers.map(Number);

export const now = () => (performance.timeOrigin + performance.now()) / 1000;

export const answer = (said) => process.stdout.write(`${JSON.stringify(said)}\n`);

export async function timed(count, run) {
  const began = performance.now();
  await run();
  answer({ count, seconds: (performance.now() - began) / 1000 });
}

export async function paced(count, pace, send) {
  const began = performance.now();
  for (let number = 0; number < count; number += 1) {
    const wait = began + (number * 1000) / pace - performance.now();
    if (wait > 0) await pause(wait);
    await send();
  }
  answer({ count });
}

export function tally(stop) {
  const state = { handled: 0, first: 0, last: 0 };
  const waits = [];
  let told = 0;
  const timer = setInterval(() => {
    if (state.handled !== told) {
      told = state.handled;
      answer(state);
    }
  }, 100);
  process.stdin.resume();
  process.stdin.on("end", async () => {
    clearInterval(timer);
    await stop();
    process.stdout.write(`${JSON.stringify({ ...state, waits })}\n`, () => process.exit(0));
  });
  return (sent) => {
    const at = now();
    if (!state.handled) state.first = at;
    state.last = at;
    state.handled += 1;
    if (sent) waits.push(at - sent);
  };
}

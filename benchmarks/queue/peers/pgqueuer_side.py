"""pgqueuer on asyncpg and uvloop, in batches of a given size. Runs in the peers' own environment, as a program.

What does not belong here: anything of PILAR's.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time

import asyncpg
import uvloop
from pgqueuer import Job, PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries
from reporting import Stopwatch, Tally, answer, pauses

CONTENT = os.environ["PILAR_BENCH_CONTENT"].encode()
BATCH = int(os.environ["PILAR_BENCH_BATCH"])


async def work(url: str, *, is_timed: bool) -> None:
    pool = await asyncpg.create_pool(url, min_size=4, max_size=8)
    queuer = PgQueuer.from_asyncpg_pool(pool)
    tally = Tally()

    @queuer.entrypoint("chore")
    async def chore(job: Job) -> None:
        # What a payload costs to parse is the user's here: it is left out where the time of sending is not needed.
        tally.hit(json.loads(job.payload)["sent"] if is_timed else 0.0)

    loop = asyncio.get_running_loop()
    tally.report_until_told(lambda: loop.call_soon_threadsafe(queuer.shutdown.set))
    await queuer.run(batch_size=BATCH)
    await pool.close()
    tally.close()


async def main(url: str, command: str, *numbers: str) -> None:
    if command == "work":
        await work(url, is_timed="timed" in numbers)
        return
    connection = await asyncpg.connect(url)
    queries = Queries(AsyncpgDriver(connection))
    if command == "setup":
        await queries.install()
        answer(done=True)
    elif command == "bulk":
        count, batch = map(int, numbers)
        with Stopwatch(count):
            for start in range(0, count, batch):
                size = min(batch, count - start)
                await queries.enqueue(["chore"] * size, [CONTENT] * size, [0] * size)
    elif command == "single":
        await queries.enqueue("chore", CONTENT, 0)
        count = int(numbers[0])
        with Stopwatch(count):
            for _ in range(count):
                await queries.enqueue("chore", CONTENT, 0)
    elif command == "send":
        content = json.loads(CONTENT)
        await queries.enqueue("chore", CONTENT, 0)
        for pause in pauses(int(numbers[0]), int(numbers[1])):
            await asyncio.sleep(pause)
            await queries.enqueue("chore", json.dumps({**content, "sent": time.time()}).encode(), 0)
        answer(count=int(numbers[0]))
    await connection.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    uvloop.run(main(*sys.argv[1:]))

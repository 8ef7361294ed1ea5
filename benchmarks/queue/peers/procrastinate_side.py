"""procrastinate with twenty coroutines at once. Runs in the peers' own environment, as a program.

What does not belong here: anything of PILAR's.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from typing import Any

import procrastinate
from reporting import Stopwatch, Tally, answer, pauses

CONTENT = json.loads(os.environ["PILAR_BENCH_CONTENT"])
_CONCURRENCY = 20


async def main(url: str, command: str, *numbers: str) -> None:
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url, min_size=4, max_size=16))
    tally = Tally()

    @app.task(name="chore")
    async def chore(**content: Any) -> None:
        tally.hit(content["sent"])

    async with app.open_async():
        if command == "setup":
            await app.schema_manager.apply_schema_async()
            answer(done=True)
        elif command == "bulk":
            count, batch = map(int, numbers)
            with Stopwatch(count):
                for start in range(0, count, batch):
                    await chore.batch_defer_async(*[CONTENT] * min(batch, count - start))
        elif command == "single":
            await chore.defer_async(**CONTENT)
            count = int(numbers[0])
            with Stopwatch(count):
                for _ in range(count):
                    await chore.defer_async(**CONTENT)
        elif command == "send":
            await chore.defer_async(**CONTENT)
            for pause in pauses(int(numbers[0]), int(numbers[1])):
                await asyncio.sleep(pause)
                await chore.defer_async(**{**CONTENT, "sent": time.time()})
            answer(count=int(numbers[0]))
        elif command == "work":
            working = asyncio.create_task(app.run_worker_async(concurrency=_CONCURRENCY, install_signal_handlers=False))
            loop = asyncio.get_running_loop()
            tally.report_until_told(lambda: loop.call_soon_threadsafe(working.cancel))
            # A worker that is cancelled finishes what runs, and ends by that.
            await asyncio.wait([working])
            if not working.cancelled():
                working.result()
            tally.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(main(*sys.argv[1:]))

"""PILAR's own side, as its users have it: `python -m benchmarks.queue.ours URL COMMAND …` answers as the peers do.

What belongs here: enqueueing through `facts.enqueue` and draining by the real worker and the real drain, with typed
payloads, dispatch, retry, leases, heartbeat and notifications. What does not: a shorter way than a user's (`bare.py`).
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from benchmarks.queue.peers.reporting import Stopwatch, Tally, answer, pauses
from benchmarks.queue.work import CHORE, Chore
from pilar.backplane.drain import Drain
from pilar.backplane.facts import Cause, Job, enqueue
from pilar.backplane.handlers import Registry, Transactional, Work
from pilar.clocks import Clocks, system_clocks
from pilar.database.engine import Database, Scope
from pilar.ids import new_id

STUDIOS = 100
"""Over how many workspaces work is spread where nothing else is said."""

Run = Callable[[Connection, Work[Any]], None]


def studios(count: int = STUDIOS) -> list[UUID]:
    """New workspaces."""
    return [new_id() for _ in range(count)]


def fill(
    database: Database, of: Sequence[UUID], count: int, batch: int, *, first: int = 0, due_at: datetime | None = None
) -> None:
    """Enqueue so many chores, dealt out to the workspaces in turn, as many at once as `facts.PORTION`.

    Args:
        database: where.
        of: the workspaces.
        count: how many.
        batch: how many in one transaction.
        first: the number of the first one.
        due_at: when they are due (real time); None: now.
    """
    clocks = system_clocks()
    for start in range(first, first + count, batch):
        jobs = (
            Job(payload=chore(number), key=f"chore:{new_id()}", workspace_id=of[number % len(of)], due_at=due_at)
            for number in range(start, min(start + batch, first + count))
        )
        with database.transaction(Scope.fleet()) as connection:
            enqueue(connection, clocks, jobs, Cause.new())


def chore(number: int, sent: float = 0.0) -> Chore:
    """A chore, made and checked as a user makes one."""
    return Chore(
        lead_id=CHORE.lead_id,
        schedule_id=CHORE.schedule_id,
        plan_id=CHORE.plan_id,
        template=CHORE.template,
        language=CHORE.language,
        period=CHORE.period,
        number=number,
        sent=sent,
    )


def send_one(database: Database, clocks: Clocks, workspace: UUID, number: int, sent: float = 0.0) -> None:
    """Enqueue one chore with a commit of its own."""
    job = Job(payload=chore(number, sent), key=f"chore:{new_id()}", workspace_id=workspace)
    with database.pipelined(Scope.fleet()) as connection:
        enqueue(connection, clocks, [job], Cause.new())


def drain_of(database: Database, run: Run, worker: str = "benchmark") -> Drain:
    """A drain as the worker has it, whose only work are chores."""
    registry = Registry()
    registry.on_job(Chore, Transactional(run))
    return Drain(database, registry, system_clocks(), worker)


def work(url: str) -> None:
    """Drain with a warm worker of the whole system until standard input ends: chores beside all its own work."""
    # Imported here: with the system come all providers' libraries, and enqueueing needs none of them.
    from pydantic import SecretStr

    from pilar.app import build_app
    from pilar.crypto import new_key
    from pilar.settings import Settings
    from pilar.worker import Worker

    tally = Tally()
    settings = Settings(database_url=SecretStr(url), secret_keys=(SecretStr(new_key()),))
    with closing(build_app(settings)) as app:
        app.registry.on_job(Chore, Transactional(lambda _, work: tally.hit(work.content.sent)))
        worker = Worker(app)
        tally.report_until_told(worker.stop)
        worker.run()
    tally.close()


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("command", choices=("setup", "bulk", "single", "send", "work"))
    parser.add_argument("numbers", nargs="*")
    options = parser.parse_args()
    if options.command == "work":
        work(options.url)
        return
    numbers = [int(number) for number in options.numbers]
    with closing(Database(options.url)) as database:
        if options.command == "setup":  # its tables are there: the database is a copy of a migrated one
            answer(done=True)
        elif options.command == "bulk":
            count, _ = numbers  # it is given all of them, and makes portions by itself
            fill(database, studios(), 1, 1)
            with Stopwatch(count):
                fill(database, studios(), count, count)
        elif options.command == "single":
            _send(database, 1, None)
            with Stopwatch(numbers[0]):
                _send(database, numbers[0], None)
        elif options.command == "send":
            _send(database, 1, None)
            _send(database, numbers[0], numbers[1])
            answer(count=numbers[0])


def _send(database: Database, count: int, pace: float | None) -> None:
    clocks, workspaces = system_clocks(), studios()
    never = threading.Event()
    if pace is None:
        for number in range(count):
            send_one(database, clocks, workspaces[number % STUDIOS], number)
        return
    for number, pause in enumerate(pauses(count, pace)):
        never.wait(pause)
        send_one(database, clocks, workspaces[number % STUDIOS], number, time.time())


if __name__ == "__main__":
    main()

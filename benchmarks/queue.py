"""How fast the queue is, beside the bare SQL of its own tables: `python -m benchmarks.queue [--quick] [--json]`.

What belongs here: figures as ratios, each beside its bar; one run, one durable server, medians of three. The limit is
what the same statements do without payload types, handlers, savepoints and dispatch. Exit 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

from pilar.backplane import store
from pilar.backplane.drain import Drain
from pilar.backplane.facts import Cause, Job, Lane, Payload, enqueue
from pilar.backplane.handlers import Registry, Transactional
from pilar.clocks import system_clocks
from pilar.database.embedded import EmbeddedServer
from pilar.database.engine import Database, Scope
from pilar.database.migrate import create_database, migrate
from pilar.ids import new_id

ROUNDS = 3
STUDIOS = 100
BATCH = 500


class Chore(Payload):
    """Work without content."""

    type_name: ClassVar[str] = "benchmark.chore"

    number: int


@dataclass(frozen=True)
class Figure:
    """A figure beside its bar."""

    name: str
    value: float
    unit: str
    bar: float | None

    @property
    def holds(self) -> bool:
        """Whether the bar is reached; a figure without one only informs."""
        return self.bar is None or self.value >= self.bar


@contextmanager
def durable_database() -> Iterator[Database]:
    """A migrated database on a server of its own, with fsync and synchronous commits."""
    with tempfile.TemporaryDirectory(prefix="pilar-bench-") as home:
        Path(home).chmod(0o711)
        server = EmbeddedServer(Path(home))
        url = create_database(server.start(durable=True).url, "bench")
        try:
            migrate(url)
            database = Database(url)
            yield database
            database.close()
        finally:
            server.remove()


def fill(database: Database, count: int) -> float:
    """Enqueue jobs of many studios and return the seconds it took."""
    clocks, studios = system_clocks(), [new_id() for _ in range(STUDIOS)]
    began = time.perf_counter()
    for start in range(0, count, BATCH):
        jobs = [
            Job(payload=Chore(number=number), key=str(new_id()), workspace_id=studios[number % STUDIOS])
            for number in range(start, min(start + BATCH, count))
        ]
        with database.transaction(Scope.fleet()) as connection:
            enqueue(connection, clocks, jobs, Cause.new())
    return time.perf_counter() - began


def drain_with_everything_on(database: Database) -> None:
    """Drain as a worker does: typed payloads, dispatch, savepoints, leases, the log."""
    registry = Registry()
    registry.on_job(Chore, Transactional(lambda _connection, _work: None))
    drain = Drain(database, registry, system_clocks(), "bench", batch=BATCH)
    while drain.step(Lane.DEFAULT):
        pass


def drain_bare(database: Database) -> None:
    """Claim and settle with the same statements, and nothing in between."""
    now = datetime.now(UTC)
    while True:
        with database.transaction(Scope.fleet()) as connection:
            rows, *_ = store.claim(
                connection,
                lane="default",
                cursor=store.ABOVE_ALL,
                workspaces=50,
                each=BATCH // 50,
                due_before=now,
                now=now,
                lease_until=now + timedelta(seconds=60),
                worker="bare",
            )
        if not rows:
            return
        with database.transaction(Scope.fleet()) as connection:
            settled = [
                store.SettledRow(row.position, row.handler, row.fencing_token, row.type, "done", now) for row in rows
            ]
            store.settle(connection, settled, now)


def rate(count: int, database: Database, drain: Callable[[Database], None]) -> tuple[float, float]:
    """Rates of enqueueing and draining, per second."""
    filled = count / fill(database, count)
    began = time.perf_counter()
    drain(database)
    return filled, count / (time.perf_counter() - began)


def main() -> int:
    """Print the figures; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="few items: to see that it runs")
    options = parser.parse_args()
    count = 1_000 if options.quick else 20_000
    with durable_database() as database:
        ours, bare, fills = [], [], []
        for _ in range(ROUNDS):
            filled, drained = rate(count, database, drain_with_everything_on)
            fills.append(filled)
            ours.append(drained)
            bare.append(rate(count, database, drain_bare)[1])
    figures = [
        Figure("bulk enqueue", round(statistics.median(fills)), "jobs/s", None),
        Figure("bare SQL drain", round(statistics.median(bare)), "jobs/s", None),
        Figure("drain, everything on", round(statistics.median(ours)), "jobs/s", None),
        Figure("drain as a share of bare SQL", round(statistics.median(ours) / statistics.median(bare), 2), "×", None),
    ]
    if options.json:
        print(json.dumps({"items": count, "rounds": ROUNDS, "figures": [asdict(figure) for figure in figures]}))
    else:
        for figure in figures:
            bar = "" if figure.bar is None else f"  (bar {figure.bar:g})"
            print(f"{figure.name:32} {figure.value:>12,} {figure.unit}{bar}")
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Who is measured beside whom. What belongs here: the sides, and what each can be asked; no figure.

A side is a program in a database of its own on the one server. Each is asked in the same way: to enqueue in batches,
one by one or at a pace, and to drain with one or more worker processes. No side pays for the start of its processes:
a rate of draining is taken between two moments of the drain (`processes.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.queue import installs
from benchmarks.queue.processes import Failed, call, workers
from benchmarks.queue.server import Server, settle_down
from benchmarks.queue.work import CONTENT
from benchmarks.report import progress

OURS, BARE = "PILAR", "bare SQL"
PGQUEUER, PROCRASTINATE, GRAPHILE, BOSS = "pgqueuer", "procrastinate", "graphile-worker", "pg-boss"
PGQUEUER_LARGE = "pgqueuer in batches of 500"
PEERS = (PGQUEUER, PGQUEUER_LARGE, PROCRASTINATE, GRAPHILE, BOSS)
"""The bars speak of pgqueuer in batches of 100, ten times its default; larger ones, told beside it, drain faster."""

_WITHIN = 600.0
_WARM_UPS = 20
_SHARES = {PGQUEUER: 0.5, PGQUEUER_LARGE: 0.5, PROCRASTINATE: 0.05, GRAPHILE: 1.5, BOSS: 0.75}
_SETTINGS = {
    OURS: "its worker as it is; commits that hold nothing but a claim don't wait for the disk",
    BARE: "batches of 500; the same",
    PGQUEUER: "asyncpg, uvloop, batches of 100",
    PGQUEUER_LARGE: "asyncpg, uvloop, batches of 500",
    PROCRASTINATE: "concurrency 20",
    GRAPHILE: "concurrency 24, localQueue 500, completions batched",
    BOSS: "batches of 1,000, burstWhenBatchFull, notify",
}


@dataclass(frozen=True)
class Side:
    """A queue that is measured.

    Attributes:
        name: what it is called in figures.
        version: which version it is, with what was chosen for it.
        renew: makes its database anew, empty and ready, and returns the URL.
        command: the program that enqueues and works.
        worker: the program that works, where it is another one.
        environment: variables of the program.
        share: how many of the items that are drained it gets: the slower the fewer, so that each takes seconds.
        timed: what its worker is told when the time of sending matters.
    """

    name: str
    version: str
    renew: Callable[[], str]
    command: tuple[str, ...]
    worker: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    share: float = 1.0
    timed: tuple[str, ...] = ()

    def ask(self, url: str, command: str, *numbers: int) -> dict[str, float]:
        """Have it do something to the end and return its answer; raise `Failed` where it does not."""
        return call((*self.command, url, command, *map(str, numbers)), self.environment, _WITHIN)

    def bulk(self, count: int, batch: int) -> float:
        """Enqueue in batches; return items per second."""
        answer = self.ask(self.renew(), "bulk", count, batch)
        return answer["count"] / answer["seconds"]

    def single(self, count: int) -> float:
        """Enqueue one by one, each committed; return items per second."""
        answer = self.ask(self.renew(), "single", count)
        return answer["count"] / answer["seconds"]

    def drain(self, count: int, batch: int, processes: int = 1) -> float:
        """Enqueue, and drain with so many worker processes; return items per second."""
        url, count = self.renew(), max(int(count * self.share), batch)
        self.ask(url, "bulk", count, batch)
        settle_down(url)
        with workers((*self._worker, url, "work"), self.environment, processes) as at_work:
            at_work.wait_for(count, _WITHIN)
            at_work.finish()
            return at_work.rate

    def waits(self, count: int, pace: int) -> list[float]:
        """Send at a pace while a worker waits; return the seconds from sending to handling of each."""
        url = self.renew()
        with workers((*self._worker, url, "work", *self.timed), self.environment, 1) as at_work:
            # That these are handled shows that the worker is ready. A program sends one more, undated, to warm up.
            self.ask(url, "send", _WARM_UPS, pace)
            at_work.wait_for(_WARM_UPS + 1, _WITHIN)
            self.ask(url, "send", count, pace)
            at_work.wait_for(_WARM_UPS + 1 + count + 1, _WITHIN)
            at_work.finish()
            return at_work.heard[0].waits[-count:]

    @property
    def _worker(self) -> tuple[str, ...]:
        return self.worker or self.command


@dataclass
class Sides:
    """All sides of a run: who is there, and why who is not."""

    present: dict[str, Side] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def drop_out(self, name: str, why: str) -> None:
        """Go on without a peer that does not do what it should."""
        progress(f"{name} drops out: {why}")
        self.present.pop(name, None)
        self.absent[name] = why


def all_sides(server: Server, state: Path, names: Sequence[str] = PEERS) -> Sides:
    """PILAR, the bare SQL of its tables, and those of the named peers that can be had here, ready to be asked."""
    ours = (sys.executable, "-m", "benchmarks.queue.ours")
    bare = (sys.executable, "-m", "benchmarks.queue.bare")
    sides = Sides(
        {
            OURS: Side(OURS, f"this tree ({_SETTINGS[OURS]})", lambda: server.ours("ours"), ours),
            BARE: Side(BARE, f"this tree ({_SETTINGS[BARE]})", lambda: server.ours("bare"), ours, worker=bare),
        }
    )
    for name in names:
        progress(f"{name}: made ready")
        try:
            side = _peer(name, server, state)
            side.ask(server.fresh(_empty(name)), "setup")
        except (installs.NotAvailable, Failed) as error:
            sides.drop_out(name, str(error))
        else:
            sides.present[name] = side
    return sides


def _database(name: str) -> str:
    return name.replace(" ", "_")


def _empty(name: str) -> str:
    return f"{_database(name)}_empty"


def _peer(name: str, server: Server, state: Path) -> Side:
    variables = {"PILAR_BENCH_CONTENT": CONTENT}
    program: tuple[str, ...]
    if name in (PGQUEUER, PGQUEUER_LARGE, PROCRASTINATE):
        package = PROCRASTINATE if name == PROCRASTINATE else PGQUEUER
        version = installs.python_version_of(package)
        variables["PILAR_BENCH_BATCH"] = "500" if name == PGQUEUER_LARGE else "100"
        program = (str(installs.python(state)), str(installs.PEERS / f"{package}_side.py"))
    else:
        version = installs.node_version_of(name)
        node, place = installs.node(state)
        variables["PILAR_BENCH_PEERS"] = str(place)
        program = (str(node), str(installs.PEERS / f"{'graphile' if name == GRAPHILE else 'boss'}_side.mjs"))
    return Side(
        name,
        f"{version} ({_SETTINGS[name]})",
        lambda: server.fresh(_database(name), _empty(name)),
        program,
        environment=variables,
        share=_SHARES[name],
        timed=("timed",) if name == PGQUEUER else (),
    )

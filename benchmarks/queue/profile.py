"""Where the time goes on our side. What belongs here: draining and enqueueing under Python's profiler.

It says how much of a figure is Python's and how much is waiting for the server (`psycopg`'s wait and execute); its own
weight makes everything slower, so it gives no figure.
"""

from __future__ import annotations

import cProfile
import pstats
import sys
from collections.abc import Callable
from contextlib import closing

from benchmarks.queue import ours
from benchmarks.queue.plan import Plan
from benchmarks.queue.server import Server, settle_down
from benchmarks.report import progress
from pilar.backplane.facts import Lane
from pilar.clocks import system_clocks
from pilar.database.engine import Database
from pilar.draining import renewed

SHOWN = 35


def profile(server: Server, plan: Plan, name: str) -> None:
    """Profile one of `PROFILED` and print the functions that took longest."""
    url = server.ours("profile")
    with closing(Database(url)) as database:
        profiler = cProfile.Profile()
        PROFILED[name](url, database, plan, profiler)
    for order in ("tottime", "cumulative"):
        print(f"\n{name}, by {order}")
        pstats.Stats(profiler, stream=sys.stdout).strip_dirs().sort_stats(order).print_stats(SHOWN)


def _drain(url: str, database: Database, plan: Plan, profiler: cProfile.Profile) -> None:
    progress(f"profile: {plan.drained:,} items to drain")
    ours.fill(database, ours.studios(), plan.drained, plan.batch)
    settle_down(url)
    drain = ours.drain_of(database, lambda _connection, _work: None)
    with renewed(drain), profiler:
        while drain.step(Lane.DEFAULT):
            pass
    drain.close()


def _bulk(_url: str, database: Database, plan: Plan, profiler: cProfile.Profile) -> None:
    ours.fill(database, ours.studios(), 1, 1)
    with profiler:
        ours.fill(database, ours.studios(), plan.bulk, plan.batch)


def _single(_url: str, database: Database, plan: Plan, profiler: cProfile.Profile) -> None:
    clocks, (workspace,) = system_clocks(), ours.studios(1)
    ours.send_one(database, clocks, workspace, 0)
    with profiler:
        for number in range(plan.single):
            ours.send_one(database, clocks, workspace, number)


PROFILED: dict[str, Callable[[str, Database, Plan, cProfile.Profile], None]] = {
    "drain": _drain,
    "bulk": _bulk,
    "single": _single,
}

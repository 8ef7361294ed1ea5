"""How fast the queue is, beside its peers and beside the bare SQL of its own tables: `python -m benchmarks.queue`.

What belongs here: which figures there are, and the run. What each of them measures stands in its own module.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.queue import churn, claims, fairness, races
from benchmarks.queue.plan import QUICK, Plan
from benchmarks.queue.profile import PROFILED, profile
from benchmarks.queue.server import Server, durable_server, machine
from benchmarks.queue.sides import Sides, all_sides
from benchmarks.report import Figure, Report, options, progress
from pilar.settings import Settings

RACES: dict[str, Callable[[Sides, Plan], list[Figure]]] = {
    "drain": races.drain,
    "two": races.two,
    "bulk": races.bulk,
    "single": races.single,
    "latency": races.latency,
}
"""Figures of PILAR beside its peers."""

ALONE: dict[str, Callable[[Server, Plan], list[Figure]]] = {
    "fair": fairness.fair,
    "claim": claims.claim,
    "small": fairness.small,
    "churn": churn.churn,
}
"""Figures of PILAR in one situation beside itself in another."""

DESCRIPTION = """Measures PILAR's queue on a durable PostgreSQL of its own, beside pgqueuer, procrastinate,
graphile-worker and pg-boss on the same server, and beside the bare SQL of its own tables.

It prints each figure with its bar and exits 1 when a gate falls short. Goals are shown and fail nothing.
A full run takes about a quarter of an hour and wants the machine for itself."""

EPILOG = """figures:
  drain     items per second by one worker process      two      … by two
  bulk      items per second enqueued in batches        single   … one by one, each committed
  latency   from sending to handling, at 50 per second  fair     what fairness and budgets cost
  claim     what a claim costs with a million waiting   small    small studios beside a great backlog
  churn     whether the queue stays small

The peers are installed once, under .pilar/bench, in the versions that this tree names. Without Node, or
without a package registry, a peer's figures say that they were not measured; a gate that could not be
measured does not hold."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    names = [*RACES, *ALONE]
    parser = options(DESCRIPTION, names=names, epilog=EPILOG)
    parser.add_argument(
        "--profile",
        action="store_true",
        help=f"instead of measuring, show where PILAR's time goes; with --only one of {', '.join(PROFILED)}",
    )
    chosen = parser.parse_args(arguments)
    wanted = [name for name in names if not chosen.only or name in chosen.only]
    profiled = [name for name in wanted if name in PROFILED]
    if chosen.profile and not profiled:
        parser.error(f"there is no profile of {', '.join(wanted)}")
    plan = (QUICK if chosen.quick else Plan()).scaled(chosen.scale)
    state = Settings().home_path / "bench"
    with durable_server(state / "server") as server:
        if chosen.profile:
            for name in profiled:
                profile(server, plan, name)
            return 0
        report = measure(server, plan, wanted, state, is_judged=not chosen.quick)
    report.show(as_json=chosen.json)
    return report.exit_code


def measure(server: Server, plan: Plan, wanted: Sequence[str], state: Path, *, is_judged: bool) -> Report:
    """Measure the wanted figures."""
    figures: list[Figure] = []
    versions: dict[str, str] = {}
    if any(name in RACES for name in wanted):
        sides = all_sides(server, state)
        versions = {name: side.version for name, side in sides.present.items()} | sides.absent
        for name in wanted:
            if name in RACES:
                progress(f"== {name}")
                figures += RACES[name](sides, plan)
    for name in wanted:
        if name in ALONE:
            progress(f"== {name}")
            figures += ALONE[name](server, plan)
    context: dict[str, Any] = {
        "machine": machine(),
        "server": server.settings(),
        "sides": versions,
        "plan": vars(plan),
    }
    return Report("queue", context, is_judged, figures)


if __name__ == "__main__":
    # Ended politely, it removes its server; one that is left by a kill is removed by the next run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())

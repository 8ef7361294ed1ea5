"""How fast the coach is: `python -m benchmarks.coach`. What belongs here: which figures there are, and the run."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence

from benchmarks.coach.burst import burst
from benchmarks.coach.engagement import engagement
from benchmarks.coach.folding import folding
from benchmarks.coach.plan import QUICK, Plan
from benchmarks.coach.planning import planning
from benchmarks.queue.server import Server, durable_server, machine
from benchmarks.report import Figure, Report, options, progress
from pilar.settings import Settings

FIGURES: dict[str, Callable[[Server, Plan], list[Figure]]] = {
    "plan": planning,
    "burst": burst,
    "folding": folding,
    "engagement": engagement,
}

DESCRIPTION = """Measures the coach on a durable PostgreSQL of its own: planning what a million enrolled leads of ten
thousand studios get, each on their own local time; sending a morning's nudges to a WhatsApp on the same machine, with
worker, web service and sandbox as they are served; folding what is told of messages; and looking at engagement.

It prints each figure with its bar and exits 1 when a gate falls short. A full run takes some minutes, mostly to make
the leads, and wants the machine for itself."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    chosen = options(DESCRIPTION, names=list(FIGURES)).parse_args(arguments)
    plan = (QUICK if chosen.quick else Plan()).scaled(chosen.scale)
    with durable_server(Settings().home_path / "bench" / "coach") as server:
        figures: list[Figure] = []
        for name, measure in FIGURES.items():
            if not chosen.only or name in chosen.only:
                progress(f"== {name}")
                figures += measure(server, plan)
        context = {"machine": machine(), "server": server.settings(), "plan": vars(plan)}
    report = Report("coach", context, not chosen.quick, figures)
    report.show(as_json=chosen.json)
    return report.exit_code


if __name__ == "__main__":
    # Ended politely, it removes its server; one that is left by a kill is removed by the next run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())

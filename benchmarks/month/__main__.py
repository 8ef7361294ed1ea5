"""A simulated month of coaching: `python -m benchmarks.month`. What belongs here: which months, and their figures."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.month.life import ZONES, Month, live
from benchmarks.queue.server import Server, machine, passing_server
from benchmarks.report import Bar, Figure, Report, options, progress
from pilar.settings import Settings

MONTHS = {"march": datetime(2026, 3, 6, tzinfo=UTC), "october": datetime(2026, 10, 3, tzinfo=UTC)}
"""Both begin before the first clock is set and end after the last: America and Europe, and Chile and Australia with the
other season."""
STUDIOS, DAYS = 50, 31
QUICK_STUDIOS, QUICK_DAYS = 3, 4

DESCRIPTION = f"""Lets {STUDIOS} studios in {len(ZONES)} time zones coach their leads for {DAYS} days over the change of
the clocks in spring, and again in autumn, by the business clock and through the sandbox. Each nudge is held against
what plain arithmetic says: sent once at the right local time, or refused for the right reasons.

It prints each figure with its bar and exits 1 when one falls short."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Live, compare, print, and return the exit code."""
    chosen = options(DESCRIPTION, names=list(MONTHS)).parse_args(arguments)
    studios, days = (QUICK_STUDIOS, QUICK_DAYS) if chosen.quick else (max(1, round(STUDIOS * chosen.scale)), DAYS)
    figures: list[Figure] = []
    with passing_server(Settings().home_path / "bench" / "month") as server:
        for name, begins in MONTHS.items():
            if not chosen.only or name in chosen.only:
                figures += _month(server, name, begins, studios, days)
        context = {"machine": machine(), "studios": studios, "days": days, "zones": len(ZONES)}
    # A wrong nudge is wrong in a short run too.
    report = Report("month", context, is_judged=True, figures=figures)
    report.show(as_json=chosen.json)
    return report.exit_code


def _month(server: Server, name: str, begins: datetime, studios: int, days: int) -> list[Figure]:
    progress(f"== {name}: {studios} studios from {begins:%d %B} for {days} days")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="pilar-bench-") as home:
        month = live(server.ours("month"), Path(home), studios, begins, days)
    server.drop("month")
    for words in month.wrong[:20]:
        progress(f"wrong: {words}")
    return _figures(name, month, time.perf_counter() - began)


def _figures(name: str, month: Month, seconds: float) -> list[Figure]:
    none = Bar(0, at_most=True)
    apart = abs(month.planned - month.sent - month.unsent)
    report = f"the product's report says {month.told}, the sandbox took {month.taken}"
    return [
        Figure(f"{name}: nudges planned", "", (month.planned,), Bar(1)),
        Figure(f"{name}: sent, each once at its local time", "", (month.sent,)),
        Figure(f"{name}: not sent", "", (month.unsent,)),
        *(Figure(f"{name}: refused: {code}", "", (count,)) for code, count in sorted(month.refused.items())),
        Figure(f"{name}: not as plain arithmetic has it", "", (len(month.wrong),), none),
        Figure(f"{name}: planned, but neither sent nor refused", "", (apart,), none),
        Figure(f"{name}: reports that do not add up", "", (int(not month.adds_up),), none, note=report),
        Figure(f"{name}: took", "s", (seconds,)),
    ]


if __name__ == "__main__":
    # Ended politely, it removes its server; one that is left by a kill is removed by the next run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())

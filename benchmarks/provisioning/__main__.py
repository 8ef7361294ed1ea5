"""Signups under faults, until nobody waits but by name: `python -m benchmarks.provisioning`.

What belongs here: the options and which figures there are. What does not: who signs up (`crowd.py`), what happens
(`run.py`) and what came of it (`counted.py`).
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.provisioning.crowd import SHARES, Kind, Owner, owners
from benchmarks.provisioning.run import Run, run
from benchmarks.queue.server import machine
from benchmarks.report import Bar, Figure, Report, options, percentile, progress

SIGNUPS, QUICK = 1_000, 12

CPU_SECONDS = 1.5
"""Of the product's own programs for each signup, at most."""
WALL_SECONDS, WALL_AT_FIRST = 0.6, 120.0
"""Of the first day: for each signup, all on two cores, and for outages and back-offs however few there are."""
MEDIAN_SECONDS = 180.0
"""Of business time from the payment to the opening, where the owner is at hand."""
LONGEST_RUN = 900.0
"""Seconds of the whole run of a thousand, with the days that go by and the looking for effects in doubt."""
SLOWEST_DAYS = 6.0
"""Of business time by which nineteen of twenty have opened: owners take five days at most to read their mail."""

DESCRIPTION = """Has people pay for studios by a sandbox of Stripe, whose signed webhooks knock at the real door, while
Stripe, Twilio and Meta repeat, reorder, refuse, time out after they have accepted, and are away. Some owners take days
of business time, some never come, and Meta rejects a business and a template of some who then mend them.

At the end each studio has to be active, or to wait for somebody by name, with exactly one account, key
and number at Twilio, and nobody may have touched anything. It exits 1 where that is not so."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, judge, print, and return the exit code."""
    parser = options(DESCRIPTION, names=())
    parser.add_argument("--signups", type=int, default=SIGNUPS, metavar="N", help=f"so many, else {SIGNUPS}")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="decides who they are and what fails; else 1")
    kept = "an empty directory, kept with its logs; else one that is removed"
    parser.add_argument("--home", type=Path, metavar="DIR", help=kept)
    chosen = parser.parse_args(arguments)
    count = QUICK if chosen.quick else max(1, round(chosen.signups * chosen.scale))
    if count <= len(SHARES):
        parser.error(f"--signups is {len(SHARES) + 1} at least: there is one owner of each kind")
    crowd = owners(count, chosen.seed)
    began, load = time.monotonic(), round(os.getloadavg()[0], 1)
    with _home(chosen.home) as home:
        told = run(home, crowd, chosen.seed)
    context = {"machine": machine(), "load before": load, "seed": chosen.seed, "signups": count, **_kinds(crowd)}
    figures = figures_of(told, crowd, time.monotonic() - began)
    report = Report("provisioning", context, is_judged=not chosen.quick, figures=figures)
    report.show(as_json=chosen.json)
    # Few signups say nothing about speed, but what must not be must not be with few either.
    return report.exit_code or int(any(told.counted.wrong.values()) or not told.is_complete)


def figures_of(told: Run, crowd: Sequence[Owner], seconds: float) -> list[Figure]:
    """The figures of a run over a crowd that took so many seconds in all."""
    for kind, sentences in told.counted.wrong.items():
        for one in sentences[:10]:
            progress(f"{kind}: {one}")
    count, none = len(crowd), Bar(0, at_most=True)
    comes = sum(one.kind is not Kind.NEVER for one in crowd)
    opened = sorted(one.seconds for one in told.counted.ends if one.is_active and one.seconds is not None)
    active = sum(one.is_active for one in told.counted.ends)
    figures = [
        Figure("runs that came to their end", "", (int(told.is_complete),), Bar(1)),
        Figure("studios that are active", "", (active,), Bar(comes), note="all whose owner comes"),
        Figure("studios in a named wait", "", (sum(one.is_named and not one.is_active for one in told.counted.ends),)),
    ]
    figures += [Figure(kind, "", (len(sentences),), none) for kind, sentences in told.counted.wrong.items()]
    figures.append(Figure("faults that struck", "", (told.struck,), Bar(1), note="none: nothing has been shown"))
    wall = WALL_SECONDS + WALL_AT_FIRST / count
    own = sum(told.cpu.get(name, 0.0) for name in ("web", "worker"))
    figures += [
        Figure("our own CPU per signup", "s", (own / count,), Bar(CPU_SECONDS, at_most=True), note="worker and door"),
        *(Figure(f"CPU per signup: {name}", "s", (used / count,)) for name, used in sorted(told.cpu.items())),
        Figure("wall time per signup", "s", (told.seconds / count,), Bar(wall, at_most=True)),
    ]
    for name, share, bar in (("p50", 0.5, MEDIAN_SECONDS), ("p95", 0.95, SLOWEST_DAYS * 86_400)):
        values = (percentile(opened, share),) if opened else ()
        figures.append(
            Figure(f"payment to opening, {name}", "s", values, Bar(bar, at_most=True), missing="no studio has opened")
        )
    figures.append(Figure("waits followed up", "", (told.reminders,)))
    longest = Bar(LONGEST_RUN * max(1.0, count / SIGNUPS), at_most=True, is_goal=True)
    figures.append(Figure("the whole run", "s", (seconds,), longest))
    return figures


def _kinds(crowd: Sequence[Owner]) -> dict[str, int]:
    return {f"{kind} owners": sum(one.kind is kind for one in crowd) for kind in Kind}


@contextmanager
def _home(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given.absolute()
        return
    home = Path(tempfile.mkdtemp(prefix="pilar-signups-"))
    home.chmod(0o711)  # where root runs it, the server's account has to get through
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    # Ended politely, it takes down what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())

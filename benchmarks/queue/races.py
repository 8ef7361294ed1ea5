"""The figures of one side beside another. What belongs here: draining, enqueueing and latency, and their bars.

All sides have their turns within each round, so that what the machine suffers meanwhile hits all of them; a ratio is
taken round by round, and its median counts.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from benchmarks.queue.plan import Plan
from benchmarks.queue.processes import Failed
from benchmarks.queue.sides import BARE, GRAPHILE, OURS, PEERS, PGQUEUER, PGQUEUER_LARGE, Side, Sides
from benchmarks.report import Bar, Figure, percentile, progress, ratios

Measure = Callable[[Side], float]

_EACH_ONCE = tuple(name for name in PEERS if name != PGQUEUER_LARGE)
"""The peers where it matters little how many pieces a worker takes at once."""


def race(sides: Sides, names: Sequence[str], rounds: int, what: str, measure: Measure) -> dict[str, list[float]]:
    """Measure each side in its turn, round by round; return what each gave in each round.

    A peer that fails drops out with its reason; a failure of our own ends the run.
    """
    found: dict[str, list[float]] = {name: [] for name in names if name in sides.present}
    for number in range(1, rounds + 1):
        for name in list(found):
            try:
                found[name].append(measure(sides.present[name]))
            except Failed as error:
                if name not in PEERS:
                    raise
                sides.drop_out(name, str(error))
                del found[name]
            else:
                progress(f"{what}, round {number}: {name} {found[name][-1]:,.4g}")
    return found


def drain(sides: Sides, plan: Plan) -> list[Figure]:
    """How fast one process drains."""
    names = (OURS, BARE, *PEERS)
    found = race(sides, names, plan.rounds, "drain", lambda side: side.drain(plan.drained, plan.batch))
    return [
        *_rates("drain, one process", names, found, sides),
        _ratio("drain ÷ pgqueuer", found, PGQUEUER, Bar(5), sides),
        _ratio("drain ÷ pgqueuer in batches of 500", found, PGQUEUER_LARGE, None, sides),
        _ratio("drain ÷ bare SQL", found, BARE, Bar(0.6), sides),
        _ratio("drain ÷ graphile-worker", found, GRAPHILE, Bar(1.3, is_goal=True), sides),
    ]


def two(sides: Sides, plan: Plan) -> list[Figure]:
    """How fast two processes drain."""
    names = (OURS, PGQUEUER, GRAPHILE)
    found = race(
        sides, names, plan.rounds, "drain by two", lambda side: side.drain(2 * plan.drained, plan.batch, processes=2)
    )
    return [
        *_rates("drain, two processes", names, found, sides),
        _ratio("drain by two ÷ graphile-worker", found, GRAPHILE, Bar(1.3, is_goal=True), sides),
    ]


def bulk(sides: Sides, plan: Plan) -> list[Figure]:
    """How fast is enqueued in batches: key, fact and queue row on our side."""
    names = (OURS, *_EACH_ONCE)
    found = race(sides, names, plan.rounds, "bulk enqueue", lambda side: side.bulk(plan.bulk, plan.batch))
    return [
        *_rates("bulk enqueue", names, found, sides),
        _ratio("bulk enqueue ÷ pgqueuer", found, PGQUEUER, Bar(0.9), sides),
    ]


def single(sides: Sides, plan: Plan) -> list[Figure]:
    """How fast is enqueued one by one, each with its commit and its notification."""
    names = (OURS, *_EACH_ONCE)
    found = race(sides, names, plan.rounds, "single enqueue", lambda side: side.single(plan.single))
    return [
        *_rates("single enqueue", names, found, sides),
        _ratio("single enqueue ÷ pgqueuer", found, PGQUEUER, Bar(1), sides),
    ]


def latency(sides: Sides, plan: Plan) -> list[Figure]:
    """How long a piece waits where there is hardly anything to do."""
    names = (OURS, *_EACH_ONCE)
    high: dict[str, list[float]] = {name: [] for name in names}

    def median(side: Side) -> float:
        waits = side.waits(plan.paced, plan.pace)
        high[side.name].append(percentile(waits, 0.99) * 1_000)
        return percentile(waits, 0.5) * 1_000

    low = race(sides, names, plan.rounds, f"p50 in ms at {plan.pace}/s", median)
    at = f"latency at {plan.pace}/s"
    figures = []
    for name in names:
        bar = Bar(3, at_most=True) if name == OURS else None
        why = sides.absent.get(name, "")
        figures.append(Figure(f"{at}, p50, {name}", "ms", tuple(low.get(name, ())), bar, why))
        figures.append(Figure(f"{at}, p99, {name}", "ms", tuple(high[name] if name in low else ()), None, why))
    peers = [name for name in _EACH_ONCE if name in low]
    best = min(peers, key=lambda name: statistics.median(high[name]), default="")
    figures.append(
        Figure(
            f"{at}, p99 ÷ the best peer's",
            "×",
            ratios(high[OURS], high[best]) if best else (),
            Bar(1, at_most=True),
            missing="" if best else "no peer is there",
            note=f"the best peer is {best}" if best else "",
        )
    )
    return figures


def _rates(what: str, names: Sequence[str], found: dict[str, list[float]], sides: Sides) -> list[Figure]:
    return [
        Figure(f"{what}, {name}", "/s", tuple(found.get(name, ())), None, sides.absent.get(name, "")) for name in names
    ]


def _ratio(what: str, found: dict[str, list[float]], under: str, bar: Bar | None, sides: Sides) -> Figure:
    if under not in found:
        return Figure(what, "×", (), bar, sides.absent.get(under, "it is not there"))
    return Figure(what, "×", ratios(found[OURS], found[under]), bar)

"""When a studio can be booked: opening hours, less what is busy, cut into slots.

What belongs here: the pure rule. What does not: reading hours and bookings (`store.py`), and booking (`bookings.py`).

Opening hours are wall time in the studio's zone, everything else is an instant in UTC. The two meet in one place,
`opening_intervals`: on a day when the clocks change, opening and closing time are each turned into an instant by
themselves, and slots are counted off between the instants. An opening or closing time that a day skips is as much
later as the clocks are put forward; of one that a day has twice, the first counts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

GRANULARITY = timedelta(minutes=30)
"""How far apart slots start unless it is said otherwise."""


@dataclass(frozen=True, order=True)
class Interval:
    """From an instant on until just before another."""

    start: datetime
    end: datetime


@dataclass(frozen=True, order=True)
class Hours:
    """One stretch of opening hours; closing at or before the opening time means on the next day.

    Attributes:
        weekday: ISO: 1 is Monday.
        opens: wall time in the studio's zone.
        closes: wall time in the studio's zone.
    """

    weekday: int
    opens: time
    closes: time


@dataclass(frozen=True, order=True)
class Slot:
    """A time that can be booked, in UTC."""

    starts_at: datetime
    ends_at: datetime


def opening_intervals(hours: Iterable[Hours], zone: ZoneInfo, first: date, days: int) -> list[Interval]:
    """When a studio is open, in order; stretches that touch or overlap are one.

    Args:
        hours: the week's opening hours.
        zone: the studio's time zone.
        first: the first local day.
        days: how many local days.
    """
    by_weekday: dict[int, list[Hours]] = {}
    for stretch in hours:
        by_weekday.setdefault(stretch.weekday, []).append(stretch)
    found = []
    for day in (first + timedelta(days=number) for number in range(days)):
        for stretch in by_weekday.get(day.isoweekday(), ()):
            closing_day = day if stretch.opens < stretch.closes else day + timedelta(days=1)
            start, end = _instant(day, stretch.opens, zone), _instant(closing_day, stretch.closes, zone)
            if start < end:  # else the clocks were put forward over all of it
                found.append(Interval(start, end))
    return merged(found)


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The same time as few intervals as can be, in order."""
    result: list[Interval] = []
    for interval in sorted(intervals):
        if result and interval.start <= result[-1].end:
            result[-1] = Interval(result[-1].start, max(result[-1].end, interval.end))
        else:
            result.append(interval)
    return result


def free_slots(
    opening: Sequence[Interval],
    busy: Iterable[Interval],
    *,
    duration: timedelta,
    buffer: timedelta,
    start: datetime,
    end: datetime,
    before: timedelta = timedelta(0),
    granularity: timedelta = GRANULARITY,
    limit: int | None = None,
) -> list[Slot]:
    """The slots that can be booked, in order.

    Args:
        opening: when the studio is open, as `opening_intervals` gives it. A slot ends before closing time.
        busy: what is taken, buffers included.
        duration: how long a booking takes.
        buffer: what is kept free after it; that may run past closing time.
        start: slots start at this moment or later.
        end: slots start before this moment.
        before: what is kept free before it; that may begin before opening time.
        granularity: slots start at opening time, and at each multiple of this after it.
        limit: at most so many; None: all.
    """
    taken = merged(busy)
    slots = _slots(opening, taken, duration, buffer, before, start, end, granularity)
    return list(slots if limit is None else islice(slots, limit))


def _slots(
    opening: Sequence[Interval],
    taken: Sequence[Interval],
    duration: timedelta,
    buffer: timedelta,
    before: timedelta,
    start: datetime,
    end: datetime,
    granularity: timedelta,
) -> Iterator[Slot]:
    starts = [interval.start for interval in taken]
    for interval in opening:
        moment = interval.start
        if start > moment:
            moment += -((moment - start) // granularity) * granularity  # rounded up to the grid
        while moment < end and moment + duration <= interval.end:
            # Of what begins before the slot is over, the last decides: what is taken doesn't overlap.
            last = bisect_left(starts, moment + duration + buffer) - 1
            if last >= 0 and taken[last].end > moment - before:
                moment += -((moment - before - taken[last].end) // granularity) * granularity
                continue
            yield Slot(moment, moment + duration)
            moment += granularity


def _instant(day: date, wall_time: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, wall_time, tzinfo=zone).astimezone(UTC)

"""When a coaching message is due. What belongs here: the pure rules of cron, time zone and frequency.

A schedule is read on the wall clock of where the lead is, and gives each local day at most one moment: its first. Where
the clocks are put forward, a time that is skipped falls due at the first minute that there is; where they are put
back, a time that comes twice falls due when it comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from pilar.errors import Invalid

EVERY = {"daily": 1, "weekly": 7, "bi-weekly": 14}
"""Local days that have at most one nudge of a type, by frequency; the plan's SQL knows the same (`plan_store.py`)."""

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


def check(cron: str) -> None:
    """Have a cron expression refused that can't be read or never comes.

    Raises:
        Invalid: it is one of these.
    """
    _next(cron, datetime(2024, 1, 1))  # noqa: DTZ001 - the wall clock's, wherever that hangs


def at_time_of_day(cron: str, time_of_day: str | None) -> str:
    """A cron expression on the same days at a lead's own time (HH:MM), if there is one."""
    if time_of_day is None:
        return cron
    hour, minute = time_of_day.split(":")
    return " ".join((str(int(minute)), str(int(hour)), *cron.split()[2:]))


def due_moments(crons: Iterable[str], zone: str, begin: datetime, end: datetime) -> Mapping[date, datetime]:
    """When a type of nudge is due in a zone, by local day.

    Args:
        crons: its schedules; of several on a day the first counts.
        zone: IANA name.
        begin: first moment of the span, aware.
        end: first moment after it, aware.

    Returns:
        For each local day that has one in the span its moment, in UTC.

    Raises:
        Invalid: a schedule can't be read.
    """
    return _due_moments(tuple(crons), zone, begin, end)


@lru_cache(maxsize=10_000)
def _due_moments(crons: tuple[str, ...], zone: str, begin: datetime, end: datetime) -> Mapping[date, datetime]:
    """The same for all leads of a zone, of whom a plan has many."""
    place = ZoneInfo(zone)
    found: dict[date, datetime] = {}
    # A skipped time falls due on the following day where the clocks go forward over midnight.
    for day in _days(begin.astimezone(place).date() - _DAY, end.astimezone(place).date()):
        times = [time_ for cron in crons if (time_ := _first_on(cron, day)) is not None]
        if times and begin <= (due := moment(day, min(times), place)) < end:
            found[day] = due
    return MappingProxyType(found)


def moment(day: date, at: time, place: ZoneInfo) -> datetime:
    """The moment, in UTC, at which a place's clocks show a time on a day."""
    shown = datetime.combine(day, at)
    as_before = shown.replace(tzinfo=place, fold=0).astimezone(UTC)
    if as_before.astimezone(place).replace(tzinfo=None) == shown:
        return as_before
    # Skipped: the clocks go forward between what the time would be by the new offset and by the old one.
    too_early, late_enough = shown.replace(tzinfo=place, fold=1).astimezone(UTC), as_before
    before = too_early.astimezone(place).utcoffset()
    while late_enough - too_early > _MINUTE:
        middle = too_early + (late_enough - too_early) // _MINUTE // 2 * _MINUTE
        if middle.astimezone(place).utcoffset() == before:
            too_early = middle
        else:
            late_enough = middle
    return late_enough


def next_fires(crons: Iterable[str], zone: str, after: datetime, count: int) -> list[datetime]:
    """The next moments of a type of nudge in a zone, in UTC; fewer where they lie too far ahead to tell.

    Args:
        crons: its schedules; of several on a day the first counts.
        zone: IANA name.
        after: aware; what is due by then is not among them.
        count: how many.

    Raises:
        Invalid: a schedule can't be read.
    """
    crons, place = tuple(crons), ZoneInfo(zone)
    # From the day before: a time that is skipped over midnight is due on the following day.
    begin = datetime.combine(after.astimezone(place).date() - _DAY, time()) - timedelta(seconds=1)
    days: set[date] = set()
    for cron in crons:
        check(cron)
        once_a_day = CronSim(at_time_of_day(cron, "00:00"), begin)
        days |= {shown.date() for shown in islice(once_a_day, count + 2)}
    moments = [
        moment(day, min(at for cron in crons if (at := _first_on(cron, day)) is not None), place)
        for day in sorted(days)
    ]
    return [due for due in moments if due > after][:count]


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += _DAY


@lru_cache(maxsize=10_000)
def _first_on(cron: str, day: date) -> time | None:
    """The first time of a day on the wall clock."""
    begin = datetime.combine(day, time())
    due = _next(cron, begin - timedelta(seconds=1))
    return due.time() if due.date() == day else None


def _next(cron: str, after: datetime) -> datetime:
    try:
        return next(CronSim(cron, after))
    except (CronSimError, StopIteration) as error:
        reason = str(error) or "it never comes"
        raise Invalid(f"{cron!r} is not a schedule: {reason}.") from error

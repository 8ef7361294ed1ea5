"""When a follow-up goes. What belongs here: the pure rules of silence, local time and quiet hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pilar.messaging.zones import OPENS, is_quiet

_DAY = timedelta(days=1)
_DAYS = 3
"""Zones lie at most a day apart: by then each has opened."""


def due_at(base: datetime, zones: Sequence[str], time_of_day: str | None) -> datetime:
    """When a follow-up is due, in UTC.

    Args:
        base: when the silence has lasted, aware.
        zones: where the lead may be, as IANA names; the first counts for the time of day.
        time_of_day: HH:MM on the lead's clock, or None for the first moment that is not quiet.

    Returns:
        The first such moment from `base` on; a decent hour in all zones, where there is one.
    """
    moment = base if time_of_day is None else _next_at(base, zones[0], time.fromisoformat(time_of_day))
    return _decent(moment, zones).astimezone(UTC)


def day_begins(now: datetime, zone: str) -> datetime:
    """When the day of `now` began in a zone, in UTC."""
    place = ZoneInfo(zone)
    return datetime.combine(now.astimezone(place).date(), time(), place).astimezone(UTC)


def next_day(now: datetime, zone: str) -> datetime:
    """When the day after that of `now` begins in a zone, in UTC."""
    place = ZoneInfo(zone)
    return datetime.combine(now.astimezone(place).date() + _DAY, time(), place).astimezone(UTC)


def zones_to_ask(plausible: Sequence[str], studio: str) -> tuple[str, ...]:
    """The zones with the one to plan in first: the studio's if a number leaves it possible."""
    if studio not in plausible:
        return tuple(plausible)
    return (studio, *(zone for zone in plausible if zone != studio))


def _next_at(base: datetime, zone: str, at: time) -> datetime:
    place = ZoneInfo(zone)
    day = base.astimezone(place).date()
    moments = (datetime.combine(day + timedelta(days=ahead), at, place).astimezone(UTC) for ahead in range(_DAYS))
    return next(moment for moment in moments if moment >= base)


def _decent(moment: datetime, zones: Sequence[str]) -> datetime:
    # What is quiet ends where some zone opens.
    openings = (
        datetime.combine(moment.astimezone(ZoneInfo(zone)).date() + timedelta(days=ahead), OPENS, ZoneInfo(zone))
        for zone in zones
        for ahead in range(_DAYS)
    )
    later = sorted(opening.astimezone(UTC) for opening in openings)
    tried = [moment, *(opening for opening in later if opening > moment)]
    return next((one for one in tried if not is_quiet(one, zones)), moment)

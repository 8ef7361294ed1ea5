"""Where a lead may be, and whether it is a decent hour there. What belongs here: the pure rules.

Quiet hours are the recipient's (TCPA: 8 to 21). A number tells a zone only roughly: where several are plausible, an
hour is decent if it is decent in all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import timezone as phone_zones

OPENS = time(8)
CLOSES = time(21)
"""First moment that is quiet again."""

_UNKNOWN = "Etc/Unknown"


def plausible_zones(given: str | None, phone: str | None, studio: str) -> tuple[str, ...]:
    """The zones a lead may be in.

    Args:
        given: what the lead or the staff said; it leaves no doubt.
        phone: E.164.
        studio: the studio's own zone, for who has no number.
    """
    if given:
        return (given,)
    return (_zones_of(phone) if phone else ()) or (studio,)


def is_quiet(now: datetime, zones: Iterable[str]) -> bool:
    """Whether unasked-for messages must wait, since it is too early or too late in one of the zones."""
    return any(not OPENS <= now.astimezone(ZoneInfo(zone)).time() < CLOSES for zone in zones)


def days_later(moment: datetime, days: int, zones: Iterable[str]) -> datetime:
    """When the clocks show the same time so many days on, in the last of the zones to get there; without one, in UTC.

    Where that time is skipped it is as long after the change as it would be after the hour before it; one that comes
    twice is its first.
    """
    # Arithmetic within a zone is its wall clock's.
    shown = [moment.astimezone(ZoneInfo(zone)) + timedelta(days=days) for zone in zones]
    return max((one.astimezone(UTC) for one in shown), default=moment + timedelta(days=days))


def country_of(phone: str | None) -> str | None:
    """The country of a number in E.164, as ISO 3166 alpha-2; None where it has none."""
    if not phone:
        return None
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(phone))
    except phonenumbers.NumberParseException:
        return None


@lru_cache(maxsize=10_000)
def _zones_of(phone: str) -> tuple[str, ...]:
    try:
        found = phone_zones.time_zones_for_number(phonenumbers.parse(phone))
    except phonenumbers.NumberParseException:
        return ()
    return tuple(zone for zone in found if zone != _UNKNOWN)

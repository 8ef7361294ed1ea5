"""What each lead should get, and when. What belongs here: plain arithmetic with `zoneinfo`, and none of the product's.

It is the other opinion: a wall clock is walked minute by minute, so that no rule about gaps and repetitions is shared
with what is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
SUNDAY = 6
OPENS, CLOSES = time(8), time(21)


@dataclass(frozen=True)
class Kind:
    """A type of nudge: when on the wall clock, and on which weekday (Monday is 0); None: every day."""

    name: str
    at: time
    weekday: int | None = None

    @property
    def cron(self) -> str:
        """The same as a studio writes it."""
        # Cron's week begins with Sunday.
        day = "*" if self.weekday is None else str((self.weekday + 1) % 7)
        return f"{self.at.minute} {self.at.hour} * * {day}"


KINDS = (
    Kind("morning_nudge", time(8)),
    Kind("weekly_checkin", time(17), SUNDAY),
    Kind("motivation_message", time(2, 30)),
)
"""The last is due where clocks are set: skipped in spring, there twice in autumn, and always too early to be sent."""


@dataclass(frozen=True)
class Who:
    """A lead: where they are, the hour they named if they did, and whether they agreed to be written to."""

    zone: str
    hour: time | None
    agrees: bool


@dataclass(frozen=True)
class Nudge:
    """What should become of one: when it is due, and why it must not go; no reason: it goes."""

    kind: str
    day: date
    due_at: datetime
    reasons: frozenset[str]


def nudges(who: Who, begins: datetime, ends: datetime) -> Iterator[Nudge]:
    """What somebody should get from one moment until before another."""
    zone = ZoneInfo(who.zone)
    day = begins.astimezone(zone).date() - timedelta(days=1)
    while day <= ends.astimezone(zone).date():
        for kind in KINDS:
            if kind.weekday in (None, day.weekday()):
                due_at = first_moment(datetime.combine(day, who.hour or kind.at), zone)
                if begins <= due_at < ends:
                    yield Nudge(kind.name, day, due_at, _reasons(who, due_at.astimezone(zone).time()))
        day += timedelta(days=1)


def first_moment(wall: datetime, zone: ZoneInfo) -> datetime:
    """When a wall clock first shows a time; where it never does, when it first shows a later one."""
    moment = wall.replace(tzinfo=UTC) - timedelta(hours=15)
    # Coarsely first: no clock is set by more than three hours.
    while moment.astimezone(zone).replace(tzinfo=None) < wall - timedelta(hours=3):
        moment += timedelta(hours=1)
    while moment.astimezone(zone).replace(tzinfo=None) < wall:
        moment += MINUTE
    return moment


def _reasons(who: Who, at: time) -> frozenset[str]:
    found = set() if who.agrees else {"no_consent"}
    if not OPENS <= at < CLOSES:
        found.add("quiet_hours")
    return frozenset(found)

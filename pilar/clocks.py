"""Two clocks. What belongs here: what a clock is, and the clocks that need no database.

*Business time* (schedules, windows, quiet hours, grace and holding periods, reports) can be moved by tests and
by the simulator. *Real time* (leases, time-outs, back-off, ages of tokens and signatures) never jumps. SQL never
calls `now()` for business time: the caller passes it.

The clock that all processes of one system share lives in the database: `pilar/database/shared_clock.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time as an aware datetime in UTC."""

    def now(self) -> datetime:
        """The present moment, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present moment, in UTC."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is moved: for tests."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock starts at an aware datetime")
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """The moment it was last moved to, in UTC."""
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move forward (never back) and return the new moment."""
        if by < timedelta(0):
            raise ValueError("time does not run backwards")
        self._now += by
        return self._now


@dataclass(frozen=True)
class ClockSetting:
    """How business time is derived from real time: `business_anchor + rate * (real - real_anchor)`."""

    real_anchor: datetime
    business_anchor: datetime
    rate: float = 1.0

    def at(self, real_now: datetime) -> datetime:
        """Business time at a real moment; time before the anchor is the anchor's."""
        elapsed = max(real_now - self.real_anchor, timedelta(0))
        return self.business_anchor + elapsed * self.rate


@dataclass(frozen=True)
class Clocks:
    """The pair that every edge hands down."""

    business: Clock
    real: Clock


def system_clocks() -> Clocks:
    """Both clocks on the machine's own time."""
    clock = SystemClock()
    return Clocks(business=clock, real=clock)

"""A day in the life of the studios. What belongs here: what happens when, on the business clock.

Business time runs through a day in seconds, for the product and for the simulated providers (`clockwork.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from pilar.clocks import Clocks, SystemClock
from pilar.database.engine import Database
from pilar_cli.crew import Crew
from pilar_cli.demo.clockwork import CLOCKS_SEEN_SECONDS, Clockwork
from pilar_cli.demo.outside import Outside
from pilar_cli.demo.people import Writer

DAY_SECONDS = 20.0
"""How long a day takes beside a warm worker."""
UNHURRIED_DAY_SECONDS = 80.0
"""How long without one: a run of Dagster's takes seconds to begin, and a nudge that is hours late is not sent."""
BEGINS = timedelta(hours=12)
"""On a Saturday: the weekly check-in is due the next day at five, when an unanswered window has closed again."""
SATURDAY = 5
LASTS = timedelta(hours=28, minutes=30)
A_MONTH = timedelta(days=32)
"""Longer than commissions are held, and than the longest month with the hour after which a renewal is charged."""

_WRITING = timedelta(hours=16)
"""Within so many hours everybody has written."""
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Occasion:
    """Something that happens at a moment of the day."""

    at: datetime
    happens: Callable[[], None]


class Day:
    """Runs the business clock through one day."""

    def __init__(
        self, database: Database, outside: Outside, crew: Crew, clocks: Clocks, *, seconds: float = DAY_SECONDS
    ) -> None:
        """Take the product's database and clocks, the sandbox, the programs, and how long a day takes."""
        self.seconds = seconds
        self._outside = outside
        self._crew = crew
        self._clocks = clocks
        self._clockwork = Clockwork(database, clocks, outside.set_clock)

    def live(
        self,
        studios: Sequence[UUID],
        writers: Sequence[Sequence[Writer]],
        meanwhile: Callable[[datetime], None],
    ) -> None:
        """Have a day pass.

        Args:
            studios: those whose hourly work is done.
            writers: leads by the delivery that brings their first messages, in order.
            meanwhile: called over and over with the business moment; shows, and does what people do.
        """
        begins = first_saturday(self._clocks.business.now())
        self._clockwork.set(begins, 1.0)
        self._crew.wait(CLOCKS_SEEN_SECONDS)
        setting = self._clockwork.set(begins, 86_400 / self.seconds)
        ends = begins + LASTS
        waiting = [
            Occasion(begins + _WRITING * (number / len(writers)), partial(self._outside.write_in, some))
            for number, some in enumerate(writers)
        ]
        next_hour = begins
        while (now := setting.at(SystemClock().now())) < ends:
            while waiting and waiting[0].at <= now:
                waiting.pop(0).happens()
            if now >= next_hour:
                self._clockwork.tick(studios)
                next_hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
            meanwhile(now)
            self._crew.wait(_LOOK_SECONDS)
        self._clockwork.set(ends, 1.0)
        self._crew.wait(CLOCKS_SEEN_SECONDS)
        self._clockwork.tick(studios)

    def skip(self, by: timedelta) -> None:
        """Let time pass at once."""
        self._clockwork.set(self._clocks.business.now() + by, 1.0)
        self._crew.wait(CLOCKS_SEEN_SECONDS)


def first_saturday(after: datetime) -> datetime:
    """The first Saturday afternoon, in UTC, that is not before a moment."""
    start = after.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + BEGINS
    days = (SATURDAY - start.weekday()) % 7
    found = start + timedelta(days=days)
    return found if found >= after else found + timedelta(days=7)

"""A day in the life of the studios. What belongs here: what happens when, on the business clock.

Business time runs through a day in seconds, for the product and for the simulated providers. What
Dagster's schedules do on real time is done by a ticker here, through the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import Connection

from pilar.clocks import Clocks, ClockSetting, SystemClock
from pilar.coach.activity import refresh_coach_activity
from pilar.coach.planning import plan
from pilar.database.engine import Database, Scope
from pilar.database.shared_clock import set_business_time
from pilar.messaging.activity import refresh_activity
from pilar.workspaces.chunks import in_chunks
from pilar_cli.crew import Crew
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
A_MONTH = timedelta(days=31)
"""Longer than commissions are held."""

_WRITING = timedelta(hours=16)
"""Within so many hours everybody has written."""
_LOOK_SECONDS = 0.1
_CLOCKS_SEEN_SECONDS = 1.2
"""By then every process has read the new setting of the business clock."""

Work = Callable[[Connection, Clocks, Sequence[UUID]], object]

HOURLY: tuple[Work, ...] = (plan, refresh_activity, refresh_coach_activity)
"""What Dagster's schedules do every hour, and the day's pages live from."""


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
        self._database = database
        self.seconds = seconds
        self._outside = outside
        self._crew = crew
        self._clocks = clocks

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
        self._set(begins, 1.0)
        self._crew.wait(_CLOCKS_SEEN_SECONDS)
        setting = self._set(begins, 86_400 / self.seconds)
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
                self._tick(studios)
                next_hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
            meanwhile(now)
            self._crew.wait(_LOOK_SECONDS)
        self._set(ends, 1.0)
        self._crew.wait(_CLOCKS_SEEN_SECONDS)
        self._tick(studios)

    def skip(self, by: timedelta) -> None:
        """Let time pass at once."""
        self._set(self._clocks.business.now() + by, 1.0)
        self._crew.wait(_CLOCKS_SEEN_SECONDS)

    def _tick(self, studios: Sequence[UUID]) -> None:
        for work in HOURLY:
            in_chunks(self._database, studios, partial(self._do, work))

    def _do(self, work: Work, connection: Connection, studios: Sequence[UUID]) -> object:
        return work(connection, self._clocks, studios)

    def _set(self, business: datetime, rate: float) -> ClockSetting:
        setting = ClockSetting(SystemClock().now(), business, rate)
        with self._database.transaction(Scope.fleet()) as connection:
            set_business_time(connection, setting)
        self._outside.set_clock(setting)
        return setting


def first_saturday(after: datetime) -> datetime:
    """The first Saturday afternoon, in UTC, that is not before a moment."""
    start = after.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + BEGINS
    days = (SATURDAY - start.weekday()) % 7
    found = start + timedelta(days=days)
    return found if found >= after else found + timedelta(days=7)

"""Business time, moved for product and providers at once. What belongs here: setting it, and what goes by it hourly.

What Dagster's schedules do on real time is done here, through the same functions, where business time runs quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import Connection

from pilar.clocks import Clocks, ClockSetting, SystemClock
from pilar.coach.activity import refresh_coach_activity
from pilar.coach.planning import plan
from pilar.database.engine import Database, Scope
from pilar.database.shared_clock import load_setting, set_business_time
from pilar.messaging.activity import refresh_activity
from pilar.messaging.costs import refresh_costs
from pilar.workspaces.chunks import in_chunks

CLOCKS_SEEN_SECONDS = 1.2
"""By then every process has read the new setting of the business clock."""

Work = Callable[[Connection, Clocks, Sequence[UUID]], object]

HOURLY: tuple[Work, ...] = (plan, refresh_activity, refresh_costs, refresh_coach_activity)
"""What Dagster's schedules do every hour, and the day's pages live from."""


class Clockwork:
    """Moves business time."""

    def __init__(self, database: Database, clocks: Clocks, tell: Callable[[ClockSetting], None]) -> None:
        """Take the product's database and clocks, and what tells the providers of a new setting."""
        self._database = database
        self._clocks = clocks
        self._tell = tell

    def now(self) -> datetime:
        """Business time, as the database has it."""
        return self._kept().at(SystemClock().now())

    def set(self, business: datetime, rate: float) -> ClockSetting:
        """Have it be a moment, from which time goes on at a pace (business seconds for a real one)."""
        return self._put(ClockSetting(SystemClock().now(), business, rate))

    def change_pace(self, rate: float) -> ClockSetting:
        """Let time go on at another pace, without its ever going back for anybody.

        Who has not read the new setting yet goes on at the former pace for a moment. So a slower pace begins at the
        point that these will have reached by then: whoever reads it at once is ahead of them and waits there.
        """
        former, now = self._kept(), SystemClock().now()
        if rate < former.rate:
            now += timedelta(seconds=CLOCKS_SEEN_SECONDS)
        return self._put(ClockSetting(now, former.at(now), rate))

    def tick(self, studios: Sequence[UUID]) -> None:
        """Do these studios' hourly work."""
        for work in HOURLY:
            in_chunks(self._database, studios, partial(self._do, work))

    def _do(self, work: Work, connection: Connection, studios: Sequence[UUID]) -> object:
        return work(connection, self._clocks, studios)

    def _kept(self) -> ClockSetting:
        with self._database.transaction(Scope.fleet()) as connection:
            kept = load_setting(connection)
        now = SystemClock().now()
        return kept or ClockSetting(now, now)

    def _put(self, setting: ClockSetting) -> ClockSetting:
        with self._database.transaction(Scope.fleet()) as connection:
            set_business_time(connection, setting)
        self._tell(setting)
        return setting

"""The business clock that all processes of one system share. What belongs here: its row, and who may move it.

In production the row is absent and business time is real time. The simulator sets it, and every process reads it at
most once per real second.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, Double, Integer, insert, select, update

from pilar.clocks import Clock, Clocks, ClockSetting, SystemClock
from pilar.database.engine import Database, Scope
from pilar.database.schema import Timestamp, fleet_table

_OLD = timedelta(seconds=1)
"""The age at which a reading is not believed any more."""

business_clock = fleet_table(
    "business_clock",
    Column("id", Integer, primary_key=True, autoincrement=False, comment="always 1"),
    Column("real_anchor", Timestamp, nullable=False, comment="real time of the last change"),
    Column("business_anchor", Timestamp, nullable=False, comment="business time at that moment"),
    Column("rate", Double, nullable=False, comment="business seconds per real second"),
    comment="How business time runs where it is simulated; no row: it is real time.",
)


class SharedClock:
    """Business time as the database tells it; between two readings it runs on at the known rate."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._real = SystemClock()
        self._lock = threading.Lock()
        self._read_at: datetime | None = None
        self._setting: ClockSetting | None = None

    def now(self) -> datetime:
        """Business time, in UTC."""
        real_now = self._real.now()
        with self._lock:
            self._read(real_now, _OLD)
            setting = self._setting
        return setting.at(real_now) if setting else real_now

    def renew(self) -> None:
        """Read it before its time, while nobody waits: then nobody has to wait for it later."""
        with self._lock:
            self._read(self._real.now(), _OLD / 2)

    def _read(self, real_now: datetime, old: timedelta) -> None:
        if self._read_at is None or real_now - self._read_at >= old:
            with self._database.transaction(Scope.fleet()) as connection:
                self._setting = load_setting(connection)
            self._read_at = real_now


def shared_clocks(database: Database) -> Clocks:
    """The pair of clocks of a running system."""
    return Clocks(business=SharedClock(database), real=SystemClock())


def renew(clock: Clock) -> None:
    """Have a shared clock read while there is nothing else to do; another kind needs no reading."""
    if isinstance(clock, SharedClock):
        clock.renew()


def load_setting(connection: Connection) -> ClockSetting | None:
    """How business time runs, or None where it is real time."""
    row = connection.execute(select(business_clock)).one_or_none()
    return ClockSetting(row.real_anchor, row.business_anchor, row.rate) if row else None


def set_business_time(connection: Connection, setting: ClockSetting) -> None:
    """Move business time for all processes, at the latest one real second from now."""
    values = {"real_anchor": setting.real_anchor, "business_anchor": setting.business_anchor, "rate": setting.rate}
    if connection.execute(update(business_clock).values(values)).rowcount == 0:
        connection.execute(insert(business_clock).values(id=1, **values))

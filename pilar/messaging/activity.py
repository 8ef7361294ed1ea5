"""A studio's messages by day, for dashboards and analysts. What belongs here: making `analytics.messaging_day`.

Set-based: one statement for any number of studios and days, and the same rows whoever asks for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from pilar.clocks import Clocks
from pilar.messaging import activity_store

LOOKED_BACK = timedelta(days=2)
"""Statuses trickle in for a while: the days before today are made again for so long."""


def refresh_activity(
    connection: Connection, clocks: Clocks, studios: Sequence[UUID], *, since: datetime | None = None
) -> int:
    """Make the rows of these studios anew; return how many there are. Needs the fleet's scope.

    Args:
        connection: a transaction.
        clocks: both clocks.
        studios: whose.
        since: from the day of this business moment on; None: of the last two days and today.
    """
    now = clocks.business.now()
    first = (since or now - LOOKED_BACK).replace(hour=0, minute=0, second=0, microsecond=0)
    return activity_store.make_days(connection, studios, first, now)

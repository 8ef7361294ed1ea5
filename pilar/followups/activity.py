"""Follow-ups in figures. What belongs here: making `analytics.followup_day`, set-based for any number of studios."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection

from pilar.clocks import Clocks
from pilar.followups import activity_store

LOOKED_BACK = timedelta(days=8)
"""A booking within seven days counts: the days before today are made again for so long."""


def refresh_followups(connection: Connection, clocks: Clocks, studios: Sequence[UUID]) -> int:
    """Make the rows of these studios anew; return how many there are. Needs the fleet's scope."""
    now = clocks.business.now()
    first = (now - LOOKED_BACK).replace(hour=0, minute=0, second=0, microsecond=0)
    return activity_store.make_days(connection, studios, first, now)

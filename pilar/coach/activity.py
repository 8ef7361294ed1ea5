"""A studio's coaching by day, for dashboards and analysts. What belongs here: making its `analytics` tables.

Set-based: the same statements for any number of studios, and the same rows whoever asks for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta
from uuid import UUID

from sqlalchemy import Connection

from pilar.clocks import Clocks
from pilar.coach import activity_store

LOOKED_BACK = timedelta(days=3)
"""Answers and statuses trickle in for a while: the days before today are made again for so long."""

ANSWERED_WITHIN = timedelta(hours=12)
"""How long after a nudge what a lead writes counts as an answer to it."""

OPTED_OUT_WITHIN = timedelta(hours=24)
"""How long after a nudge an opt-out is put down to it."""


def refresh_coach_activity(connection: Connection, clocks: Clocks, studios: Sequence[UUID]) -> int:
    """Make the rows of these studios' recent days anew; return how many there are, by day and type.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        studios: whose.
    """
    now = clocks.business.now()
    first = (now - LOOKED_BACK).astimezone(UTC).date()
    return activity_store.make_days(connection, studios, first, now, ANSWERED_WITHIN, OPTED_OUT_WITHIN)

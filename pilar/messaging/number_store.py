"""How WhatsApp stands to a studio's number: its quality, its limits, and what is forbidden to it.

What belongs here: the SQL, reading and changing. What does not: what providers tell (`provisioning` follows their
webhooks) and what it means for a message (`verdict.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from pilar.messaging.number_tables import number_standing

Quality = Literal["green", "yellow", "red", "unknown"]

FIRST_LIMIT = 250
"""People a new business portfolio may write to outside the window in 24 hours (WhatsApp's messaging limits)."""

FIRST_THROUGHPUT = 80
"""Messages per second that a number may send before WhatsApp upgrades it."""

_FRESH: Mapping[str, Any] = {
    "quality": "unknown",
    "messaging_limit": FIRST_LIMIT,
    "throughput": FIRST_THROUGHPUT,
}


@dataclass(frozen=True)
class NumberStanding:
    """How a number stands; the defaults are those of a new one. The fields are the table's columns."""

    quality: Quality = "unknown"
    messaging_limit: int | None = FIRST_LIMIT
    throughput: int = FIRST_THROUGHPUT
    marketing_frozen_until: datetime | None = None
    restricted: str | None = None
    restricted_until: datetime | None = None
    told_at: datetime | None = None
    heard_at: datetime | None = None
    read_at: datetime | None = None
    status: str | None = None
    name_status: str | None = None
    name_reason: str | None = None
    review: str | None = None
    verification: str | None = None


def standing_of(connection: Connection, workspace_id: UUID, *, hold: bool = False) -> NumberStanding:
    """How a studio's number stands; `hold` keeps others from changing it until the end, where it has a row."""
    columns = [number_standing.c[name] for name in NumberStanding.__dataclass_fields__]
    query = select(*columns).filter_by(workspace_id=workspace_id)
    row = connection.execute(query.with_for_update() if hold else query).one_or_none()
    return NumberStanding(*row) if row else NumberStanding()


def change_standing(connection: Connection, workspace_id: UUID, changes: Mapping[str, Any], now: datetime) -> None:
    """Keep what is new about a number, and leave the rest as it is.

    Args:
        connection: a transaction in the studio's or the fleet's scope.
        workspace_id: the studio.
        changes: columns with their new values.
        now: business time.
    """
    changed = {**changes, "changed_at": now}
    statement = insert(number_standing).values(workspace_id=workspace_id, **{**_FRESH, **changed})
    connection.execute(statement.on_conflict_do_update(index_elements=["workspace_id"], set_=changed))


def ensure_standing(connection: Connection, workspace_id: UUID, now: datetime) -> None:
    """Have a row, so that it can be held; `now` is business time."""
    statement = insert(number_standing).values(workspace_id=workspace_id, **_FRESH, changed_at=now)
    connection.execute(statement.on_conflict_do_nothing())

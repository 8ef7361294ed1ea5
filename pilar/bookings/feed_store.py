"""The SQL of calendar feeds. What belongs here: reading and writing their rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select, update

from pilar.bookings.tables import feed


def add_feed(connection: Connection, values: Mapping[str, Any]) -> None:
    """Write a new one."""
    connection.execute(insert(feed).values(dict(values)))


def feeds_of(connection: Connection, workspace_id: UUID) -> list[Row[Any]]:
    """A studio's, the newest first."""
    query = select(feed).filter_by(workspace_id=workspace_id).order_by(feed.c.id.desc())
    return list(connection.execute(query))


def revoke_feed(connection: Connection, workspace_id: UUID, feed_id: UUID, now: datetime) -> bool:
    """Mark one as revoked; return whether it was in force until now. `now` is real time."""
    statement = update(feed).filter_by(workspace_id=workspace_id, id=feed_id, revoked_at=None)
    return connection.execute(statement.values(revoked_at=now)).rowcount == 1


def studio_of(connection: Connection, token_hash: bytes) -> UUID | None:
    """The studio whose feed in force has that secret; needs the fleet's scope."""
    query = select(feed.c.workspace_id).filter_by(token_hash=token_hash, revoked_at=None)
    found: UUID | None = connection.execute(query).scalar_one_or_none()
    return found

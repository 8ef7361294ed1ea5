"""The SQL of files that leads sent. What belongs here: reading and writing their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, and_, select, update
from sqlalchemy.dialects.postgresql import insert

from pilar.messaging.tables import message, message_media


def add(connection: Connection, workspace_id: UUID, message_id: UUID, mime_type: str, now: datetime) -> None:
    """A file that is to be fetched; `now` is business time."""
    values = {"state": "waiting", "mime_type": mime_type, "asked_at": now}
    statement = insert(message_media).values(workspace_id=workspace_id, message_id=message_id, **values)
    connection.execute(statement.on_conflict_do_nothing())


def find(connection: Connection, workspace_id: UUID, message_id: UUID) -> Row[Any] | None:
    """How a message's file stands."""
    query = select(message_media.c.state).filter_by(workspace_id=workspace_id, message_id=message_id)
    return connection.execute(query).one_or_none()


def find_of_lead(connection: Connection, workspace_id: UUID, lead_id: UUID, message_id: UUID) -> Row[Any] | None:
    """The file of a message of that lead's."""
    same = and_(message.c.workspace_id == message_media.c.workspace_id, message.c.id == message_media.c.message_id)
    query: Select[Any] = select(message_media.c.content, message_media.c.mime_type).join(message, same)
    query = query.where(
        message.c.workspace_id == workspace_id, message.c.lead_id == lead_id, message.c.id == message_id
    )
    return connection.execute(query).one_or_none()


def states_of(connection: Connection, workspace_id: UUID, messages: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """How the files of messages stand: state, type and size."""
    columns = (message_media.c.message_id, message_media.c.state, message_media.c.mime_type, message_media.c.size)
    query: Select[Any] = select(*columns).where(
        message_media.c.workspace_id == workspace_id, message_media.c.message_id.in_(messages)
    )
    return {row.message_id: row for row in connection.execute(query)}


def change(connection: Connection, workspace_id: UUID, message_id: UUID, values: Mapping[str, Any]) -> None:
    """Change a file's row."""
    statement = update(message_media).filter_by(workspace_id=workspace_id, message_id=message_id)
    connection.execute(statement.values(dict(values)))


def forget_before(connection: Connection, moment: datetime) -> int:
    """Forget what was asked for before a moment of business time; that there was a file stays."""
    old = (message_media.c.content.is_not(None), message_media.c.asked_at < moment)
    return connection.execute(update(message_media).where(*old).values(content=None, state="gone")).rowcount

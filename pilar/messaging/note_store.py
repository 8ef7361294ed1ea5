"""The SQL of notes. What belongs here: reading and writing their rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects.postgresql import insert

from pilar.ids import new_id
from pilar.messaging.people_tables import lead_note


def add(connection: Connection, workspace_id: UUID, values: Mapping[str, Any]) -> bool:
    """Keep a note; return whether it is the first of its form."""
    statement = insert(lead_note).values(workspace_id=workspace_id, id=new_id(), **values)
    statement = statement.on_conflict_do_nothing(index_elements=["workspace_id", "form_id"])
    return connection.execute(statement).rowcount == 1


def notes_of(connection: Connection, workspace_id: UUID, lead_id: UUID, limit: int) -> list[Row[Any]]:
    """The newest notes about a lead, the newest first."""
    query = select(lead_note).filter_by(workspace_id=workspace_id, lead_id=lead_id)
    newest = (lead_note.c.written_at.desc(), lead_note.c.id.desc())
    return list(connection.execute(query.order_by(*newest).limit(limit)))

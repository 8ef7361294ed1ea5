"""The SQL of templates. What belongs here: reading and writing their rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, case, select, update

from pilar.messaging.tables import message_template


def templates_of(connection: Connection, workspace_id: UUID, *, state: str | None = None) -> list[Row[Any]]:
    """A studio's templates, by name and language."""
    query = select(message_template).filter_by(workspace_id=workspace_id)
    if state is not None:
        query = query.filter_by(state=state)
    return list(connection.execute(query.order_by(message_template.c.name, message_template.c.language)))


def best_sibling(connection: Connection, workspace_id: UUID, name: str, language: str) -> Row[Any] | None:
    """The template of that name to use: an approved one before any other, the lead's language before English."""
    is_approved = case((message_template.c.state == "approved", 0), else_=1)
    is_theirs = case((message_template.c.language == language, 0), (message_template.c.language == "en", 1), else_=2)
    query = select(message_template).filter_by(workspace_id=workspace_id, name=name)
    return connection.execute(
        query.order_by(is_approved, is_theirs, message_template.c.language).limit(1)
    ).one_or_none()


def find_template(connection: Connection, workspace_id: UUID, name: str, language: str) -> Row[Any] | None:
    """A template by its name and language."""
    query = select(message_template).filter_by(workspace_id=workspace_id, name=name, language=language)
    return connection.execute(query).one_or_none()


def get_template(connection: Connection, workspace_id: UUID, template_id: UUID) -> Row[Any] | None:
    """A template by our id."""
    query = select(message_template).filter_by(workspace_id=workspace_id, id=template_id)
    return connection.execute(query).one_or_none()


def change_template(connection: Connection, workspace_id: UUID, template_id: UUID, values: Mapping[str, Any]) -> None:
    """Change a template's row."""
    connection.execute(
        update(message_template).filter_by(workspace_id=workspace_id, id=template_id).values(dict(values))
    )


def note_refused(connection: Connection, workspace_id: UUID, name: str, language: str, state: str, reason: str) -> bool:
    """Keep that a template we took for approved is not; return whether it was. A webhook or a reading corrects it."""
    statement = update(message_template).filter_by(
        workspace_id=workspace_id, name=name, language=language, state="approved"
    )
    return connection.execute(statement.values(state=state, reason=reason)).rowcount == 1

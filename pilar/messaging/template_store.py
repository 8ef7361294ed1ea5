"""The SQL of templates. What belongs here: reading and writing their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from pilar.messaging.purposes import UNDECIDED, best_of, without_country
from pilar.messaging.tables import message_template


def templates_of(
    connection: Connection, workspace_id: UUID, *, state: str | None = None, hold: bool = False
) -> list[Row[Any]]:
    """A studio's templates, by name and language; `hold` keeps others from changing them until the end."""
    query = select(message_template).filter_by(workspace_id=workspace_id)
    if state is not None:
        query = query.filter_by(state=state)
    query = query.order_by(message_template.c.name, message_template.c.language)
    return list(connection.execute(query.with_for_update() if hold else query))


def best_sibling(connection: Connection, workspace_id: UUID, name: str, language: str) -> Row[Any] | None:
    """The template to use where one of that name is wanted in a language, as `purposes.best_of` has it."""
    return best_of(templates_of(connection, workspace_id), name, language)


def find_template(
    connection: Connection, workspace_id: UUID, name: str, language: str, *, hold: bool = False
) -> Row[Any] | None:
    """A template by its name and language; `hold` keeps others from changing it until the end."""
    query = select(message_template).filter_by(workspace_id=workspace_id, name=name, language=language)
    return connection.execute(query.with_for_update() if hold else query).one_or_none()


def find_spoken(
    connection: Connection, workspace_id: UUID, name: str, language: str, *, hold: bool = False
) -> Row[Any] | None:
    """A template by its name and WhatsApp's word for its language: kept as such, or as the language alone."""
    found = find_template(connection, workspace_id, name, language, hold=hold)
    return found or find_template(connection, workspace_id, name, without_country(language), hold=hold)


def get_template(connection: Connection, workspace_id: UUID, template_id: UUID) -> Row[Any] | None:
    """A template by our id."""
    query = select(message_template).filter_by(workspace_id=workspace_id, id=template_id)
    return connection.execute(query).one_or_none()


def change_template(connection: Connection, workspace_id: UUID, template_id: UUID, values: Mapping[str, Any]) -> None:
    """Change a template's row."""
    connection.execute(
        update(message_template).filter_by(workspace_id=workspace_id, id=template_id).values(dict(values))
    )


def note_read(connection: Connection, workspace_id: UUID, template_ids: Sequence[UUID], at: datetime) -> None:
    """Keep that templates were read and stood as they are kept, at a moment of business time."""
    if template_ids:
        those = update(message_template).filter_by(workspace_id=workspace_id)
        connection.execute(those.where(message_template.c.id.in_(template_ids)).values(read_at=at))


def under_review(connection: Connection, workspace_id: UUID) -> int:
    """How many of a studio's templates WhatsApp has not decided about, those that are yet to be handed in too."""
    query = select(func.count()).select_from(message_template).filter_by(workspace_id=workspace_id)
    return connection.execute(query.where(message_template.c.state.in_(UNDECIDED))).scalar_one()


def adopt(connection: Connection, values: Mapping[str, Any]) -> None:
    """Keep a template that was made at WhatsApp, unless it is here already."""
    connection.execute(insert(message_template).values(dict(values)).on_conflict_do_nothing())


def note_refused(connection: Connection, workspace_id: UUID, name: str, language: str, state: str, reason: str) -> bool:
    """Keep that a template we took for approved is not; return whether it was. A webhook or a reading corrects it."""
    statement = update(message_template).filter_by(
        workspace_id=workspace_id, name=name, language=language, state="approved"
    )
    return connection.execute(statement.values(state=state, reason=reason)).rowcount == 1

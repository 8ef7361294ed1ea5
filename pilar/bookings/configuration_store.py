"""The SQL of event types and opening hours as a whole. What belongs here: replacing and listing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from pilar.bookings.tables import event_type, opening_hours

_CHANGED = ("name", "duration_minutes", "buffer_before_minutes", "buffer_minutes", "active")


def keep_event_types(connection: Connection, workspace_id: UUID, wanted: Sequence[Mapping[str, Any]]) -> None:
    """Have these event types, known by slug, be all that can be booked; others stay, out of use."""
    others = update(event_type).filter_by(workspace_id=workspace_id)
    others = others.where(event_type.c.slug.not_in([one["slug"] for one in wanted]))
    connection.execute(others.values(active=False))
    if wanted:
        statement = insert(event_type).values([dict(one) for one in wanted])
        changed = {name: statement.excluded[name] for name in _CHANGED}
        connection.execute(statement.on_conflict_do_update(index_elements=["workspace_id", "slug"], set_=changed))


def replace_hours(connection: Connection, workspace_id: UUID, hours: Sequence[Mapping[str, Any]]) -> None:
    """Have these be the week's opening hours."""
    connection.execute(delete(opening_hours).filter_by(workspace_id=workspace_id))
    if hours:
        connection.execute(insert(opening_hours).values([dict(one) for one in hours]))


def event_types_of(connection: Connection, workspace_id: UUID) -> list[Row[Any]]:
    """All event types, those out of use too, by slug."""
    query = select(event_type).filter_by(workspace_id=workspace_id).order_by(event_type.c.slug)
    return list(connection.execute(query))


def hours_of(connection: Connection, workspace_id: UUID) -> list[Row[Any]]:
    """The week's opening hours, in order."""
    query = select(opening_hours).filter_by(workspace_id=workspace_id)
    return list(connection.execute(query.order_by(opening_hours.c.weekday, opening_hours.c.opens)))

"""The SQL of templates and follow-ups as a whole. What belongs here: listing, adding and replacing their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects.postgresql import insert

from pilar.messaging.tables import followup, message_template
from pilar.messaging.template_store import change_template, templates_of

__all__ = ["add_template", "change_template", "followups_of", "keep_followups", "templates_of"]

_CHANGED = ("template_name", "after_minutes", "at_most", "active", "time_of_day")


def add_template(connection: Connection, values: Mapping[str, Any]) -> None:
    """Write a template."""
    connection.execute(insert(message_template).values(dict(values)))


def followups_of(connection: Connection, workspace_id: UUID) -> list[Row[Any]]:
    """All follow-ups, those out of use too, by name."""
    return list(connection.execute(select(followup).filter_by(workspace_id=workspace_id).order_by(followup.c.name)))


def keep_followups(connection: Connection, workspace_id: UUID, wanted: Sequence[Mapping[str, Any]]) -> None:
    """Have these follow-ups, known by name, be all that are in use; others stay, out of use."""
    others = update(followup).filter_by(workspace_id=workspace_id)
    connection.execute(others.where(followup.c.name.not_in([one["name"] for one in wanted])).values(active=False))
    if wanted:
        statement = insert(followup).values([dict(one) for one in wanted])
        changed = {name: statement.excluded[name] for name in _CHANGED}
        connection.execute(statement.on_conflict_do_update(index_elements=["workspace_id", "name"], set_=changed))

"""The SQL of lists of leads. What belongs here: reading."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, or_, select

from pilar.messaging.tables import lead


def list_leads(
    connection: Connection,
    workspace_id: UUID,
    search: str,
    tag: str,
    lifecycle: str,
    before: UUID | None,
    limit: int,
) -> list[Row[Any]]:
    """A studio's leads, the newest first; empty: all of them, but for those who were erased."""
    query = select(lead).where(lead.c.workspace_id == workspace_id)
    query = query.where(lead.c.lifecycle == lifecycle if lifecycle else lead.c.lifecycle != "erased")
    if search:
        digits = "".join(letter for letter in search if letter.isdigit()).lstrip("0")
        found = func.lower(lead.c.name).contains(search.strip().lower(), autoescape=True)
        query = query.where(or_(found, lead.c.phone.contains(digits)) if len(digits) > 2 else found)
    if tag:
        query = query.where(lead.c.tags.contains([tag]))
    if before is not None:
        query = query.where(lead.c.id < before)
    return list(connection.execute(query.order_by(lead.c.id.desc()).limit(limit)))

"""The fleet as a list. What belongs here: which studios there are; a single studio is `store.py`'s."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, select

from pilar.workspaces.tables import workspace


def open_workspaces(connection: Connection) -> list[UUID]:
    """The ids of all studios that are not closed, the oldest first. Needs the fleet's scope."""
    query = select(workspace.c.workspace_id).where(workspace.c.state != "closed")
    return list(connection.execute(query.order_by(workspace.c.created_at, workspace.c.workspace_id)).scalars())

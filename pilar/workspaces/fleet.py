"""The fleet as a list. What belongs here: reading many studios at once; a single studio is `store.py`'s."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Connection, Text, cast, select
from sqlalchemy.dialects.postgresql import distinct_on

from pilar.workspaces.configuration import StudioConfiguration
from pilar.workspaces.store import as_configuration
from pilar.workspaces.tables import workspace, workspace_configuration


def open_workspaces(connection: Connection) -> list[UUID]:
    """The ids of all studios that are not closed, the oldest first. Needs the fleet's scope."""
    query = select(workspace.c.workspace_id).where(workspace.c.state != "closed")
    return list(connection.execute(query.order_by(workspace.c.created_at, workspace.c.workspace_id)).scalars())


def load_configurations(connection: Connection, studios: Iterable[UUID]) -> dict[UUID, StudioConfiguration]:
    """The document in force of each of these studios that has one.

    Raises:
        ValidationError: one of them can't be read.
    """
    in_force = workspace_configuration.c
    query = (
        select(in_force.workspace_id, cast(in_force.document, Text).label("document"))
        .where(in_force.workspace_id.in_(list(studios)))
        .ext(distinct_on(in_force.workspace_id))
        .order_by(in_force.workspace_id, in_force.version.desc())
    )
    return {row.workspace_id: as_configuration(row.document) for row in connection.execute(query)}

"""The SQL of defaults. What belongs here: the founder's template, what studios got of it, and the history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects.postgresql import insert as upsert

from pilar.errors import Conflict, NotFound
from pilar.provisioning.defaults_tables import default_template, workspace_template
from pilar.workspaces.tables import workspace_configuration


def newest_template(connection: Connection) -> Row[Any] | None:
    """The founder's template with the highest version; needs the fleet's scope."""
    query = select(default_template).order_by(default_template.c.version.desc()).limit(1)
    return connection.execute(query).one_or_none()


def template_of(connection: Connection, version: int) -> Row[Any]:
    """A version of the founder's template; raise `NotFound` where there is none."""
    row = connection.execute(select(default_template).filter_by(version=version)).one_or_none()
    if row is None:
        raise NotFound(f"There is no version {version} of the default template.")
    return row


def template_history(connection: Connection, limit: int) -> list[Row[Any]]:
    """The versions of the founder's template, the newest first, without their documents."""
    column = default_template.c
    query = select(column.version, column.created_by, column.note, column.created_at)
    return list(connection.execute(query.order_by(column.version.desc()).limit(limit)))


def add_template(connection: Connection, values: Mapping[str, Any]) -> None:
    """Write another version; raise `Conflict` where somebody else wrote it at the same moment."""
    statement = upsert(default_template).values(dict(values)).on_conflict_do_nothing()
    if connection.execute(statement).rowcount == 0:
        raise Conflict("Somebody changed the default template at the same moment: read it again.")


def given(connection: Connection, workspace_id: UUID) -> dict[str, Row[Any]]:
    """What a studio got of the founder's template, by part."""
    query = select(workspace_template).filter_by(workspace_id=workspace_id)
    return {row.part: row for row in connection.execute(query)}


def note_given(
    connection: Connection, workspace_id: UUID, part: str, version: int, digest: bytes, now: datetime
) -> None:
    """Keep which version of a part a studio got, and what it was; `now` is business time."""
    values = {"version": version, "digest": digest, "given_at": now}
    statement = upsert(workspace_template).values(workspace_id=workspace_id, part=part, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["workspace_id", "part"], set_=values))


def history(connection: Connection, workspace_id: UUID, limit: int) -> list[Row[Any]]:
    """The versions of a studio's configuration, the newest first, without their documents."""
    column = workspace_configuration.c
    query = select(column.version, column.changed_by, column.note, column.created_at)
    query = query.filter_by(workspace_id=workspace_id).order_by(column.version.desc()).limit(limit)
    return list(connection.execute(query))


def document_of(connection: Connection, workspace_id: UUID, version: int) -> Mapping[str, Any]:
    """A version of a studio's configuration as it is kept; raise `NotFound` where there is none."""
    query = select(workspace_configuration.c.document).filter_by(workspace_id=workspace_id, version=version)
    found: Mapping[str, Any] | None = connection.execute(query).scalar_one_or_none()
    if found is None:
        raise NotFound(f"The studio's configuration has no version {version}.")
    return found

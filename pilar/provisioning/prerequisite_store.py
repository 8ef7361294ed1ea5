"""The SQL of WhatsApp's prerequisites. What belongs here: keeping and reading how each stood last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects.postgresql import insert

from pilar.provisioning.channel_tables import whatsapp_prerequisite
from pilar.provisioning.prerequisites import TITLES, Prerequisite

_CHANGED = ("state", "blocks", "waits_on", "says", "link", "read_at")


def keep(connection: Connection, workspace_id: UUID, found: Sequence[Prerequisite], now: datetime) -> None:
    """Keep how each stands; `now` is real time."""
    rows = [
        {
            "workspace_id": workspace_id, "name": one.name, "state": one.state, "blocks": one.blocks,
            "waits_on": one.waits_on, "says": one.says, "link": one.link, "read_at": now,
        }
        for one in found
    ]  # fmt: skip
    statement = insert(whatsapp_prerequisite).values(rows)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["workspace_id", "name"], set_={name: statement.excluded[name] for name in _CHANGED}
        )
    )


def rows_of(connection: Connection, workspace_id: UUID) -> list[Row[Any]]:
    """How each stood last, in the order in which they are shown; empty before Meta was asked."""
    rows = connection.execute(select(whatsapp_prerequisite).filter_by(workspace_id=workspace_id)).all()
    order = list(TITLES)
    return sorted((row for row in rows if row.name in TITLES), key=lambda row: order.index(row.name))


def prerequisites_of(connection: Connection, workspace_id: UUID) -> list[Prerequisite]:
    """The same as prerequisites."""
    return [
        Prerequisite(row.name, row.state, row.says, row.waits_on, row.blocks, row.link)
        for row in rows_of(connection, workspace_id)
    ]

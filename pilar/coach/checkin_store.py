"""The SQL of check-ins. What belongs here: reading and writing what leads told about their week."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select, text
from sqlalchemy.dialects.postgresql import insert

from pilar.coach.tables import coach_checkin

# What the lead heard last is what they answer: a check-in that a later nudge or an offer of times has followed is no
# longer asked. A template asks another question.
_OPEN = """
select n.id, n.type, m.kind, exists (
         select from slot_offer o where o.workspace_id = n.workspace_id and o.lead_id = n.lead_id
           and o.made_at > m.attempted_at) as is_followed
from coach_nudge n
join message m on m.workspace_id = n.workspace_id and m.id = n.message_id
where n.workspace_id = :workspace_id and n.lead_id = :lead_id and m.attempted_at > :since
  and m.state in ('attempted', 'unknown', 'accepted', 'sent', 'delivered', 'read')
order by m.attempted_at desc, n.id desc limit 1
"""


def open_checkin(connection: Connection, workspace_id: UUID, lead_id: UUID, since: datetime) -> UUID | None:
    """The weekly check-in that was sent to a lead since a moment, is their newest nudge, and is not answered yet."""
    values = {"workspace_id": workspace_id, "lead_id": lead_id, "since": since}
    found = connection.execute(text(_OPEN), values).one_or_none()
    if found is None or found.type != "weekly_checkin" or found.kind != "text" or found.is_followed:
        return None
    query = select(coach_checkin.c.nudge_id).filter_by(workspace_id=workspace_id, nudge_id=found.id)
    return None if connection.execute(query).first() else found.id


def add(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Keep what a lead told; return whether it is the first answer to that check-in."""
    return connection.execute(insert(coach_checkin).values(**values).on_conflict_do_nothing()).rowcount == 1


def newest(connection: Connection, workspace_id: UUID, lead_id: UUID) -> Row[Any] | None:
    """What a lead told last."""
    query = select(coach_checkin).filter_by(workspace_id=workspace_id, lead_id=lead_id)
    return connection.execute(query.order_by(coach_checkin.c.answered_at.desc()).limit(1)).one_or_none()


def latest(connection: Connection, workspace_id: UUID, lead_id: UUID, limit: int) -> list[Row[Any]]:
    """What a lead told about their weeks, the newest first."""
    query = select(coach_checkin).filter_by(workspace_id=workspace_id, lead_id=lead_id)
    return list(connection.execute(query.order_by(coach_checkin.c.answered_at.desc()).limit(limit)))

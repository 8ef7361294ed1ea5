"""The SQL of coaching. What belongs here: reading and writing rows; the rules are elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert

from pilar.coach.engagement_tables import coach_pace
from pilar.coach.fatigue import KEPT_BACK
from pilar.coach.tables import coach_enrolment, coach_nudge

AS_CHOSEN: Mapping[str, Any] = {"slowed_to": None, "paused_at": None}
"""What an enrolment says of a lead who is written to as often as they chose."""

PENDING = coach_nudge.c.message_id.is_(None) & coach_nudge.c.skipped.is_(None)


# Enrolments


def find_enrolment(connection: Connection, workspace_id: UUID, lead_id: UUID, *, hold: bool = False) -> Row[Any] | None:
    """A lead's enrolment, if they ever asked for coaching; kept as it is until the transaction ends, if asked for."""
    query = select(coach_enrolment).filter_by(workspace_id=workspace_id, lead_id=lead_id)
    return connection.execute(query.with_for_update(read=True) if hold else query).one_or_none()


def enrol(connection: Connection, workspace_id: UUID, lead_id: UUID, now: datetime, values: Mapping[str, Any]) -> bool:
    """Enrol a lead, anew if need be, who then keeps what they had chosen; return whether they were not enrolled."""
    fresh = insert(coach_enrolment).values(workspace_id=workspace_id, lead_id=lead_id, enrolled_at=now, **values)
    statement = fresh.on_conflict_do_update(
        index_elements=["workspace_id", "lead_id"],
        set_={"enrolled_at": now, "ended_at": None, "ended_reason": None, **AS_CHOSEN},
        where=coach_enrolment.c.ended_at.is_not(None),
    )
    return connection.execute(statement).rowcount == 1


def change_enrolment(connection: Connection, workspace_id: UUID, lead_id: UUID, values: Mapping[str, Any]) -> None:
    """Change an enrolment's row."""
    connection.execute(
        update(coach_enrolment).filter_by(workspace_id=workspace_id, lead_id=lead_id).values(dict(values))
    )


def add_pace(connection: Connection, values: Mapping[str, Any]) -> None:
    """Keep a decision about a lead's pace."""
    connection.execute(insert(coach_pace).values(dict(values)))


def withdraw_pending(
    connection: Connection, workspace_id: UUID, after: datetime | None, lead_id: UUID | None = None
) -> int:
    """Forget nudges that are still to come, of a lead or of all; return how many. One that is being sent stays.

    Args:
        connection: a transaction.
        workspace_id: the studio's.
        after: those that are due later than this, in business time; None: those that are overdue too.
        lead_id: whose; None: everybody's.
    """
    coming = select(coach_nudge.c.id).filter_by(workspace_id=workspace_id)
    if after is None:
        coming = coming.where(PENDING)
    else:
        # What was kept back may be due to who chooses anew; what is past stays to say why.
        coming = coming.where(PENDING | coach_nudge.c.skipped.in_(list(KEPT_BACK)), coach_nudge.c.due_at > after)
    if lead_id is not None:
        coming = coming.filter_by(lead_id=lead_id)
    ids = list(connection.execute(coming.with_for_update(skip_locked=True)).scalars())
    gone = delete(coach_nudge).filter_by(workspace_id=workspace_id).where(coach_nudge.c.id.in_(ids))
    return connection.execute(gone).rowcount


# Nudges


def find_nudge(connection: Connection, workspace_id: UUID, nudge_id: UUID, *, hold: bool = False) -> Row[Any] | None:
    """A nudge, if it was not withdrawn; held until the transaction ends where that is asked for."""
    query = select(coach_nudge).filter_by(workspace_id=workspace_id, id=nudge_id)
    return connection.execute(query.with_for_update() if hold else query).one_or_none()


def newest_nudge(connection: Connection, workspace_id: UUID, lead_id: UUID, kind: str) -> Row[Any]:
    """The nudge of a type that is for a lead's latest day; there is one."""
    query = select(coach_nudge).filter_by(workspace_id=workspace_id, lead_id=lead_id, type=kind)
    return connection.execute(query.order_by(coach_nudge.c.local_day.desc()).limit(1)).one()


_ASKED = """
select m.id, not exists (
  select from message later where later.workspace_id = m.workspace_id and later.lead_id = m.lead_id
    and later.direction = 'out' and later.id > m.id and later.attempted_at is not null) as is_newest
from coach_nudge n join message m on m.workspace_id = n.workspace_id and m.lead_id = n.lead_id
  and m.origin = 'coach:' || n.type and m.attempted_at is not null
where n.workspace_id = :workspace_id and n.lead_id = :lead_id and n.type = :kind and n.message_id is not null
order by m.id desc limit 1
"""


def last_asked(connection: Connection, workspace_id: UUID, lead_id: UUID, kind: str) -> Row[Any] | None:
    """The newest message of a type of nudge that a lead got, and whether it is the newest of all that they got."""
    values = {"workspace_id": workspace_id, "lead_id": lead_id, "kind": kind}
    return connection.execute(text(_ASKED), values).one_or_none()


def change_nudge(connection: Connection, workspace_id: UUID, nudge_id: UUID, values: Mapping[str, Any]) -> None:
    """Change a nudge's row."""
    connection.execute(update(coach_nudge).filter_by(workspace_id=workspace_id, id=nudge_id).values(dict(values)))


# Reading for pages and the API

_SENT = """
select count(*) as sent, min(m.attempted_at) as first_at, max(m.attempted_at) as last_at
from message m
where m.workspace_id = :workspace_id and m.lead_id = :lead_id and m.direction = 'out'
  and starts_with(m.origin, 'coach:') and m.accepted_at is not null
"""


@dataclass(frozen=True)
class Sent:
    """How many nudges of a lead the provider has taken, and when the first and the last were handed over."""

    count: int
    first_at: datetime | None
    last_at: datetime | None


def nudges_sent(connection: Connection, workspace_id: UUID, lead_id: UUID) -> Sent:
    """What nudges were sent to a lead."""
    return Sent(*connection.execute(text(_SENT), {"workspace_id": workspace_id, "lead_id": lead_id}).one())


_ENROLLED = """
select e.lead_id, e.frequency, e.slowed_to, e.paused_at, e.time_of_day, e.motivation_style, e.enrolled_at,
       l.name, l.phone, l.time_zone, w.time_zone as studio_zone, coming.type as next_type, coming.due_at as next_due_at,
       coming.time_zone as next_zone, count(*) over () as total
from coach_enrolment e
join lead l on l.workspace_id = e.workspace_id and l.id = e.lead_id
join workspace w on w.workspace_id = e.workspace_id
left join lateral (
  select type, due_at, time_zone from coach_nudge n
  where n.workspace_id = e.workspace_id and n.lead_id = e.lead_id and n.message_id is null and n.skipped is null
  order by due_at, type limit 1
) coming on true
where e.workspace_id = :workspace_id and e.ended_at is null
order by coming.due_at nulls last, e.enrolled_at, e.lead_id
limit :limit
"""


def enrolled_leads(connection: Connection, workspace_id: UUID, limit: int) -> tuple[list[Row[Any]], int]:
    """A studio's enrolled leads with what comes next for each, and how many leads there are in all."""
    rows = list(connection.execute(text(_ENROLLED), {"workspace_id": workspace_id, "limit": limit}))
    return rows, rows[0].total if rows else 0

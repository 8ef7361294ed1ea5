"""The SQL of coaching. What belongs here: reading and writing rows; the rules are elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert

from pilar.coach.tables import coach_enrolment, coach_nudge
from pilar.ids import new_id

PENDING = coach_nudge.c.message_id.is_(None) & coach_nudge.c.skipped.is_(None)


@dataclass(frozen=True)
class NewNudge:
    """A nudge to be planned."""

    workspace_id: UUID
    lead_id: UUID
    type: str
    local_day: date
    time_zone: str
    due_at: datetime


# Enrolments


def find_enrolment(connection: Connection, workspace_id: UUID, lead_id: UUID) -> Row[Any] | None:
    """A lead's enrolment, if they ever asked for coaching."""
    query = select(coach_enrolment).filter_by(workspace_id=workspace_id, lead_id=lead_id)
    return connection.execute(query).one_or_none()


def enrol(connection: Connection, workspace_id: UUID, lead_id: UUID, now: datetime, values: Mapping[str, Any]) -> bool:
    """Enrol a lead, anew if need be, who then keeps what they had chosen; return whether they were not enrolled."""
    fresh = insert(coach_enrolment).values(workspace_id=workspace_id, lead_id=lead_id, enrolled_at=now, **values)
    statement = fresh.on_conflict_do_update(
        index_elements=["workspace_id", "lead_id"],
        set_={"enrolled_at": now, "ended_at": None, "ended_reason": None},
        where=coach_enrolment.c.ended_at.is_not(None),
    )
    return connection.execute(statement).rowcount == 1


def change_enrolment(connection: Connection, workspace_id: UUID, lead_id: UUID, values: Mapping[str, Any]) -> None:
    """Change an enrolment's row."""
    connection.execute(
        update(coach_enrolment).filter_by(workspace_id=workspace_id, lead_id=lead_id).values(dict(values))
    )


# Planning

_COACHED = """
select e.workspace_id, e.lead_id, e.frequency, e.time_of_day, l.time_zone, l.phone, w.time_zone as studio_zone
from coach_enrolment e
join lead l on l.workspace_id = e.workspace_id and l.id = e.lead_id
join workspace w on w.workspace_id = e.workspace_id and w.state = 'active'
where e.workspace_id = any(:studios) and e.ended_at is null
  and (cast(:lead_id as uuid) is null or e.lead_id = :lead_id)
order by e.workspace_id, e.lead_id
"""

# As far back as a frequency looks, and no further: a daily lead has a nudge for every day.
_PLANNED = """
select n.workspace_id, n.lead_id, n.type, array_agg(n.local_day) as days
from coach_nudge n
join coach_enrolment e on e.workspace_id = n.workspace_id and e.lead_id = n.lead_id and e.ended_at is null
where n.workspace_id = any(:studios) and (cast(:lead_id as uuid) is null or n.lead_id = :lead_id)
  and n.local_day >= case e.frequency when 'daily' then cast(:recent as date) else cast(:since as date) end
group by n.workspace_id, n.lead_id, n.type
"""

# Sorted: two plans that insert the same keys in another order would deadlock.
_PLAN = """
insert into coach_nudge (workspace_id, id, lead_id, type, local_day, time_zone, due_at, planned_at)
select x.workspace_id, x.id, x.lead_id, x.type, x.local_day, x.time_zone, x.due_at, :now
from unnest(cast(:workspace_ids as uuid[]), cast(:ids as uuid[]), cast(:lead_ids as uuid[]), cast(:types as text[]),
            cast(:local_days as date[]), cast(:time_zones as text[]), cast(:due_ats as timestamptz[]))
     as x(workspace_id, id, lead_id, type, local_day, time_zone, due_at)
order by x.workspace_id, x.lead_id, x.type, x.local_day
on conflict (workspace_id, lead_id, type, local_day) do nothing
returning workspace_id, id, due_at
"""


def coached_leads(connection: Connection, studios: Sequence[UUID], lead_id: UUID | None) -> list[Row[Any]]:
    """The enrolled leads of those of the studios that are active, or one of them, with what tells where they are."""
    return list(connection.execute(text(_COACHED), {"studios": list(studios), "lead_id": lead_id}))


def planned_days(
    connection: Connection, studios: Sequence[UUID], lead_id: UUID | None, *, recent: date, since: date
) -> dict[tuple[UUID, UUID, str], list[date]]:
    """The local days that have a nudge, by studio, lead and type.

    Args:
        connection: a transaction.
        studios: whose.
        lead_id: only this lead's; None: everybody's.
        recent: from which day on for daily leads.
        since: from which day on for the others.
    """
    values = {"studios": list(studios), "lead_id": lead_id, "recent": recent, "since": since}
    rows = connection.execute(text(_PLANNED), values)
    return {(row.workspace_id, row.lead_id, row.type): row.days for row in rows}


def add_nudges(connection: Connection, nudges: Sequence[NewNudge], now: datetime) -> list[Row[Any]]:
    """Store nudges; return studio, id and moment of those that are new."""
    if not nudges:
        return []
    values = {
        "workspace_ids": [nudge.workspace_id for nudge in nudges],
        "ids": [new_id() for _ in nudges],
        "lead_ids": [nudge.lead_id for nudge in nudges],
        "types": [nudge.type for nudge in nudges],
        "local_days": [nudge.local_day for nudge in nudges],
        "time_zones": [nudge.time_zone for nudge in nudges],
        "due_ats": [nudge.due_at for nudge in nudges],
        "now": now,
    }
    return list(connection.execute(text(_PLAN), values))


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
    coming = select(coach_nudge.c.id).filter_by(workspace_id=workspace_id).where(PENDING)
    if after is not None:
        coming = coming.where(coach_nudge.c.due_at > after)
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


def change_nudge(connection: Connection, workspace_id: UUID, nudge_id: UUID, values: Mapping[str, Any]) -> None:
    """Change a nudge's row."""
    connection.execute(update(coach_nudge).filter_by(workspace_id=workspace_id, id=nudge_id).values(dict(values)))


# Reading for pages

_ENROLLED = """
select e.lead_id, e.frequency, e.time_of_day, e.motivation_style, e.enrolled_at, l.name, l.phone, l.time_zone,
       w.time_zone as studio_zone, coming.type as next_type, coming.due_at as next_due_at,
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

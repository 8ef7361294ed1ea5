"""The SQL of trainings and of what follows from them. What belongs here: reading and writing rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select, text, update
from sqlalchemy.dialects.postgresql import insert

from pilar.bookings.tables import booking
from pilar.coach.record_tables import coach_state, coach_training
from pilar.messaging.people_tables import lead_alias
from pilar.messaging.tables import lead

# Sorted: two batches that insert the same keys in another order would deadlock.
_ADD = """
insert into coach_training (workspace_id, lead_id, trained_at, booking_id, state, kind, source, recorded_at)
select :workspace_id, x.lead_id, x.trained_at, x.booking_id, x.state, x.kind, :source, :now
from unnest(cast(:leads as uuid[]), cast(:moments as timestamptz[]), cast(:bookings as uuid[]),
            cast(:states as text[]), cast(:kinds as text[]))
  as x(lead_id, trained_at, booking_id, state, kind)
order by x.lead_id, x.trained_at
on conflict (workspace_id, lead_id, trained_at) do update set
  booking_id = coalesce(coach_training.booking_id, excluded.booking_id),
  kind = coalesce(excluded.kind, coach_training.kind),
  state = case when excluded.state = 'planned' then coach_training.state else excluded.state end
"""

_KNOWN = """
select t.lead_id, t.trained_at, t.state
from unnest(cast(:leads as uuid[]), cast(:moments as timestamptz[])) as x(lead_id, trained_at)
join coach_training t on t.workspace_id = :workspace_id and t.lead_id = x.lead_id and t.trained_at = x.trained_at
"""

_NEWEST = """
select x.lead_id, t.moments
from unnest(cast(:leads as uuid[])) as x(lead_id)
cross join lateral (
  select array_agg(trained_at order by trained_at desc) as moments from (
    select trained_at from coach_training
    where workspace_id = :workspace_id and lead_id = x.lead_id and state = 'done'
    order by trained_at desc limit :count) newest) t
"""


def leads_by_phone(connection: Connection, workspace_id: UUID, phones: Collection[str]) -> dict[str, UUID]:
    """A studio's leads by number."""
    query = select(lead.c.phone, lead.c.id).filter_by(workspace_id=workspace_id).where(lead.c.phone.in_(phones))
    return {row.phone: row.id for row in connection.execute(query)}


def hold_leads(connection: Connection, workspace_id: UUID, leads: Collection[UUID]) -> dict[UUID, Row[Any]]:
    """The leads behind ids, held until the transaction ends; who was put into another is found as who stayed."""
    found = {row.id: row for row in _hold(connection, workspace_id, leads)}
    missing = [one for one in leads if one not in found]
    if not missing:
        return found
    # Looked up once the rest is held: a merge that was under way has ended by now.
    query = select(lead_alias.c.old_id, lead_alias.c.lead_id).filter_by(workspace_id=workspace_id)
    stays = {row.old_id: row.lead_id for row in connection.execute(query.where(lead_alias.c.old_id.in_(missing)))}
    found |= {row.id: row for row in _hold(connection, workspace_id, set(stays.values()) - set(found))}
    return found | {old: found[new] for old, new in stays.items() if new in found}


def _hold(connection: Connection, workspace_id: UUID, leads: Collection[UUID]) -> list[Row[Any]]:
    query = select(lead.c.id, lead.c.lifecycle).filter_by(workspace_id=workspace_id).where(lead.c.id.in_(leads))
    return list(connection.execute(query.order_by(lead.c.id).with_for_update(key_share=True)))


def leads_of_bookings(connection: Connection, workspace_id: UUID, bookings: Collection[UUID]) -> dict[UUID, UUID]:
    """Who booked, by booking."""
    query = select(booking.c.id, booking.c.lead_id).filter_by(workspace_id=workspace_id)
    return {row.id: row.lead_id for row in connection.execute(query.where(booking.c.id.in_(bookings)))}


def leads_by_id(connection: Connection, workspace_id: UUID, ids: Collection[str]) -> dict[str, UUID]:
    """A studio's leads by the id that WhatsApp gave them."""
    query = select(lead.c.provider_user_id, lead.c.id).filter_by(workspace_id=workspace_id)
    rows = connection.execute(query.where(lead.c.provider_user_id.in_(ids)))
    return {row.provider_user_id: row.id for row in rows}


def known_states(
    connection: Connection, workspace_id: UUID, keys: Collection[tuple[UUID, datetime]]
) -> dict[tuple[UUID, datetime], str]:
    """The states of those of these trainings, by lead and moment, that are known."""
    values = {"workspace_id": workspace_id, "leads": [one[0] for one in keys], "moments": [one[1] for one in keys]}
    return {(row.lead_id, row.trained_at): row.state for row in connection.execute(text(_KNOWN), values)}


def add_trainings(
    connection: Connection, workspace_id: UUID, rows: Sequence[Mapping[str, Any]], source: str, now: datetime
) -> None:
    """Store trainings: lead_id, trained_at, booking_id, state and kind of each; what is known learns what is new."""
    values = {
        "workspace_id": workspace_id,
        "leads": [one["lead_id"] for one in rows],
        "moments": [one["trained_at"] for one in rows],
        "bookings": [one["booking_id"] for one in rows],
        "states": [one["state"] for one in rows],
        "kinds": [one["kind"] for one in rows],
        "source": source,
        "now": now,
    }
    connection.execute(text(_ADD), values)


def latest(connection: Connection, workspace_id: UUID, lead_id: UUID, limit: int) -> list[Row[Any]]:
    """A lead's trainings whatever became of them, the last first, so many at most."""
    query = select(coach_training).filter_by(workspace_id=workspace_id, lead_id=lead_id)
    return list(connection.execute(query.order_by(coach_training.c.trained_at.desc()).limit(limit)))


def newest_trainings(
    connection: Connection, workspace_id: UUID, leads: Collection[UUID], count: int
) -> dict[UUID, list[datetime]]:
    """When leads trained last, the newest first; what was missed or is planned is none."""
    values = {"workspace_id": workspace_id, "leads": sorted(leads), "count": count}
    return {row.lead_id: row.moments or [] for row in connection.execute(text(_NEWEST), values)}


def keep_state(connection: Connection, workspace_id: UUID, lead_id: UUID, values: Mapping[str, Any]) -> None:
    """Keep what follows from a lead's trainings; the rest of the row stays. Where nothing does, no row is made."""
    if not any(values.values()):
        row = update(coach_state).filter_by(workspace_id=workspace_id, lead_id=lead_id)
        connection.execute(row.values(dict(values)))
        return
    fresh = insert(coach_state).values(workspace_id=workspace_id, lead_id=lead_id, **values)
    connection.execute(fresh.on_conflict_do_update(index_elements=["workspace_id", "lead_id"], set_=dict(values)))


def find_state(connection: Connection, workspace_id: UUID, lead_id: UUID) -> Row[Any] | None:
    """What follows from a lead's trainings and answers, if there is anything."""
    return connection.execute(select(coach_state).filter_by(workspace_id=workspace_id, lead_id=lead_id)).one_or_none()

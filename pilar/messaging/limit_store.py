"""The SQL of what limits sending. What belongs here: a lead's reach, blocked countries, and the buckets of pace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert

from pilar.messaging.limit_tables import country_block, lead_reach, send_bucket

APP = "app"


class Bucket(NamedTuple):
    """How a pace stands; real time."""

    due_at: datetime | None = None
    strikes: int = 0


def number_bucket(workspace_id: UUID) -> str:
    """The subject of a studio's number; a studio has one."""
    return f"number:{workspace_id}"


def pair_bucket(workspace_id: UUID, lead_id: UUID) -> str:
    """The subject of a pair of number and lead."""
    return f"pair:{workspace_id}:{lead_id}"


_ENSURE = text(
    """
    insert into send_bucket (subject, due_at, strikes)
    select subject, :now, 0 from unnest(cast(:subjects as text[])) as given (subject) order by subject
    on conflict do nothing
    """
)
# The app's bucket is everybody's: it is read, and never held beside a studio's.
_HOLD = text(
    """
    with held as (
      select subject, due_at, strikes from send_bucket where subject = any(:subjects) order by subject for update
    )
    select subject, due_at, strikes from held
    union all select subject, due_at, strikes from send_bucket where subject = :app
    """
)


_KEEP = text(
    """
    insert into send_bucket (subject, due_at, strikes)
    select subject, due_at, strikes
    from unnest(cast(:subjects as text[]), cast(:dues as timestamptz[]), cast(:strikes as int[]))
      as given (subject, due_at, strikes)
    order by subject
    on conflict (subject) do update set due_at = excluded.due_at, strikes = excluded.strikes
    """
)


def hold_buckets(connection: Connection, subjects: Sequence[str], now: datetime) -> dict[str, Bucket]:
    """How these paces and the app's stand; nobody changes these until the transaction ends."""
    values = {"subjects": list(subjects), "app": APP}
    rows = connection.execute(_HOLD, values).all()
    if len({row.subject for row in rows} - {APP}) < len(set(subjects)):
        connection.execute(_ENSURE, {"subjects": list(subjects), "now": now})
        rows = connection.execute(_HOLD, values).all()
    return {row.subject: Bucket(row.due_at, row.strikes) for row in rows}


def keep_buckets(connection: Connection, buckets: Mapping[str, Bucket]) -> None:
    """Keep how paces stand now, in the order of their subjects."""
    names = sorted(buckets)
    values = {
        "subjects": names,
        "dues": [buckets[name].due_at for name in names],
        "strikes": [buckets[name].strikes for name in names],
    }
    connection.execute(_KEEP, values)


def forget_buckets(connection: Connection, now: datetime, *, older_than: timedelta = timedelta(days=1)) -> int:
    """Delete buckets that were due long ago: they say what no row says; return how many that were."""
    return connection.execute(delete(send_bucket).where(send_bucket.c.due_at < now - older_than)).rowcount


class People(NamedTuple):
    """Whom a studio wrote to outside the window within a span.

    Attributes:
        others: how many they are, but for one lead.
        is_reached: that lead is among them.
        free_at: when the number of all will have fallen below the limit; None: it is below it.
    """

    others: int
    is_reached: bool
    free_at: datetime | None


# A template inside an open window is counted as well: that errs on the side of WhatsApp's limit.
_PEOPLE = text(
    """
    with reached as (
      select lead_id, max(attempted_at) as last from message
      where workspace_id = :workspace_id and attempted_at > :since and kind = 'template' and channel = 'whatsapp'
        and state not in ('queued', 'held', 'refused', 'cancelled')
      group by lead_id
    )
    select count(*) filter (where lead_id <> :lead_id) as others,
           coalesce(bool_or(lead_id = :lead_id), false) as is_reached,
           (select last from reached order by last
            offset greatest((select count(*) from reached) - :most, 0) limit 1) as leaves
    from reached
    """
)


def people_reached(
    connection: Connection, workspace_id: UUID, lead_id: UUID, now: datetime, span: timedelta, most: int
) -> People:
    """Whom a studio wrote to outside the window within a span up to now (business time)."""
    values = {"workspace_id": workspace_id, "lead_id": lead_id, "since": now - span, "most": most}
    row = connection.execute(_PEOPLE, values).one()
    free_at = row.leaves + span if row.others >= most and row.leaves is not None else None
    return People(row.others, row.is_reached, free_at)


# Whom the limit concerns once it is reached is for `people_reached`.
_REACHED = text(
    """
    with reached as (
      select distinct workspace_id, lead_id from message
      where workspace_id = any(:studios) and attempted_at > :since and kind = 'template' and channel = 'whatsapp'
        and state not in ('queued', 'held', 'refused', 'cancelled')
    )
    select workspace_id, count(*) as people, array_agg(lead_id) filter (where lead_id = any(:leads)) as known
    from reached group by workspace_id
    """
)


def reached_by_studio(
    connection: Connection, studios: Sequence[UUID], leads: Sequence[UUID], since: datetime
) -> dict[UUID, tuple[int, set[UUID]]]:
    """How many people studios wrote to outside the window since a moment (business time), and which of these leads."""
    rows = connection.execute(_REACHED, {"studios": list(studios), "leads": list(leads), "since": since})
    return {row.workspace_id: (row.people, set(row.known or ())) for row in rows}


def reach_of(connection: Connection, workspace_id: UUID, lead_id: UUID) -> Row[Any] | None:
    """How a lead can be reached, if providers have told anything."""
    query = select(lead_reach).filter_by(workspace_id=workspace_id, lead_id=lead_id)
    return connection.execute(query).one_or_none()


def change_reach(connection: Connection, workspace_id: UUID, lead_id: UUID, changes: Mapping[str, Any]) -> None:
    """Keep what is new about how a lead can be reached; the lead's row is held."""
    fresh = insert(lead_reach).values(
        workspace_id=workspace_id, lead_id=lead_id, **{"undelivered": 0, "marketing_waits": 0, **changes}
    )
    connection.execute(fresh.on_conflict_do_update(index_elements=["workspace_id", "lead_id"], set_=dict(changes)))


def forget_unreached(connection: Connection, workspace_id: UUID, lead_id: UUID) -> None:
    """A message arrived, or the lead wrote: they can be reached, and what was held off is over."""
    reached = {"undelivered": 0, "unreachable_since": None, "marketing_waits": 0, "marketing_waits_until": None}
    statement = update(lead_reach).filter_by(workspace_id=workspace_id, lead_id=lead_id)
    connection.execute(
        statement.where((lead_reach.c.undelivered > 0) | (lead_reach.c.marketing_waits > 0)).values(reached)
    )


_FORGET_ALL = text(
    """
    update lead_reach r
    set undelivered = 0, unreachable_since = null, marketing_waits = 0, marketing_waits_until = null
    from unnest(cast(:studios as uuid[]), cast(:leads as uuid[])) as given (workspace_id, lead_id)
    where r.workspace_id = given.workspace_id and r.lead_id = given.lead_id
      and (r.undelivered > 0 or r.marketing_waits > 0)
    """
)


def forget_all_unreached(connection: Connection, leads: Sequence[tuple[UUID, UUID]]) -> None:
    """As `forget_unreached`, for many leads, by studio and id; they are held."""
    if leads:
        values = {"studios": [studio for studio, _ in leads], "leads": [lead for _, lead in leads]}
        connection.execute(_FORGET_ALL, values)


def block_country(connection: Connection, workspace_id: UUID, country: str, code: str, now: datetime) -> None:
    """Keep that WhatsApp lets a studio write to a country no more, as of now."""
    values = {"workspace_id": workspace_id, "country": country, "code": code, "blocked_at": now}
    fresh = insert(country_block).values(**values)
    connection.execute(
        fresh.on_conflict_do_update(index_elements=["workspace_id", "country"], set_={"code": code, "blocked_at": now})
    )

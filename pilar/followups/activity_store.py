"""The SQL of `analytics.followup_day`, and of what is under way. What belongs here: making and reading them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

_MAKE = """
with counted as (
  select p.workspace_id, (p.due_at at time zone 'UTC')::date as day, f.name, count(*) as planned,
         count(*) filter (where m.accepted_at is not null) as sent,
         count(*) filter (where m.state = 'read') as read,
         count(*) filter (where m.accepted_at is not null and exists (
           select from message i where i.workspace_id = p.workspace_id and i.lead_id = p.lead_id
             and i.direction = 'in'
             and i.occurred_at between m.attempted_at and m.attempted_at + interval '72 hours')) as answered,
         count(*) filter (where m.accepted_at is not null and exists (
           select from booking b where b.workspace_id = p.workspace_id and b.lead_id = p.lead_id
             and b.created_at between m.attempted_at and m.attempted_at + interval '7 days')) as booked,
         count(*) filter (where m.state in ('refused', 'cancelled')) as refused,
         count(*) filter (where m.state = 'failed') as failed,
         count(*) filter (where p.skipped is not null) as stopped
  from followup_step p
  join followup f on f.workspace_id = p.workspace_id and f.id = p.followup_id
  left join message m on m.workspace_id = p.workspace_id and m.id = p.message_id
  where p.workspace_id = any(:studios) and p.due_at >= :since
  group by 1, 2, 3
), gone as (
  delete from analytics.followup_day a
  where a.workspace_id = any(:studios) and a.day >= cast(:since as timestamptz)::date
    and not exists (select from counted c where (c.workspace_id, c.day, c.name) = (a.workspace_id, a.day, a.name))
)
insert into analytics.followup_day (workspace_id, day, name, planned, sent, read, answered, booked, refused, failed,
                                    stopped, refreshed_at)
select workspace_id, day, name, planned, sent, read, answered, booked, refused, failed, stopped, :now
from counted order by workspace_id, day, name
on conflict (workspace_id, day, name) do update set
  planned = excluded.planned, sent = excluded.sent, read = excluded.read, answered = excluded.answered,
  booked = excluded.booked, refused = excluded.refused, failed = excluded.failed, stopped = excluded.stopped,
  refreshed_at = excluded.refreshed_at
"""

_SUMS = """
select name, sum(planned)::int as planned, sum(sent)::int as sent, sum(read)::int as read,
       sum(answered)::int as answered, sum(booked)::int as booked, sum(refused)::int as refused,
       sum(failed)::int as failed, sum(stopped)::int as stopped
from analytics.followup_day where workspace_id = :w and day >= :since group by 1
"""

_WAITING = """
select f.name, count(*)::int as waiting, min(p.due_at) as next_due_at from followup_step p
join followup f on f.workspace_id = p.workspace_id and f.id = p.followup_id
where p.workspace_id = :w and p.message_id is null and p.skipped is null group by 1
"""

_COMING = """
select p.id, p.lead_id, p.number, p.due_at, f.name, l.name as lead_name from followup_step p
join followup f on f.workspace_id = p.workspace_id and f.id = p.followup_id
join lead l on l.workspace_id = p.workspace_id and l.id = p.lead_id
where p.workspace_id = :w and p.message_id is null and p.skipped is null order by p.due_at, p.id limit :limit
"""

_STOPPED = """
select f.name, p.skipped as reason, count(*)::int as steps from followup_step p
join followup f on f.workspace_id = p.workspace_id and f.id = p.followup_id
where p.workspace_id = :w and p.due_at >= :since and p.skipped is not null group by 1, 2 order by 1, 3 desc, 2
"""


def make_days(connection: Connection, studios: Sequence[UUID], since: datetime, now: datetime) -> int:
    """Make the rows of these studios from a day's beginning (UTC, business time) on; return how many there are."""
    return connection.execute(text(_MAKE), {"studios": list(studios), "since": since, "now": now}).rowcount


def sums_since(connection: Connection, workspace_id: UUID, since: date) -> dict[str, Row[Any]]:
    """A studio's figures by follow-up, over all days from one on."""
    rows = connection.execute(text(_SUMS), {"w": workspace_id, "since": since})
    return {row.name: row for row in rows}


def waiting(connection: Connection, workspace_id: UUID) -> dict[str, Row[Any]]:
    """How many leads' steps are to come, by follow-up, and when the next is due."""
    return {row.name: row for row in connection.execute(text(_WAITING), {"w": workspace_id})}


def coming(connection: Connection, workspace_id: UUID, limit: int) -> list[Row[Any]]:
    """The next steps, with their leads."""
    return list(connection.execute(text(_COMING), {"w": workspace_id, "limit": limit}))


def stopped_since(connection: Connection, workspace_id: UUID, since: datetime) -> list[Row[Any]]:
    """Why steps were called off, by follow-up, the most frequent first."""
    return list(connection.execute(text(_STOPPED), {"w": workspace_id, "since": since}))

"""The SQL of `analytics.template_day`. What belongs here: making it in one statement, and reading it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

# WhatsApp tells no one that it is blocked: these codes say that a lead, or WhatsApp for them, takes no such message.
_MAKE = """
with counted as (
  select m.workspace_id, (m.occurred_at at time zone 'UTC')::date as day, m.template_name as name,
         coalesce(m.template_language, '') as language,
         count(*) filter (where m.accepted_at is not null and m.kind = 'template') as sent,
         count(*) filter (where m.kind = 'template' and m.state in ('delivered', 'read')) as delivered,
         count(*) filter (where m.kind = 'template' and m.state = 'read') as read,
         count(*) filter (where m.accepted_at is not null and m.kind = 'template' and exists (
           select from message i where i.workspace_id = m.workspace_id and i.lead_id = m.lead_id
             and i.direction = 'in'
             and i.occurred_at between m.attempted_at and m.attempted_at + interval '72 hours')) as answered,
         count(*) filter (where m.accepted_at is not null and m.kind = 'template' and exists (
           select from consent k where k.workspace_id = m.workspace_id and k.lead_id = m.lead_id and not k.granted
             and k.recorded_at between m.attempted_at and m.attempted_at + interval '24 hours')) as opted_out,
         count(*) filter (where m.state in ('refused', 'cancelled')) as refused,
         count(*) filter (where m.state = 'failed' and m.kind = 'template') as failed,
         count(*) filter (where m.state = 'failed' and m.kind = 'template'
                            and m.error_code in ('131026', '131049', '131050', '130472')) as blocked
  from message m
  where m.workspace_id = any(:studios) and m.occurred_at >= :since and m.direction = 'out'
    and m.template_name is not null
    and (m.kind = 'template' or m.state in ('refused', 'cancelled'))
  group by 1, 2, 3, 4
), gone as (
  delete from analytics.template_day a
  where a.workspace_id = any(:studios) and a.day >= cast(:since as timestamptz)::date
    and not exists (select from counted c
                    where (c.workspace_id, c.day, c.name, c.language) = (a.workspace_id, a.day, a.name, a.language))
)
insert into analytics.template_day (workspace_id, day, name, language, sent, delivered, read, answered, opted_out,
                                    refused, failed, blocked, refreshed_at)
select workspace_id, day, name, language, sent, delivered, read, answered, opted_out, refused, failed, blocked, :now
from counted order by workspace_id, day, name, language
on conflict (workspace_id, day, name, language) do update set
  sent = excluded.sent, delivered = excluded.delivered, read = excluded.read, answered = excluded.answered,
  opted_out = excluded.opted_out, refused = excluded.refused, failed = excluded.failed, blocked = excluded.blocked,
  refreshed_at = excluded.refreshed_at
"""

_SUMS = """
select name, language, sum(sent)::int as sent, sum(delivered)::int as delivered, sum(read)::int as read,
       sum(answered)::int as answered, sum(opted_out)::int as opted_out, sum(refused)::int as refused,
       sum(failed)::int as failed, sum(blocked)::int as blocked
from analytics.template_day where workspace_id = :w and day >= :since group by 1, 2
"""


def make_days(connection: Connection, studios: Sequence[UUID], since: datetime, now: datetime) -> int:
    """Make the rows of these studios from a day's beginning (UTC, business time) on; return how many there are."""
    return connection.execute(text(_MAKE), {"studios": list(studios), "since": since, "now": now}).rowcount


def sums_since(connection: Connection, workspace_id: UUID, since: date) -> list[Row[Any]]:
    """A studio's figures by template and language, over all days from one on."""
    return list(connection.execute(text(_SUMS), {"w": workspace_id, "since": since}))

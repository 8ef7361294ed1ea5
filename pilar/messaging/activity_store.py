"""The SQL of `analytics.messaging_day`. What belongs here: the aggregation, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

_MAKE = """
with counted as (
  select m.workspace_id, (m.occurred_at at time zone 'UTC')::date as day,
         count(*) filter (where m.direction = 'in') as messages_in,
         count(*) filter (where m.direction = 'out' and m.accepted_at is not null) as messages_out,
         count(*) filter (where m.state = 'refused') as refused,
         count(*) filter (where m.state = 'failed') as failed,
         count(*) filter (where m.accepted_at is not null and m.reply_to is not null) as replies,
         percentile_cont(0.5) within group (order by extract(epoch from m.accepted_at - asked.received_at) * 1000)
           as p50,
         percentile_cont(0.95) within group (order by extract(epoch from m.accepted_at - asked.received_at) * 1000)
           as p95
  from message m
  left join message asked on asked.workspace_id = m.workspace_id and asked.id = m.reply_to
       and m.direction = 'out' and m.accepted_at is not null
  where m.workspace_id = any(:studios) and m.occurred_at >= :since
  group by 1, 2
), withdrawn as (
  select workspace_id, (recorded_at at time zone 'UTC')::date as day, count(distinct lead_id) as opted_out
  from consent where not granted and workspace_id = any(:studios) and recorded_at >= :since
  group by 1, 2
)
insert into analytics.messaging_day (workspace_id, day, messages_in, messages_out, refused, failed, replies,
                                     reply_p50_ms, reply_p95_ms, opted_out, refreshed_at)
select workspace_id, day, messages_in, messages_out, refused, failed, replies, round(p50)::int, round(p95)::int,
       coalesce(opted_out, 0), :now
from counted left join withdrawn using (workspace_id, day)
on conflict (workspace_id, day) do update set
  messages_in = excluded.messages_in, messages_out = excluded.messages_out, refused = excluded.refused,
  failed = excluded.failed, replies = excluded.replies, reply_p50_ms = excluded.reply_p50_ms,
  reply_p95_ms = excluded.reply_p95_ms, opted_out = excluded.opted_out, refreshed_at = excluded.refreshed_at
"""


def make_days(connection: Connection, studios: Sequence[UUID], since: datetime, now: datetime) -> int:
    """Make the rows of these studios from a moment of business time on; return how many there are."""
    values = {"studios": list(studios), "since": since, "now": now}
    return connection.execute(text(_MAKE), values).rowcount

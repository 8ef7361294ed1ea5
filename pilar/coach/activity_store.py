"""The SQL of `analytics.coach_activity` and `analytics.coach_refusal`. What belongs here: making and reading them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, select, text

from pilar.coach.outcome_store import CAUSES, LAST_MESSAGE
from pilar.coach.tables import coach_activity, coach_refusal

# A nudge that was withdrawn takes its day's row with it, when it was the only one.
_MAKE_ACTIVITY = f"""
with counted as (
  select n.workspace_id, n.local_day as day, n.type, count(*) as planned,
         count(*) filter (where m.accepted_at is not null) as sent,
         count(*) filter (where n.skipped is not null or m.state in ('refused', 'cancelled')) as refused,
         count(*) filter (where m.accepted_at is not null and exists (
           select from message answer
           where answer.workspace_id = n.workspace_id and answer.lead_id = n.lead_id and answer.direction = 'in'
             -- Providers tell whole seconds: a quick answer seems to come before its question.
             and answer.occurred_at >= date_trunc('second', m.attempted_at)
             and answer.occurred_at <= m.attempted_at + cast(:within as interval))) as answered,
         count(*) filter (where m.state = 'dry_run') as dry_run,
         count(*) filter (where m.accepted_at is not null and exists (
           select from consent c
           where c.workspace_id = n.workspace_id and c.lead_id = n.lead_id and not c.granted
             and c.recorded_at >= date_trunc('second', m.attempted_at)
             and c.recorded_at <= m.attempted_at + cast(:opts_out_within as interval)
             and not exists (
               select from message later
               where later.workspace_id = n.workspace_id and later.lead_id = n.lead_id and later.direction = 'out'
                 and starts_with(later.origin, 'coach:') and later.accepted_at is not null
                 and later.attempted_at > m.attempted_at and later.attempted_at <= c.recorded_at))) as opted_out
  from coach_nudge n left join lateral ({LAST_MESSAGE}) m on true
  where n.workspace_id = any(:studios) and n.local_day >= :since
  group by 1, 2, 3
), gone as (
  delete from analytics.coach_activity a
  where a.workspace_id = any(:studios) and a.day >= :since
    and not exists (select from counted c where (c.workspace_id, c.day, c.type) = (a.workspace_id, a.day, a.type))
)
insert into analytics.coach_activity (workspace_id, day, type, planned, sent, refused, answered, dry_run,
  opted_out, refreshed_at)
select workspace_id, day, type, planned, sent, refused, answered, dry_run, opted_out, :now
from counted order by workspace_id, day, type
on conflict (workspace_id, day, type) do update set
  planned = excluded.planned, sent = excluded.sent, refused = excluded.refused, answered = excluded.answered,
  dry_run = excluded.dry_run, opted_out = excluded.opted_out, refreshed_at = excluded.refreshed_at
"""

_MAKE_REFUSALS = f"""
with refused as (
  select n.workspace_id, n.local_day as day, n.type, n.skipped as reason
  from coach_nudge n
  where n.workspace_id = any(:studios) and n.local_day >= :since and n.skipped is not null
  union all
  select n.workspace_id, n.local_day, n.type, why.reason
  from coach_nudge n cross join lateral ({LAST_MESSAGE}) m
  cross join lateral (
    select 'withdrawn' as reason where m.state = 'cancelled'
    union all
    select reason ->> 'code' from jsonb_array_elements(m.verdict -> 'decision' -> 'reasons') reason
    where m.state = 'refused'
  ) why
  where n.workspace_id = any(:studios) and n.local_day >= :since
), counted as (
  select workspace_id, day, type, reason, count(*) as count from refused group by 1, 2, 3, 4
), gone as (
  delete from analytics.coach_refusal a
  where a.workspace_id = any(:studios) and a.day >= :since
    and not exists (select from counted c
                    where (c.workspace_id, c.day, c.type, c.reason) = (a.workspace_id, a.day, a.type, a.reason))
)
insert into analytics.coach_refusal (workspace_id, day, type, reason, count, refreshed_at)
select workspace_id, day, type, reason, count, :now from counted order by workspace_id, day, type, reason
on conflict (workspace_id, day, type, reason) do update set
  count = excluded.count, refreshed_at = excluded.refreshed_at
"""


def make_days(
    connection: Connection, studios: Sequence[UUID], since: date, now: datetime, within: timedelta,
    opts_out_within: timedelta,
) -> int:  # fmt: skip
    """Make the rows of these studios from a local day on; return how many days and types there are.

    Args:
        connection: a transaction in the fleet's scope.
        studios: whose.
        since: the first day.
        now: business time.
        within: how long after a nudge an answer may come.
        opts_out_within: how long after a nudge an opt-out is put down to it.
    """
    values = {"studios": list(studios), "since": since, "now": now, **CAUSES}
    waited = {"within": within, "opts_out_within": opts_out_within}
    made = connection.execute(text(_MAKE_ACTIVITY), {**values, **waited}).rowcount
    connection.execute(text(_MAKE_REFUSALS), values)
    return made


_COUNTED = ("planned", "sent", "refused", "answered", "dry_run", "opted_out")


def activity_since(connection: Connection, workspace_id: UUID, since: date) -> list[Row[Any]]:
    """A studio's figures by type, over all days from one on, and when the newest of them was made."""
    counts = [coach_activity.c[name] for name in _COUNTED]
    query = (
        select(
            coach_activity.c.type,
            *(func.sum(count).label(count.name) for count in counts),
            func.max(coach_activity.c.refreshed_at).label("refreshed_at"),
        )
        .where(coach_activity.c.workspace_id == workspace_id, coach_activity.c.day >= since)
        .group_by(coach_activity.c.type)
        .order_by(coach_activity.c.type)
    )
    return list(connection.execute(query))


def days_since(connection: Connection, workspace_id: UUID, since: date) -> list[Row[Any]]:
    """A studio's figures by day and type, from a day on, the oldest first."""
    query = select(coach_activity).filter_by(workspace_id=workspace_id).where(coach_activity.c.day >= since)
    return list(connection.execute(query.order_by(coach_activity.c.day, coach_activity.c.type)))


def refusals_since(connection: Connection, workspace_id: UUID, since: date) -> list[Row[Any]]:
    """A studio's refusals by type and reason, over all days from one on, the most frequent first."""
    total = func.sum(coach_refusal.c.count)
    query = (
        select(coach_refusal.c.type, coach_refusal.c.reason, total.label("nudges"))
        .where(coach_refusal.c.workspace_id == workspace_id, coach_refusal.c.day >= since)
        .group_by(coach_refusal.c.type, coach_refusal.c.reason)
        .order_by(coach_refusal.c.type, total.desc(), coach_refusal.c.reason)
    )
    return list(connection.execute(query))

"""The SQL of engagement and pace, for any number of studios. What belongs here: rows in, rows out; no rule.

What a nudge counts by its age, and an answer by its delay, is summed up here: the database holds the nudges.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pandas as pd
from sqlalchemy import Connection, Row, select, text

from pilar.coach.engagement import ACTIVE_WITHIN, BUCKETS, HALF_AS_QUICK, HALF_LIFE, LOOKED_BACK, WEIGHTS
from pilar.coach.engagement_tables import coach_engagement, coach_pace, lead_engagement
from pilar.coach.fatigue import CHOSEN, KEPT_BACK, PAUSED, RESUMED
from pilar.coach.outcome_store import CAUSES, OUTCOME

# A nudge that may still be answered is not yet one that was not. What is kept of a nudge is not looked up again.
_LOOK = f"""
with coached as materialized (
  select e.workspace_id, e.lead_id, e.frequency, e.slowed_to, e.paused_at, e.pace_at, e.enrolled_at, c.last_inbound_at,
         greatest(e.enrolled_at, c.last_inbound_at, chose.at) as begins
  from coach_enrolment e
  left join conversation c on c.workspace_id = e.workspace_id and c.lead_id = e.lead_id
  left join (select workspace_id, lead_id, max(decided_at) as at from coach_pace
             where workspace_id = any(:studios) and decision = '{CHOSEN}' group by 1, 2) chose
    on chose.workspace_id = e.workspace_id and chose.lead_id = e.lead_id
  where e.workspace_id = any(:studios) and e.ended_at is null
), nudge as materialized (
  select e.workspace_id, e.lead_id, o.answered_at is not null as answered,
         date_trunc('second', o.sent_at) > e.begins
           and o.sent_at <= :now - cast(:within as interval) as unanswered,
         0.5 ^ greatest(extract(epoch from :now - o.sent_at) / :half_life, 0)::float as weight,
         0.5 ^ greatest(extract(epoch from o.answered_at - o.sent_at) / :half_as_quick, 0)::float as quick
  from coached e
  join coach_nudge n on n.workspace_id = e.workspace_id and n.lead_id = e.lead_id and n.message_id is not null
    and n.due_at > :now - cast(:looked_back as interval)
  cross join lateral (
    select n.sent_at, n.answered_at where n.outcome_at is not null
    union all
    select sent_at, answered_at from ({OUTCOME}) found where n.outcome_at is null) o
  where o.sent_at is not null
), told as (
  select workspace_id, lead_id, count(*) as sent, count(*) filter (where answered) as answered,
         count(*) filter (where unanswered) as unanswered, sum(weight) as sent_weight,
         sum(weight) filter (where answered) as answered_weight,
         sum(weight * quick) filter (where answered) as speed_weight
  from nudge group by 1, 2
), trained as (
  select workspace_id, lead_id, count(*) as trainings from coach_training
  where workspace_id = any(:studios) and state = 'done'
    and trained_at > :now - cast(:active as interval) and trained_at <= :now
  group by 1, 2
), aimed as (
  select workspace_id, lead_id, count(*) as goals, avg(progress) as progress,
         count(*) filter (where state = 'active') as goals_active,
         count(*) filter (where state = 'reached') as goals_reached
  from coach_goal where workspace_id = any(:studios) and state <> 'dropped' group by 1, 2
), booked as (
  select workspace_id, lead_id, count(*) as bookings from booking
  where workspace_id = any(:studios) and state = 'booked'
    and starts_at > :now - cast(:active as interval) and starts_at <= :now
  group by 1, 2
)
select c.workspace_id, c.lead_id, c.frequency, c.slowed_to, c.paused_at, c.pace_at, c.last_inbound_at,
       coalesce(sent, 0) as sent, coalesce(answered, 0) as answered, coalesce(unanswered, 0) as unanswered,
       coalesce(sent_weight, 0) as sent_weight, coalesce(answered_weight, 0) as answered_weight,
       coalesce(speed_weight, 0) as speed_weight, coalesce(trainings, 0) as trainings, coalesce(goals, 0) as goals,
       coalesce(progress, 0)::float as progress, coalesce(goals_active, 0) as goals_active,
       coalesce(goals_reached, 0) as goals_reached, coalesce(bookings, 0) as bookings,
       (extract(epoch from least(greatest(:now - c.enrolled_at, interval '0'), cast(:active as interval)))
         / 604800)::float as weeks
from coached c
left join told using (workspace_id, lead_id)
left join trained using (workspace_id, lead_id)
left join aimed using (workspace_id, lead_id)
left join booked using (workspace_id, lead_id)
order by c.workspace_id, c.lead_id
"""

_PARTS = (*WEIGHTS, "score")
_COUNTS = ("sent", "answered", "unanswered")

# Sorted: two batches that write the same keys in another order would deadlock.
_KEEP = f"""
insert into analytics.lead_engagement
  (workspace_id, lead_id, {", ".join((*_PARTS, *_COUNTS))}, response_rate, refreshed_at)
select workspace_id, lead_id, {", ".join((*_PARTS, *_COUNTS))},
       case when sent > 0 then answered::numeric / sent end, :now
from unnest(cast(:workspace_id as uuid[]), cast(:lead_id as uuid[]),
            {", ".join(f"cast(:{name} as int[])" for name in (*_PARTS, *_COUNTS))})
  as x(workspace_id, lead_id, {", ".join((*_PARTS, *_COUNTS))})
order by workspace_id, lead_id
on conflict (workspace_id, lead_id) do update set
  {", ".join(f"{name} = excluded.{name}" for name in (*_PARTS, *_COUNTS, "response_rate", "refreshed_at"))}
"""

_FORGET = """
delete from analytics.lead_engagement g
where g.workspace_id = any(:studios) and not exists (
  select from coach_enrolment e where e.workspace_id = g.workspace_id and e.lead_id = g.lead_id and e.ended_at is null)
"""

_KEEP_STUDIOS = """
insert into analytics.coach_engagement
  (workspace_id, day, leads, slowed, paused, mean_score, distribution, goals_active, goals_reached, refreshed_at)
values (:workspace_id, :day, :leads, :slowed, :paused, :mean_score, :distribution, :goals_active, :goals_reached, :now)
on conflict (workspace_id, day) do update set
  leads = excluded.leads, slowed = excluded.slowed, paused = excluded.paused, mean_score = excluded.mean_score,
  distribution = excluded.distribution, goals_active = excluded.goals_active, goals_reached = excluded.goals_reached,
  refreshed_at = excluded.refreshed_at
"""

_KEEP_NOBODY = f"""
insert into analytics.coach_engagement
select distinct workspace_id, cast(:day as date), 0, 0, 0, 0, array_fill(0, array[{BUCKETS}]), 0, 0,
       cast(:now as timestamptz)
from analytics.coach_engagement where workspace_id = any(:studios) order by workspace_id
on conflict (workspace_id, day) do update set
  leads = 0, slowed = 0, paused = 0, mean_score = 0, distribution = excluded.distribution, goals_active = 0,
  goals_reached = 0, refreshed_at = excluded.refreshed_at
"""

_HOLD = """
select e.workspace_id, e.lead_id from coach_enrolment e
join unnest(cast(:workspace_id as uuid[]), cast(:lead_id as uuid[])) as x(workspace_id, lead_id)
  using (workspace_id, lead_id)
order by 1, 2 for update of e
"""

# Who chose anew or left meanwhile is left alone: the decision was about somebody else's wishes.
_DECIDE = f"""
with wanted as materialized (
  select * from unnest(cast(:workspace_id as uuid[]), cast(:lead_id as uuid[]), cast(:decision as text[]),
                       cast(:slowed_to as text[]), cast(:frequency as text[]), cast(:unanswered as int[]),
                       cast(:pace_at as timestamptz[]))
    as x(workspace_id, lead_id, decision, slowed_to, frequency, unanswered, pace_at)
), changed as (
  update coach_enrolment e set slowed_to = x.slowed_to, pace_at = :now,
    paused_at = case x.decision when '{PAUSED}' then :now when '{RESUMED}' then null else e.paused_at end
  from wanted x
  where e.workspace_id = x.workspace_id and e.lead_id = x.lead_id
    and e.ended_at is null and e.pace_at is not distinct from x.pace_at
  returning x.workspace_id, x.lead_id, x.decision, x.frequency, x.unanswered
)
insert into coach_pace (workspace_id, id, lead_id, decided_at, decision, frequency, unanswered)
select workspace_id, gen_random_uuid(), lead_id, :now, decision, frequency, unanswered from changed
returning workspace_id, lead_id, decision
"""

_CALL_OFF = """
delete from coach_nudge n using (
  select p.workspace_id, p.id from coach_nudge p
  join unnest(cast(:workspace_id as uuid[]), cast(:lead_id as uuid[])) as x(workspace_id, lead_id)
    using (workspace_id, lead_id)
  where p.message_id is null and p.due_at > :now and (p.skipped is null or p.skipped = any(:kept_back))
  for update of p skip locked) gone
where n.workspace_id = gone.workspace_id and n.id = gone.id
"""


def look(connection: Connection, studios: Sequence[UUID], now: datetime, within: timedelta) -> pd.DataFrame:
    """What is known of the coached leads of studios, one row each: what scores and paces are made of.

    Args:
        connection: a transaction in the fleet's scope.
        studios: whose.
        now: business time.
        within: how long after a nudge an answer may come.
    """
    values = {
        "studios": list(studios),
        "now": now,
        "within": within,
        "looked_back": LOOKED_BACK,
        "active": ACTIVE_WITHIN,
        "half_life": HALF_LIFE.total_seconds(),
        "half_as_quick": HALF_AS_QUICK.total_seconds(),
    }
    found = connection.execute(text(_LOOK), {**values, **CAUSES})
    return pd.DataFrame(found.all(), columns=list(found.keys()))


def keep_scores(connection: Connection, studios: Sequence[UUID], scored: pd.DataFrame, now: datetime) -> None:
    """Keep the scores of leads, and forget those of who is not coached any more.

    Args:
        connection: a transaction in the fleet's scope.
        studios: whose leads were scored.
        scored: what `look` and `engagement.score` say, together.
        now: business time.
    """
    columns = {name: scored[name].tolist() for name in ("workspace_id", "lead_id", *_PARTS, *_COUNTS)}
    connection.execute(text(_KEEP), {**columns, "now": now})
    forget_scores(connection, studios)


def forget_scores(connection: Connection, studios: Sequence[UUID]) -> None:
    """Forget the scores of those leads of studios who are not coached any more."""
    connection.execute(text(_FORGET), {"studios": list(studios)})


def keep_studios(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Keep how studios' leads take part on a day; one row each."""
    if rows:
        connection.execute(text(_KEEP_STUDIOS), rows)


def keep_nobody(connection: Connection, studios: Sequence[UUID], day: date, now: datetime) -> None:
    """Keep that nobody is coached any more in those of the studios in which somebody was."""
    connection.execute(text(_KEEP_NOBODY), {"studios": list(studios), "day": day, "now": now})


def hold(connection: Connection, decided: pd.DataFrame) -> None:
    """Hold the enrolments of leads until the transaction ends.

    A nudge that is being made a message holds its own (`dispatch.py`): so what was made was made before a decision that
    follows, and what is made later knows of it.
    """
    columns = {name: decided[name].tolist() for name in ("workspace_id", "lead_id")}
    connection.execute(text(_HOLD), columns)


def keep_decisions(connection: Connection, decided: pd.DataFrame, now: datetime) -> list[Row[Any]]:
    """Put decisions in force, with the reason; return studio, lead and decision of those that hold.

    Args:
        connection: a transaction in the fleet's scope that holds the enrolments.
        decided: what `look` and `fatigue.decide` say of those for whom something changes.
        now: business time.
    """
    names = ("workspace_id", "lead_id", "decision", "slowed_to", "frequency", "unanswered", "pace_at")
    # Nothing is None, and neither NaN nor NaT, which a database would keep.
    columns = {name: [None if pd.isna(one) else one for one in decided[name]] for name in names}
    return list(connection.execute(text(_DECIDE), {**columns, "now": now}))


def call_off(connection: Connection, leads: Sequence[Row[Any]], now: datetime) -> int:
    """Withdraw what was planned for leads at another pace, and is not being sent; return how many nudges."""
    values = {
        "workspace_id": [row.workspace_id for row in leads],
        "lead_id": [row.lead_id for row in leads],
        "now": now,
        "kept_back": list(KEPT_BACK),
    }
    return connection.execute(text(_CALL_OFF), values).rowcount


def engagement_of(connection: Connection, workspace_id: UUID, lead_id: UUID) -> Row[Any] | None:
    """How a lead takes part, as last looked at; None before that."""
    query = select(lead_engagement).filter_by(workspace_id=workspace_id, lead_id=lead_id)
    return connection.execute(query).one_or_none()


def newest_engagement(connection: Connection, workspace_id: UUID) -> Row[Any] | None:
    """How a studio's leads take part, as last looked at; None before that."""
    query = select(coach_engagement).filter_by(workspace_id=workspace_id)
    return connection.execute(query.order_by(coach_engagement.c.day.desc()).limit(1)).one_or_none()


def paces_of(connection: Connection, workspace_id: UUID, lead_id: UUID, limit: int) -> list[Row[Any]]:
    """What was decided about a lead's pace, the newest first."""
    query = select(coach_pace).filter_by(workspace_id=workspace_id, lead_id=lead_id)
    return list(connection.execute(query.order_by(coach_pace.c.decided_at.desc(), coach_pace.c.id).limit(limit)))

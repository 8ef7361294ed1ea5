"""The SQL that makes the operator's tables out of other rooms' rows. What belongs here: set-based statements and locks.

Each statement takes any number of studios. They are read in statements that begin after the locks are held, and each
statement of a transaction sees what was committed before it began: that is what makes the last refresh the newest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

STATES = (
    "running", "waiting", "failed", "expired", "undoing", "undone", "completed", "provisioning", "active", "suspended",
    "closed",
)  # fmt: skip
"""What a studio on the overview can be: its job's state until it opens, then its own."""

BEING_MADE = ("running", "completed", "provisioning")
"""Those of them that count as running."""

NEEDS_HELP = ("failed", "expired")
"""Those that count as failed: somebody has to have them tried again."""

TOLD_AT_MOST = 20
"""Sentences of a studio's activity."""

STRIPES = 512
"""Studios share this many locks: a lock for each of ten thousand would fill the server's table of locks."""

_STUDIO_LOCKS = 7_450_128
_FLEET_LOCK = 7_450_129
"""The classes of our advisory locks, beside the one of `database/migrate.py`."""

_OPEN = "('open', 'investigating')"

_STUDIO = """
with asked as (
  select distinct workspace_id from unnest(cast(:studios as uuid[])) as given (workspace_id)
), studio as materialized (
  select asked.workspace_id, j.id as job_id, w.name, w.plan, w.country, w.time_zone, w.activated_at,
         coalesce(nullif(w.state, 'provisioning'), j.state, 'provisioning') as state,
         coalesce(j.created_at, w.created_at) as created_at
  from asked
  left join workspace w on w.workspace_id = asked.workspace_id
  left join provisioning_job j on j.workspace_id = asked.workspace_id
  where w.workspace_id is not null or j.workspace_id is not null
), step as materialized (
  select s.workspace_id, s.name, s.ordinal, s.status, s.attempts, s.started_at, s.completed_at, s.error, s.result,
         s.waits_on, s.wait_reason, s.wait_since, s.wait_link,
         coalesce(s.title, upper(left(s.name, 1)) || replace(substr(s.name, 2), '_', ' ')) as title
  from studio join provisioning_step s on s.workspace_id = studio.workspace_id and s.job_id = studio.job_id
)
"""

_REFRESH_OVERVIEW = f"""
{_STUDIO}, progress as (
  select workspace_id, count(*) as total, count(*) filter (where status = 'completed') as done
  from step where status <> 'retired' group by 1
), at_present as (
  select distinct on (workspace_id) * from step
  where status not in ('completed', 'retired') order by workspace_id, ordinal
), waiting as (
  select workspace_id, waits_on, wait_reason, wait_since, title as wait_title, wait_link, status = 'expired' as in_vain
  from at_present where waits_on is not null
  union all
  (select distinct on (n.workspace_id) n.workspace_id, n.waits_on, n.reason, n.wait_since, n.title, n.link,
          n.state = 'expired'
   from studio join number_wait n on n.workspace_id = studio.workspace_id
   where studio.state in ('active', 'suspended')
     and not exists (select from at_present a where a.workspace_id = n.workspace_id and a.waits_on is not null)
   order by n.workspace_id, n.wait_since)
), customer as (
  select workspace_id, result from step where name = 'customer_validation' and status = 'completed'
)
insert into analytics.studio_overview as kept (
  workspace_id, name, state, plan, country, time_zone, phone_number, subscription_status, integrations, step,
  step_title, steps_done, steps_total, waits_on, wait_reason, wait_since, wait_title, wait_link,
  wait_in_vain, step_error, created_at, activated_at,
  activity, refreshed_at)
select studio.workspace_id, coalesce(studio.name, customer.result ->> 'studio_name', 'New studio'), studio.state,
       coalesce(studio.plan, customer.result ->> 'plan'), studio.country, studio.time_zone, account.phone_number,
       paid.status, coalesce(account.states, '{{}}'), at_present.name, at_present.title, coalesce(progress.done, 0),
       coalesce(progress.total, 0), waiting.waits_on, waiting.wait_reason, waiting.wait_since, waiting.wait_title,
       waiting.wait_link, coalesce(waiting.in_vain, false),
       at_present.error, studio.created_at, studio.activated_at, coalesce(told.sentences, '[]'), :now
from studio
left join progress on progress.workspace_id = studio.workspace_id
left join at_present on at_present.workspace_id = studio.workspace_id
left join waiting on waiting.workspace_id = studio.workspace_id
left join customer on customer.workspace_id = studio.workspace_id
left join subscription paid on paid.workspace_id = studio.workspace_id
left join lateral (
  select jsonb_object_agg(i.provider, i.state) as states,
         (array_agg(i.phone_number order by i.provider desc) filter (where i.phone_number is not null))[1]
           as phone_number
  from integration i where i.workspace_id = studio.workspace_id
) account on true
left join lateral (
  select jsonb_agg(jsonb_build_object('at', a.occurred_at, 'text', a.text) order by a.occurred_at desc, a.id desc)
           as sentences
  from (select occurred_at, id, text from activity_log l where l.workspace_id = studio.workspace_id
        order by occurred_at desc, id desc limit :told_at_most) a
) told on true
on conflict (workspace_id) do update set
  name = excluded.name, state = excluded.state, plan = excluded.plan, country = excluded.country,
  time_zone = excluded.time_zone, phone_number = excluded.phone_number,
  subscription_status = excluded.subscription_status, integrations = excluded.integrations, step = excluded.step,
  step_title = excluded.step_title, steps_done = excluded.steps_done, steps_total = excluded.steps_total,
  waits_on = excluded.waits_on, wait_reason = excluded.wait_reason, wait_since = excluded.wait_since,
  wait_title = excluded.wait_title, wait_link = excluded.wait_link, wait_in_vain = excluded.wait_in_vain,
  step_error = excluded.step_error, created_at = excluded.created_at, activated_at = excluded.activated_at,
  activity = excluded.activity, refreshed_at = excluded.refreshed_at
"""

_REFRESH_STEPS = f"""
{_STUDIO}
insert into analytics.studio_step as kept (
  workspace_id, name, title, ordinal, status, attempts, started_at, completed_at, error, waits_on, wait_reason,
  wait_since)
select workspace_id, name, title, ordinal, status, attempts, started_at, completed_at, error, waits_on, wait_reason,
       wait_since
from step
on conflict (workspace_id, name) do update set
  title = excluded.title, ordinal = excluded.ordinal, status = excluded.status, attempts = excluded.attempts,
  started_at = excluded.started_at, completed_at = excluded.completed_at, error = excluded.error,
  waits_on = excluded.waits_on, wait_reason = excluded.wait_reason, wait_since = excluded.wait_since
where kept.* is distinct from excluded.*
"""

_UNSHOWABLE = """
select workspace_id, state, created_at::text, activated_at::text from analytics.studio_overview
where workspace_id = any(:studios)
  and (state <> all(:states) or not isfinite(created_at) or not isfinite(activated_at))
order by workspace_id limit 1
"""

_OVERLOOKED = """
select coalesce(j.workspace_id, w.workspace_id) as workspace_id
from provisioning_job j full join workspace w on w.workspace_id = j.workspace_id
left join analytics.studio_overview o on o.workspace_id = coalesce(j.workspace_id, w.workspace_id)
where o.workspace_id is null or w.workspace_id is null or (w.state = 'closed' and o.state <> 'closed')
order by 1
"""

_FORGET_INCIDENTS = f"""
delete from analytics.open_incident o
where (:all or o.id = any(:incidents))
  and not exists (select from incident i where i.id = o.id and i.status in {_OPEN})
"""

_REFRESH_INCIDENTS = f"""
insert into analytics.open_incident as kept (
  id, workspace_id, studio_name, title, description, severity, component, occurrences, detected_at, last_seen_at)
select i.id, i.workspace_id, o.name, i.title, i.description, i.severity, i.component, i.occurrences, i.detected_at,
       i.last_seen_at
from incident i left join analytics.studio_overview o on o.workspace_id = i.workspace_id
where i.status in {_OPEN} and (:all or i.id = any(:incidents))
on conflict (id) do update set
  studio_name = excluded.studio_name, title = excluded.title, description = excluded.description,
  severity = excluded.severity, occurrences = excluded.occurrences, last_seen_at = excluded.last_seen_at
where kept.* is distinct from excluded.*
"""

_REFRESH_FLEET = f"""
insert into analytics.fleet_overview as kept (
  id, active, running, waiting, failed, suspended, closed, open_incidents, refreshed_at)
select 1, count(*) filter (where state = 'active'), count(*) filter (where state in {BEING_MADE}),
       count(*) filter (where state = 'waiting'), count(*) filter (where state in {NEEDS_HELP}),
       count(*) filter (where state = 'suspended'), count(*) filter (where state = 'closed'),
       (select count(*) from analytics.open_incident), :now
from analytics.studio_overview
on conflict (id) do update set
  active = excluded.active, running = excluded.running, waiting = excluded.waiting, failed = excluded.failed,
  suspended = excluded.suspended, closed = excluded.closed, open_incidents = excluded.open_incidents,
  refreshed_at = excluded.refreshed_at
returning active, running, waiting, failed, suspended, closed, open_incidents
"""


def lock_studios(connection: Connection, studios: Sequence[UUID]) -> None:
    """Keep others from refreshing these studios until the transaction ends; wait for those who do."""
    stripes = sorted({_stripe(studio) for studio in studios})  # in one order, so that two of us don't wait in a ring
    connection.execute(
        text("select pg_advisory_xact_lock(:locks, stripe) from unnest(cast(:stripes as int[])) as given (stripe)"),
        {"locks": _STUDIO_LOCKS, "stripes": stripes},
    )


def try_to_lock_studio(connection: Connection, studio: UUID) -> bool:
    """The same for one studio, without waiting: False where somebody is refreshing it."""
    query = text("select pg_try_advisory_xact_lock(:locks, :stripe)")
    locked: bool = connection.execute(query, {"locks": _STUDIO_LOCKS, "stripe": _stripe(studio)}).scalar_one()
    return locked


def lock_fleet(connection: Connection) -> None:
    """Keep others from refreshing incidents and the fleet's figures until the transaction ends; wait for who does."""
    connection.execute(text("select pg_advisory_xact_lock(:locks, 0)"), {"locks": _FLEET_LOCK})


def try_to_lock_fleet(connection: Connection) -> bool:
    """The same without waiting: False where somebody is refreshing them."""
    query = text("select pg_try_advisory_xact_lock(:locks, 0)")
    locked: bool = connection.execute(query, {"locks": _FLEET_LOCK}).scalar_one()
    return locked


def refresh_studios(connection: Connection, studios: Sequence[UUID], now: datetime) -> int:
    """Make the rows of studios anew, of their steps too; return how many of the studios there are."""
    values = {"studios": list(studios)}
    made = connection.execute(text(_REFRESH_OVERVIEW), {**values, "now": now, "told_at_most": TOLD_AT_MOST}).rowcount
    connection.execute(text(_REFRESH_STEPS), values)
    return made


def unshowable(connection: Connection, studios: Sequence[UUID]) -> Row[Any] | None:
    """The first of these studios whose row no page could show, if there is one."""
    query = text(_UNSHOWABLE)
    return connection.execute(query, {"studios": list(studios), "states": list(STATES)}).one_or_none()


def overlooked_studios(connection: Connection) -> list[UUID]:
    """The studios that no partition stands for, or that have no row yet."""
    return list(connection.execute(text(_OVERLOOKED)).scalars())


def refresh_incidents(connection: Connection, incidents: Sequence[UUID] | None) -> None:
    """Make the rows of open incidents anew, and forget those that are open no more (None: of all)."""
    values = {"all": incidents is None, "incidents": list(incidents or ())}
    connection.execute(text(_FORGET_INCIDENTS), values)
    connection.execute(text(_REFRESH_INCIDENTS), values)


def refresh_fleet(connection: Connection, now: datetime) -> dict[str, int]:
    """Make the fleet's figures anew out of the tables of this room, and return them."""
    return dict(connection.execute(text(_REFRESH_FLEET), {"now": now}).mappings().one())


def _stripe(studio: UUID) -> int:
    return studio.int % STRIPES  # an id ends in random bits

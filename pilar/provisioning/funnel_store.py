"""The SQL that makes provisioning's figures. What belongs here: set-based statements over all signups, and their lock.

The tables are small (a row for each day, step and party), so each is made again as a whole, in one transaction: who
reads meanwhile sees the former rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, text

ALL = "all"
"""The step that stands for all of them."""

_LOCK = 7_450_131
"""The class of our advisory lock, beside those of `operator/store.py` and `database/migrate.py`."""

_MILESTONES = {
    "validated": "customer_validation",
    "created": "workspace_creation",
    "with_account": "twilio_subaccount",
    "with_number": "phone_number_purchase",
    "connected": "whatsapp_connection",
    "on_whatsapp": "whatsapp_registration",
    "reviewed": "template_approval",
}
"""The columns that say how far a signup has come, and the step that each is about."""

_DONE = ", ".join(
    f"bool_or(name = '{step}' and status = 'completed') as {column}" for column, step in _MILESTONES.items()
)
_REACHED = ", ".join(f"(j.state = 'completed' or coalesce(done.{column}, false)) as {column}" for column in _MILESTONES)
_COUNTED = ", ".join(f"count(*) filter (where {column})" for column in _MILESTONES)

_FUNNEL = f"""
insert into analytics.provisioning_funnel (
  day, signups, {", ".join(_MILESTONES)}, opened, running,
  waits_on_studio, waits_on_meta, waits_on_twilio, waits_on_stripe, waits_on_us, failed, expired, taken_back, open_p50,
  open_p95, refreshed_at)
with done as (
  select job_id, {_DONE},
         (array_agg(waits_on order by ordinal) filter (where waits_on is not null and status <> 'retired'))[1] as party
  from provisioning_step group by job_id
), signup as (
  select cast(j.created_at at time zone 'UTC' as date) as day, done.party,
         -- The steps of a studio that is closed are erased one day; it has been made all the same.
         {_REACHED},
         extract(epoch from j.completed_at - j.created_at) as took,
         case when j.state in ('undoing', 'undone') then 'taken_back'
              when j.state = 'waiting' and done.party is null then 'running'
              else j.state end as state
  from provisioning_job j left join done on done.job_id = j.id
)
select day, count(*), {_COUNTED},
       count(*) filter (where state = 'completed'), count(*) filter (where state = 'running'),
       count(*) filter (where state = 'waiting' and party = 'studio'),
       count(*) filter (where state = 'waiting' and party = 'meta'),
       count(*) filter (where state = 'waiting' and party = 'twilio'),
       count(*) filter (where state = 'waiting' and party = 'stripe'),
       count(*) filter (where state = 'waiting' and party = 'us'),
       count(*) filter (where state = 'failed'), count(*) filter (where state = 'expired'),
       count(*) filter (where state = 'taken_back'),
       percentile_cont(0.5) within group (order by took) filter (where state = 'completed'),
       percentile_cont(0.95) within group (order by took) filter (where state = 'completed'),
       :now
from signup group by day
"""

_STEP_TIME = """
insert into analytics.provisioning_step_time (
  step, title, ordinal, completed, waited, total_p50, total_p95, work_p50, work_p95, wait_p50, wait_p95, refreshed_at)
with job as (
  select id, created_at, completed_at, state from provisioning_job where created_at >= :since
), step as (
  select s.job_id, s.name, s.title, s.ordinal, s.status, s.waited_seconds,
         extract(epoch from s.ended_at - s.begun_at) as total
  from provisioning_step s join job on job.id = s.job_id
), timed as (
  select name, coalesce(title, upper(left(name, 1)) || replace(substr(name, 2), '_', ' ')) as title, ordinal, total,
         least(waited_seconds, total) as waited
  from step where status = 'completed' and total >= 0
  union all
  select :all, 'From payment to opening', 0, total, least(waited, total) from (
    select extract(epoch from job.completed_at - job.created_at) as total,
           (select sum(step.waited_seconds) from step where step.job_id = job.id) as waited
    from job where state = 'completed'
  ) whole where total >= 0
)
select name, max(title), max(ordinal), count(*), count(*) filter (where waited > 0),
       percentile_cont(0.5) within group (order by total), percentile_cont(0.95) within group (order by total),
       percentile_cont(0.5) within group (order by total - waited),
       percentile_cont(0.95) within group (order by total - waited),
       percentile_cont(0.5) within group (order by waited), percentile_cont(0.95) within group (order by waited), :now
from timed group by name
"""

_WAIT = """
insert into analytics.provisioning_wait (
  waits_on, waiting, in_vain, under_a_day, under_three_days, under_a_week, longer, oldest_at, refreshed_at)
select waits_on, count(*), count(*) filter (where state = 'expired'),
       count(*) filter (where age < interval '1 day'),
       count(*) filter (where age >= interval '1 day' and age < interval '3 days'),
       count(*) filter (where age >= interval '3 days' and age < interval '7 days'),
       count(*) filter (where age >= interval '7 days'),
       min(waits_from), :now
from (
  select distinct on (s.job_id) s.waits_on, s.waits_from, j.state,
         cast(:now as timestamptz) - coalesce(s.waits_from, :now) as age
  from provisioning_step s join provisioning_job j on j.workspace_id = s.workspace_id and j.id = s.job_id
  where s.waits_on is not null and s.status <> 'retired' and j.state in ('waiting', 'expired')
  order by s.job_id, s.ordinal
) waiting group by waits_on
"""

_TOTAL = """
select coalesce(sum(signups), 0) as signups, coalesce(sum(opened), 0) as opened,
       coalesce(sum(running), 0) as running,
       coalesce(sum(waits_on_studio + waits_on_meta + waits_on_twilio + waits_on_stripe + waits_on_us), 0) as waiting,
       coalesce(sum(failed), 0) as failed, coalesce(sum(expired), 0) as expired,
       coalesce(sum(taken_back), 0) as taken_back
from analytics.provisioning_funnel
"""


def refresh(connection: Connection, *, now: datetime, since: datetime) -> Mapping[str, int]:
    """Make the three tables anew, and return what all signups come to; needs the fleet's scope.

    Args:
        connection: whose transaction it is; waits for whoever else is at it.
        now: business time.
        since: signups of before are no measure of how long a step takes any more (business time).
    """
    connection.execute(text("select pg_advisory_xact_lock(:lock, 0)"), {"lock": _LOCK})
    for table, statement, values in (
        ("provisioning_funnel", _FUNNEL, {}),
        ("provisioning_step_time", _STEP_TIME, {"since": since, "all": ALL}),
        ("provisioning_wait", _WAIT, {}),
    ):
        connection.execute(text(f"delete from analytics.{table}"))
        connection.execute(text(statement), {"now": now, **values})
    totals = connection.execute(text(_TOTAL)).mappings().one()
    return {str(name): int(value) for name, value in totals.items()}

"""The state of work, to be read: views of events and jobs with what became of them, shown to studios as well."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pilar.database.row_security import show_to_studios

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# A lease that has run out still says «in progress» until somebody else claims the work: SQL knows no clock.
LIVE_WORK = """
create view live_work with (security_invoker = true) as
  select position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts, due_at,
         false as business_time, case when lease_until is null then 'pending' else 'in_progress' end as status,
         case when lease_until is not null then leased_at end as locked_at,
         case when lease_until is not null then leased_by end as locked_by,
         lease_until, null::text as held_by, null::text as error_code, null::text as error,
         null::timestamptz as failed_at
  from queue
  union all
  select position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts, due_at, business_time,
         case when attempts > 0 then 'retrying' else 'scheduled' end, null, null, null, null, null, null, null
  from scheduled
  union all
  select position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts, due_at, false, 'parked',
         null, null, null, held_by, null, null, null
  from parked
  union all
  select position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts, null, false,
         'failed', null, null, null, null, error_code, error, failed_at
  from dead_letter
"""

# One fact's work, handler by handler: what is alive beside the last attempt that the log tells of. The log is read in
# the days after the fact alone; an hour is for hosts whose clocks differ. An aggregate, and not the newest one row: for
# that the planner would walk a day's log backwards until it met the position. Which attempt was the last one is told by
# the fencing tokens, and by no clock.
_STATE = """
left join lateral (
  select
    (array['failed', 'in_progress', 'retrying', 'pending', 'parked', 'scheduled', 'discarded', 'cancelled',
           'completed'])[min(p.rank)] as status,
    min(p.priority) as priority,
    coalesce(max(p.attempts) filter (where not p.fanned_out), max(p.attempts)) as attempts,
    max(p.max_attempts) as max_attempts,
    coalesce(min(p.due_at) filter (where not p.fanned_out), min(p.due_at)) as scheduled_at,
    coalesce(bool_or(p.business_time), false) as business_time,
    (array_agg(p.locked_at order by p.rank, p.handler))[1] as locked_at,
    (array_agg(p.locked_by order by p.rank, p.handler))[1] as locked_by,
    (array_agg(p.lease_until order by p.rank, p.handler))[1] as lease_until,
    (array_agg(p.held_by order by p.rank, p.handler))[1] as held_by,
    least(min(p.started_at), min(p.locked_at)) as started_at,
    case when bool_and(p.rank >= 7) then max(p.finished_at) end as finished_at,
    max(p.finished_at) as touched_at,
    (array_agg(p.result order by p.rank, p.handler))[1] as result,
    (array_agg(p.error_code order by p.rank, p.handler) filter (where p.error_code is not null))[1] as error_code,
    (array_agg(p.error order by p.rank, p.handler) filter (where p.error is not null))[1] as error,
    jsonb_agg(jsonb_build_object(
      'handler', p.handler, 'status', p.status, 'attempts', p.attempts, 'max_attempts', p.max_attempts,
      'scheduled_at', p.due_at, 'locked_at', p.locked_at, 'locked_by', p.locked_by, 'lease_until', p.lease_until,
      'held_by', p.held_by, 'started_at', p.started_at, 'finished_at', case when p.rank >= 7 then p.finished_at end,
      'result', p.result, 'error_code', p.error_code, 'error', p.error
    ) order by p.handler) filter (where not p.fanned_out) as handlers
  from (
    select s.*, array_position(array['failed', 'in_progress', 'retrying', 'pending', 'parked', 'scheduled',
                                     'discarded', 'cancelled', 'completed'], s.status) as rank
    from (
      select coalesce(v.handler, l.handler) as handler,
             coalesce(v.status, case when l.outcome in ('done', 'fanned_out') then 'completed'
                                     when l.outcome in ('cancelled', 'discarded') then l.outcome
                                     else 'failed' end) as status,
             v.handler is null and l.outcome = 'fanned_out' as fanned_out,
             v.priority, coalesce(v.attempts, l.attempts) as attempts, v.max_attempts,
             coalesce(v.due_at, l.due_at) as due_at, v.business_time,
             case when v.handler is not null then v.locked_at
                  when l.outcome not in ('cancelled', 'discarded') then l.claimed_at end as locked_at,
             case when v.handler is not null then v.locked_by
                  when l.outcome not in ('cancelled', 'discarded') then l.worker end as locked_by,
             v.lease_until, v.held_by, l.started_at, coalesce(v.failed_at, l.finished_at) as finished_at,
             case when v.handler is null then l.result end as result, v.error_code,
             coalesce(v.error, l.error) as error
      from (select * from live_work w where w.position = f.position) v
      full join (
        select distinct on (g.handler) g.handler, g.outcome, g.attempts, g.due_at, g.claimed_at, g.worker, g.result,
               g.error, g.finished_at,
               min(g.claimed_at) filter (where g.outcome not in ('cancelled', 'discarded'))
                 over (partition by g.handler) as started_at
        from queue_log g
        where g.position = f.position and g.finished_at >= f.recorded_at - interval '1 hour'
        order by g.handler, g.fencing_token desc, g.finished_at desc
      ) l on l.handler = v.handler
    ) s
  ) p
) w on true
"""

EVENT_STATE = f"""
create view autopilot_event_state with (security_invoker = true) as
  select f.position, f.id, f.workspace_id, f.aggregate_type, f.aggregate_id, f.type, f.version, f.payload,
         coalesce(w.status, 'archived') as status, coalesce(w.attempts, 0) as attempts, w.max_attempts,
         coalesce(w.scheduled_at, f.recorded_at) as scheduled_at, w.locked_at, w.locked_by, w.lease_until, w.held_by,
         w.started_at, w.finished_at as processed_at, w.error_code, w.error,
         coalesce(w.handlers, '[]') as handlers, f.causation_id, f.correlation_id, f.idempotency_key, f.occurred_at,
         f.recorded_at as created_at, coalesce(w.touched_at, f.recorded_at) as updated_at
  from autopilot_event f {_STATE}
"""

JOB_STATE = f"""
create view autopilot_job_state with (security_invoker = true) as
  select f.position, f.id, f.workspace_id, f.type, f.version, f.payload, coalesce(w.status, 'archived') as status,
         coalesce(w.priority, f.priority) as priority, coalesce(w.attempts, 0) as attempts, f.max_attempts,
         coalesce(w.scheduled_at, f.recorded_at) as scheduled_at, coalesce(w.business_time, false) as business_time,
         w.locked_at, w.locked_by, w.lease_until, w.held_by, w.started_at, w.finished_at as completed_at, w.result,
         w.error_code, w.error, f.causation_id, f.correlation_id, f.idempotency_key, f.recorded_at as created_at,
         coalesce(w.touched_at, f.recorded_at) as updated_at
  from autopilot_job f {_STATE}
"""

COMMENTS = {
    "live_work": "All work that is not finished, dead letters too, with its status.",
    "autopilot_event_state": "Events with what became of them, as a whole and by handler.",
    "autopilot_job_state": "Jobs with what became of them.",
}


def upgrade() -> None:
    """Show studios their own work, and make the views."""
    op.execute("set local lock_timeout = '10s'")
    op.add_column("queue", sa.Column("leased_at", sa.DateTime(timezone=True), comment="real time; when it did"))
    op.create_index("ix_dead_letter_newest", "dead_letter", ["failed_at", "position", "handler"])
    op.create_index(
        "ix_queue_log_taken_out",
        "queue_log",
        ["workspace_id", "position"],
        postgresql_where=sa.text("outcome in ('cancelled', 'discarded')"),
    )
    for table in ("queue", "scheduled", "parked"):
        for statement in show_to_studios(table):
            op.execute(statement)
    for statement in (LIVE_WORK, EVENT_STATE, JOB_STATE):
        op.execute(statement)
    for view, comment in COMMENTS.items():
        op.execute(f"comment on view {view} is '{comment}'")
        op.execute(f"grant select on {view} to pilar_app, pilar_system")

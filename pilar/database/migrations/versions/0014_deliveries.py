"""Deliveries are found by what they name and by time, are told with what became of them, and can be worked again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pilar.database.row_security import protect_fleet_table

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Whoever has a delivery worked on again holds this lock in shared mode: a fact that is done gets work anew, and must
# not be forgotten in the same moment. What it names goes with a delivery.
FORGET_INBOX = """
create or replace function pilar_forget_inbox(before timestamptz, above bigint, size int,
                                              out reached bigint, out old bigint, out gone bigint)
language plpgsql security definer set search_path = public, pg_temp as $$
declare batch bigint[]; forgotten bigint[];
begin
  perform pg_advisory_xact_lock(7305118205);
  select array_agg(position order by position), max(position), count(*) filter (where received_at < before)
    into batch, reached, old
    from (select position, received_at from inbox where position > above order by position limit size) next;
  with removed as (
    delete from inbox f where f.position = any(batch) and f.received_at < before
       and not exists (select from pending_work w where w.position = f.position)
       and not exists (select from dead_letter w where w.position = f.position)
    returning f.position
  )
  select coalesce(array_agg(position), '{}'), count(*) into forgotten, gone from removed;
  delete from inbox_subject where position between batch[1] and reached and position = any(forgotten);
  delete from inbox_replay where position = any(forgotten);
end $$
"""

# One delivery's work, handler by handler: what is alive beside the last attempt that the log tells of, as for events
# and jobs. A delivery may have been worked on several times: which attempt was the last is told by the fencing tokens.
INBOX_STATE = """
create view inbox_state with (security_invoker = true) as
  select f.position, f.id, f.provider, f.external_id, f.workspace_id, f.headers, f.received_at,
         octet_length(f.body) as bytes, coalesce(w.status, 'archived') as status, coalesce(w.attempts, 0) as attempts,
         w.started_at, w.finished_at, w.error_code, w.error, coalesce(w.handlers, '[]') as handlers
  from inbox f
  left join lateral (
    select
      (array['failed', 'in_progress', 'retrying', 'pending', 'parked', 'scheduled', 'discarded', 'cancelled',
             'completed'])[min(p.rank)] as status,
      coalesce(max(p.attempts) filter (where not p.fanned_out), max(p.attempts)) as attempts,
      min(p.started_at) as started_at,
      case when bool_and(p.rank >= 7) then max(p.finished_at) end as finished_at,
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
               coalesce(v.attempts, l.attempts) as attempts, v.max_attempts, coalesce(v.due_at, l.due_at) as due_at,
               case when v.handler is not null then v.locked_at else l.claimed_at end as locked_at,
               case when v.handler is not null then v.locked_by else l.worker end as locked_by,
               v.lease_until, v.held_by, l.started_at, coalesce(v.failed_at, l.finished_at) as finished_at,
               case when v.handler is null then l.result end as result, v.error_code,
               coalesce(v.error, l.error) as error
        from (select * from live_work w where w.position = f.position) v
        full join (
          select distinct on (g.handler) g.handler, g.outcome, g.attempts, g.due_at, g.claimed_at, g.worker, g.result,
                 g.error, g.finished_at, min(g.claimed_at) over (partition by g.handler) as started_at
          from queue_log g
          where g.position = f.position and g.finished_at >= f.received_at - interval '1 hour'
          order by g.handler, g.fencing_token desc, g.finished_at desc
        ) l on l.handler = v.handler
      ) s
    ) p
  ) w on true
"""


def upgrade() -> None:
    """Add the tables, the index by time and the view."""
    op.execute("set local lock_timeout = '10s'")
    # While the index is made the door can't write: what comes meanwhile waits in the spool.
    op.create_index(op.f("ix_inbox_received_at_position"), "inbox", ["received_at", "position"])
    op.create_table(
        "inbox_subject",
        sa.Column(
            "subject",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="a digest: see backplane/subjects.py",
        ),
        sa.Column(
            "position", sa.BigInteger(), autoincrement=False, nullable=False, comment="the delivery that names it"
        ),
        sa.PrimaryKeyConstraint("subject", "position", name=op.f("pk_inbox_subject")),
        comment="What deliveries name (ids, numbers, addresses), as digests: noted when one is worked on, gone with"
        " it.",
        info={"kind": "fleet"},
    )
    op.create_index(op.f("ix_inbox_subject_position"), "inbox_subject", ["position"], postgresql_using="brin")
    op.create_table(
        "inbox_replay",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False, comment="the delivery"),
        sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=False, comment="real time"),
        sa.Column("replayed_by", sa.Text(), nullable=False, comment="actor, as in the audit log"),
        sa.PrimaryKeyConstraint("position", "replayed_at", name=op.f("pk_inbox_replay")),
        comment="Which deliveries somebody had worked on again; gone with the delivery.",
        info={"kind": "fleet"},
    )
    for table in ("inbox_subject", "inbox_replay"):
        for statement in protect_fleet_table(table):
            op.execute(statement)
    op.execute(FORGET_INBOX)
    op.execute(INBOX_STATE)
    op.execute("comment on view inbox_state is 'Deliveries with what became of them, as a whole and by handler.'")
    op.execute("grant select on inbox_state to pilar_system")

"""The hot path's SQL: recording facts, claiming work, settling it. Nothing here decides anything.

It is text through psycopg with binary arrays, one statement per batch; SQLAlchemy's Core takes three times as long
here. Keys are sorted before they are inserted: two batches with the same keys in another order would deadlock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import namedtuple_row
from sqlalchemy import Connection

from pilar.database.engine import raw
from pilar.ids import FLEET

ABOVE_ALL = UUID(int=(1 << 128) - 1)
"""Where a walk over the workspaces starts; it goes downwards."""


@dataclass(frozen=True)
class EventRow:
    """An event as it is stored."""

    id: UUID
    workspace_id: UUID | None
    aggregate_type: str
    aggregate_id: str
    type: str
    version: int
    payload: str
    causation_id: UUID | None
    correlation_id: UUID
    key: str
    lane: str
    max_attempts: int


@dataclass(frozen=True)
class JobRow:
    """A job as it is stored."""

    id: UUID
    workspace_id: UUID | None
    type: str
    version: int
    payload: str
    causation_id: UUID | None
    correlation_id: UUID
    key: str
    lane: str
    priority: int
    max_attempts: int
    due_at: datetime | None
    business_time: bool


@dataclass(frozen=True)
class SettledRow:
    """What became of one attempt."""

    position: int
    handler: str
    fencing_token: int
    type: str
    outcome: str
    claimed_at: datetime
    due_at: datetime | None = None
    error_code: str | None = None
    error: str | None = None
    result: str | None = None


_INSERT_EVENTS = """
with input as materialized (
  select nextval('fact_position') as position, o.* from (
    select distinct on (workspace, key) coalesce(workspace_id, %(fleet)s) as workspace, x.*
    from unnest(%(id)b::uuid[], %(workspace_id)b::uuid[], %(aggregate_type)b::text[], %(aggregate_id)b::text[],
                %(type)b::text[], %(version)b::smallint[], %(payload)b::text[], %(causation_id)b::uuid[],
                %(correlation_id)b::uuid[], %(key)b::text[], %(lane)b::text[], %(max_attempts)b::smallint[])
         with ordinality as x(id, workspace_id, aggregate_type, aggregate_id, type, version, payload, causation_id,
                              correlation_id, key, lane, max_attempts, ordinal)
    order by workspace, key, ordinal
  ) o order by ordinal
), fresh as (
  insert into idempotency_key (kind, workspace_id, key, position, recorded_at)
  select 2, workspace, key, position, %(recorded_at)s from input order by workspace, key
  on conflict do nothing returning position
), fact as (
  insert into autopilot_event (position, id, workspace_id, aggregate_type, aggregate_id, type, version, payload,
                               causation_id, correlation_id, idempotency_key, occurred_at, recorded_at)
  select i.position, id, workspace_id, aggregate_type, aggregate_id, type, version, payload::jsonb, causation_id,
         correlation_id, key, %(occurred_at)s, %(recorded_at)s
  from input i join fresh using (position)
)
insert into queue (position, handler, kind, workspace_id, lane, priority, attempts, max_attempts, due_at)
select position, '', 2, workspace, lane, 50, 0, max_attempts, %(recorded_at)s from input join fresh using (position)
"""

_INSERT_JOBS = """
with input as materialized (
  select nextval('fact_position') as position, o.* from (
    select distinct on (workspace, key) coalesce(workspace_id, %(fleet)s) as workspace, x.*
    from unnest(%(id)b::uuid[], %(workspace_id)b::uuid[], %(type)b::text[], %(version)b::smallint[],
                %(payload)b::text[], %(causation_id)b::uuid[], %(correlation_id)b::uuid[], %(key)b::text[],
                %(lane)b::text[], %(priority)b::smallint[], %(max_attempts)b::smallint[], %(due_at)b::timestamptz[],
                %(business_time)b::bool[])
         with ordinality as x(id, workspace_id, type, version, payload, causation_id, correlation_id, key, lane,
                              priority, max_attempts, due_at, business_time, ordinal)
    order by workspace, key, ordinal
  ) o order by ordinal
), fresh as (
  insert into idempotency_key (kind, workspace_id, key, position, recorded_at)
  select 3, workspace, key, position, %(recorded_at)s from input order by workspace, key
  on conflict do nothing returning position
), fact as (
  insert into autopilot_job (position, id, workspace_id, type, version, payload, priority, max_attempts,
                             causation_id, correlation_id, idempotency_key, recorded_at)
  select i.position, id, workspace_id, type, version, payload::jsonb, priority, max_attempts, causation_id,
         correlation_id, key, %(recorded_at)s
  from input i join fresh using (position)
), later as (
  insert into scheduled (position, handler, kind, workspace_id, lane, priority, attempts, max_attempts, due_at,
                         business_time)
  select position, '', 3, workspace, lane, priority, 0, max_attempts, due_at, business_time
  from input join fresh using (position) where due_at is not null
), due as (
  insert into queue (position, handler, kind, workspace_id, lane, priority, attempts, max_attempts, due_at)
  select position, '', 3, workspace, lane, priority, 0, max_attempts, %(recorded_at)s
  from input join fresh using (position) where due_at is null
)
select count(*) from fresh
"""

# Fair by construction: a walk from workspace to workspace, with a few items from each, in order of priority. The
# cost depends on the batch and not on how much is waiting.
_CLAIM = """
with recursive walk(workspace, i) as (
  select (select workspace_id from queue where lane = %(lane)s and workspace_id < %(cursor)s
          order by workspace_id desc limit 1), 1
  union all
  select (select workspace_id from queue where lane = %(lane)s and workspace_id < walk.workspace
          order by workspace_id desc limit 1), i + 1
  from walk where workspace is not null and i < %(workspaces)s
), chosen as materialized (
  select item.position, item.handler from walk cross join lateral (
    select position, handler from queue q
    where q.lane = %(lane)s and q.workspace_id = walk.workspace and q.due_at <= %(due_before)s
      and (q.lease_until is null or q.lease_until < %(now)s)
    order by priority desc, due_at, position limit %(each)s for update skip locked
  ) item where walk.workspace is not null
), claimed as (
  update queue q set lease_until = %(lease_until)s, fencing_token = nextval('fencing_token'),
         leased_by = %(worker)s, attempts = attempts + 1
  from chosen c where q.position = c.position and q.handler = c.handler
  returning q.*
)
select reached.cursor, reached.visited, c.position, c.handler, c.kind, c.workspace_id, c.lane, c.attempts,
       c.max_attempts, c.fencing_token, coalesce(e.id, j.id, i.id) as id, coalesce(e.type, j.type, i.provider) as type,
       coalesce(e.version, j.version) as version, coalesce(e.payload, j.payload)::text as payload,
       coalesce(e.correlation_id, j.correlation_id) as correlation_id,
       coalesce(e.recorded_at, j.recorded_at, i.received_at) as recorded_at,
       i.external_id, i.headers, i.body
from (select min(workspace::text)::uuid as cursor, count(workspace) as visited from walk) reached
left join claimed c on true
left join autopilot_event e on c.kind = 2 and e.position = c.position
left join autopilot_job j on c.kind = 3 and j.position = c.position
left join inbox i on c.kind = 1 and i.position = c.position
order by c.position
"""

# The statistics of a queue are always out of date: left alone, the planner reads whole tables to find a few rows.
_BY_INDEX = """
select set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'off', true)
"""

# What a holder settles must still be its own: an older fencing token deletes nothing and is told so.
_SETTLE = """
with result as (
  select * from unnest(%(position)b::bigint[], %(handler)b::text[], %(fencing_token)b::bigint[], %(type)b::text[],
                       %(outcome)b::text[], %(claimed_at)b::timestamptz[], %(due_at)b::timestamptz[],
                       %(error_code)b::text[], %(error)b::text[], %(result)b::text[])
         as x(position, handler, fencing_token, type, outcome, claimed_at, next_due_at, error_code, error, result)
), gone as (
  delete from queue q using result r
  where q.position = r.position and q.handler = r.handler and q.fencing_token = r.fencing_token
  returning q.*, r.type, r.outcome, r.claimed_at, r.next_due_at, r.error_code, r.error, r.result
), log as (
  insert into queue_log (finished_at, position, handler, fencing_token, kind, workspace_id, lane, type, outcome,
                         attempts, due_at, claimed_at, worker, error, result)
  select %(now)s, position, handler, fencing_token, kind, workspace_id, lane, type, outcome, attempts, due_at,
         claimed_at, leased_by, error, result::jsonb from gone
), later as (
  insert into scheduled (position, handler, kind, workspace_id, lane, priority, attempts, max_attempts, due_at,
                         business_time)
  select position, handler, kind, workspace_id, lane, priority,
         case outcome when 'snoozed' then attempts - 1 else attempts end, max_attempts, next_due_at, false
  from gone where outcome in ('retry', 'snoozed')
), dead as (
  insert into dead_letter (position, handler, kind, workspace_id, lane, priority, attempts, max_attempts, type,
                           error_code, error, failed_at)
  select position, handler, kind, workspace_id, lane, priority, attempts, max_attempts, type,
         coalesce(error_code, 'error'), coalesce(error, ''), %(now)s from gone where outcome = 'dead'
)
select position, handler from gone
"""

_HOLD = """
select q.position, q.handler from queue q
join unnest(%(position)b::bigint[], %(handler)b::text[], %(fencing_token)b::bigint[]) x(position, handler, token)
  on q.position = x.position and q.handler = x.handler and q.fencing_token = x.token
order by q.position, q.handler for update of q
"""

_EXTEND = """
update queue q set lease_until = %(lease_until)s
from unnest(%(position)b::bigint[], %(handler)b::text[], %(fencing_token)b::bigint[]) x(position, handler, token)
where q.position = x.position and q.handler = x.handler and q.fencing_token = x.token
"""

_FAN_OUT = """
insert into queue (position, handler, kind, workspace_id, lane, priority, attempts, max_attempts, due_at)
select q.position, h.name, q.kind, q.workspace_id, q.lane, q.priority, 0, q.max_attempts, q.due_at
from queue q cross join unnest(%(handlers)b::text[]) h(name)
where q.position = %(position)s and q.handler = ''
on conflict do nothing
"""

_PROMOTE = """
with due as (
  delete from scheduled where (position, handler) in (
    select position, handler from scheduled where business_time = %(business_time)s and due_at <= %(until)s
    order by due_at limit %(limit)s for update skip locked
  ) returning *
)
insert into queue (position, handler, kind, workspace_id, lane, priority, attempts, max_attempts, due_at)
select position, handler, kind, workspace_id, lane, priority, attempts, max_attempts, %(now)s from due
"""


def insert_events(
    connection: Connection, rows: Sequence[EventRow], occurred_at: datetime, recorded_at: datetime
) -> int:
    """Store events and their queue rows; return how many were new."""
    if not rows:
        return 0
    values = {**_columns(rows), "fleet": FLEET, "occurred_at": occurred_at, "recorded_at": recorded_at}
    return raw(connection).execute(_INSERT_EVENTS, values).rowcount


def insert_jobs(connection: Connection, rows: Sequence[JobRow], recorded_at: datetime) -> int:
    """Store jobs and their queue or schedule rows; return how many were new."""
    if not rows:
        return 0
    values = {**_columns(rows), "fleet": FLEET, "recorded_at": recorded_at}
    counted = raw(connection).execute(_INSERT_JOBS, values).fetchone()
    return int(counted[0]) if counted else 0


def claim(
    connection: Connection,
    *,
    lane: str,
    cursor: UUID,
    workspaces: int,
    each: int,
    due_before: datetime,
    now: datetime,
    lease_until: datetime,
    worker: str,
) -> tuple[list[Any], UUID | None, int]:
    """Take work under a lease: at most `each` items from each of the next workspaces below the cursor.

    Returns:
        The rows with their facts, the lowest workspace visited (the next cursor), and how many were visited.
    """
    driver = raw(connection)
    driver.execute(_BY_INDEX)
    cursor_ = driver.cursor(row_factory=namedtuple_row)
    rows: list[Any] = cursor_.execute(
        _CLAIM,
        {
            "lane": lane,
            "cursor": cursor,
            "workspaces": workspaces,
            "each": each,
            "due_before": due_before,
            "now": now,
            "lease_until": lease_until,
            "worker": worker,
        },
    ).fetchall()
    reached, visited = rows[0].cursor, rows[0].visited
    return [row for row in rows if row.position is not None], reached, visited


def hold(connection: Connection, items: Sequence[tuple[int, str, int]]) -> set[tuple[int, str]]:
    """Lock those of the claimed (position, handler, token) that are still this holder's, until the transaction ends."""
    found = raw(connection).execute(_HOLD, _triples(items)).fetchall()
    return {(row[0], row[1]) for row in found}


def extend(connection: Connection, items: Sequence[tuple[int, str, int]], lease_until: datetime) -> int:
    """Renew leases; return how many are still held."""
    return raw(connection).execute(_EXTEND, {**_triples(items), "lease_until": lease_until}).rowcount


def settle(connection: Connection, rows: Sequence[SettledRow], now: datetime) -> set[tuple[int, str]]:
    """Take finished attempts out of the queue and log them; return those that were still this holder's."""
    if not rows:
        return set()
    raw(connection).execute(_BY_INDEX)
    found = raw(connection).execute(_SETTLE, {**_columns(rows), "now": now}).fetchall()
    return {(row[0], row[1]) for row in found}


def fan_out(connection: Connection, position: int, handlers: Sequence[str]) -> None:
    """Give each handler of an event or a delivery a queue row of its own."""
    raw(connection).execute(_FAN_OUT, {"position": position, "handlers": list(handlers)})


def promote(connection: Connection, *, business_now: datetime, real_now: datetime, limit: int) -> int:
    """Move scheduled work whose time has come into the queue; return how much."""
    moved = 0
    for business_time, until in ((False, real_now), (True, business_now)):
        values = {"business_time": business_time, "until": until, "now": real_now, "limit": limit}
        moved += raw(connection).execute(_PROMOTE, values).rowcount
    return moved


def _columns(rows: Sequence[Any]) -> dict[str, list[Any]]:
    return {name: [getattr(row, name) for row in rows] for name in rows[0].__dataclass_fields__}


def _triples(items: Sequence[tuple[int, str, int]]) -> dict[str, list[Any]]:
    return {
        "position": [item[0] for item in items],
        "handler": [item[1] for item in items],
        "fencing_token": [item[2] for item in items],
    }

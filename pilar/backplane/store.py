"""The hot path's SQL on work: claiming it, settling it, moving it. Nothing here decides anything.

What does not belong here: recording facts (`fact_store.py`). It is text through psycopg with binary arrays, one
statement per batch; SQLAlchemy's Core takes three times as long here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import namedtuple_row
from sqlalchemy import Connection

from pilar.backplane.histograms import BOUNDS
from pilar.database.engine import raw, set_local

ABOVE_ALL = UUID(int=(1 << 128) - 1)
"""Where a walk over the workspaces starts; it goes downwards."""

Held = tuple[int, int]
"""A claimed piece of work, as (position, fencing token)."""


class SettledRow(NamedTuple):
    """What became of one attempt."""

    position: int
    fencing_token: int
    outcome: str
    due_at: datetime | None = None
    error_code: str | None = None
    error: str | None = None
    result: str | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """One look for work.

    Attributes:
        rows: what was claimed, with the facts.
        put_aside: how much was found under a pause, and parked.
        cursor: the lowest workspace visited, where the next look goes on; None where none was.
        visited: how many workspaces were.
    """

    rows: list[Any]
    put_aside: int
    cursor: UUID | None
    visited: int

    def __bool__(self) -> bool:
        return bool(self.rows) or self.put_aside > 0


NOTHING = Claimed([], 0, None, 0)


@dataclass(frozen=True, slots=True)
class Glance:
    """What there is to do, roughly: leased work counts as well."""

    lanes: frozenset[str]
    later: bool
    """Whether scheduled work has come due."""
    parked: bool


_BOUNDS = f"'{{{','.join(map(str, BOUNDS))}}}'::float8[]"
_WORK = "position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts"
_TURN = "concurrency_key, concurrency_limit"

# Fair by construction: a walk from workspace to workspace, with a few items from each, in order of priority. The
# cost depends on the batch and not on how much is waiting. What is under a pause is moved out of the way, once, so
# that no later look has to pass over it.
_CLAIM = f"""
with recursive walk(workspace, i) as (
  select (select workspace_id from queue where lane = %(lane)s and workspace_id < %(cursor)s
          order by workspace_id desc limit 1), 1
  where not exists (select from queue_pause p where p.dimension = 'lane' and p.subject = %(lane)s
                    and (p.until is null or p.until > %(now)s))
  union all
  select (select workspace_id from queue where lane = %(lane)s and workspace_id < walk.workspace
          order by workspace_id desc limit 1), i + 1
  from walk where workspace is not null and i < %(workspaces)s
), chosen as materialized (
  select item.* from walk cross join lateral (
    select position, handler, type, workspace_id from queue q
    where q.lane = %(lane)s and q.workspace_id = walk.workspace and q.due_at <= %(due_before)s
      and (q.lease_until is null or q.lease_until < %(now)s)
    order by priority desc, due_at, position limit %(each)s for update skip locked
  ) item where walk.workspace is not null limit %(most)s
), paused as materialized (
  select c.position, c.handler, p.held_by from chosen c cross join lateral (
    select p.dimension || ':' || p.subject as held_by from queue_pause p
    where (p.until is null or p.until > %(now)s)
      and (p.dimension, p.subject) in (('type', c.type), ('workspace', c.workspace_id::text)) limit 1
  ) p where (select exists (select from queue_pause where dimension <> 'lane'))
), put_aside as (
  delete from queue q using paused p where q.position = p.position and q.handler = p.handler returning q.*, p.held_by
), aside as (
  insert into parked ({_WORK}, {_TURN}, unique_key, due_at, held_by)
  select {_WORK}, {_TURN}, unique_key, due_at, held_by from put_aside
), claimed as (
  update queue q set lease_until = %(lease_until)s, fencing_token = nextval('fencing_token'),
         leased_by = %(worker)s, leased_at = %(now)s, attempts = attempts + 1
  from chosen c where q.position = c.position and q.handler = c.handler
    and not exists (select from paused p where p.position = c.position and p.handler = c.handler)
  returning q.*
), begun as (
  delete from unique_work u using claimed c where c.unique_key is not null and u.position = c.position
)
select reached.*, c.position, c.handler, c.kind, c.workspace_id, c.type, c.attempts, c.max_attempts, c.fencing_token,
       coalesce(e.id, j.id, i.id) as id, coalesce(e.payload, j.payload)::text as payload,
       coalesce(e.correlation_id, j.correlation_id) as correlation_id,
       coalesce(e.recorded_at, j.recorded_at, i.received_at) as recorded_at,
       i.external_id, i.headers, i.body
from (select min(workspace::text)::uuid as cursor, count(workspace) as visited,
             (select count(*) from put_aside) as put_aside from walk) reached
left join claimed c on true
left join autopilot_event e on e.position = case c.kind when 2 then c.position end
left join autopilot_job j on j.position = case c.kind when 3 then c.position end
left join inbox i on i.position = case c.kind when 1 then c.position end
order by c.position
"""

_BY_INDEX = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    "plan_cache_mode": "force_generic_plan",
}
BY_INDEX = set_local(_BY_INDEX)
"""Settings for a transaction that claims, settles or admits, and runs no handlers after that. The statistics of a queue
are always out of date: left alone, the planner reads whole tables to find a few rows.
"""

CLAIMS_ONLY = {**_BY_INDEX, "synchronous_commit": "off"}
"""The same for a transaction that does nothing but claim: its commit need not wait for the disk. A claim that is lost
in a crash of the server leaves the work as due as it was, and its holder is refused.
"""

# What a holder settles must still be its own: an older fencing token deletes nothing and is told so. So an event is
# fanned out to its handlers by its holder alone, and once.
# A handler's work begins with the fan-out that told it apart, so that is counted with its handlers. A few rows for each
# batch are only ever added: one that all batches count up would have them wait for each other (`tallies.py`).
_SETTLE = f"""
with result as (
  select * from unnest(%(position)b::bigint[], %(fencing_token)b::bigint[], %(outcome)b::text[],
                       %(due_at)b::timestamptz[], %(error_code)b::text[], %(error)b::text[], %(result)b::text[])
         as x(position, fencing_token, outcome, next_due_at, error_code, error, result)
), gone as (
  delete from queue q using result r
  where q.position = r.position and q.fencing_token = r.fencing_token and q.leased_by = %(worker)s
  returning q.*, coalesce(r.outcome, 'done') as outcome, r.next_due_at, r.error_code, r.error, r.result
), log as (
  insert into queue_log (finished_at, position, handler, fencing_token, kind, workspace_id, lane, type, outcome,
                         attempts, due_at, claimed_at, worker, error, result)
  select %(now)s, position, handler, fencing_token, kind, workspace_id, lane, type, outcome, attempts, due_at,
         %(claimed_at)s, leased_by, error, result::jsonb from gone
), tally as (
  insert into queue_tally (minute, lane, outcome, wait_bucket, run_bucket, attempts, longest_wait, longest_run, is_sum)
  select date_trunc('minute', %(now)s, 'UTC'), lane, outcome, width_bucket(wait, {_BOUNDS}),
         width_bucket(%(ran)s::float8, {_BOUNDS}), count(*), max(wait), %(ran)s::float8, false
  from (select lane, outcome, greatest(date_part('epoch', %(claimed_at)s - due_at), 0) as wait
        from gone where outcome <> 'fanned_out') attempt
  group by lane, outcome, width_bucket(wait, {_BOUNDS})
), later as (
  insert into scheduled ({_WORK}, {_TURN}, due_at, business_time)
  select position, handler, kind, workspace_id, type, lane, priority,
         case outcome when 'snoozed' then attempts - 1 else attempts end, max_attempts, {_TURN}, next_due_at, false
  from gone where outcome in ('retry', 'snoozed')
), dead as (
  insert into dead_letter ({_WORK}, {_TURN}, error_code, error, failed_at)
  select {_WORK}, {_TURN}, coalesce(error_code, 'error'), coalesce(error, ''), %(now)s from gone where outcome = 'dead'
), told_apart as (
  insert into queue ({_WORK}, {_TURN}, due_at)
  select g.position, h.name, kind, workspace_id, type, lane, priority, 0, max_attempts, {_TURN}, due_at
  from gone g join unnest(%(fan_position)b::bigint[], %(fan_handler)b::text[]) h(position, name)
    on h.position = g.position
  where g.outcome = 'fanned_out'
)
select count(*) from gone
"""

# A fencing token is drawn for each piece that is claimed: with the position, by which it is found, and the worker, it
# names the claim. The worker belongs to it because a claim need not survive a crash of the server: its token may then
# be drawn again.
_HOLD = """
select q.fencing_token from queue q
join unnest(%(position)b::bigint[], %(fencing_token)b::bigint[]) x(position, token)
  on q.position = x.position and q.fencing_token = x.token and q.leased_by = %(worker)s
order by q.position, q.handler for update of q
"""

_EXTEND = """
update queue q set lease_until = %(lease_until)s
from unnest(%(position)b::bigint[], %(fencing_token)b::bigint[]) x(position, token)
where q.position = x.position and q.fencing_token = x.token and q.leased_by = %(worker)s
"""

_RELEASE = """
update queue q set lease_until = null, leased_by = null, leased_at = null, fencing_token = null,
       attempts = attempts - 1
from unnest(%(position)b::bigint[], %(fencing_token)b::bigint[]) x(position, token)
where q.position = x.position and q.fencing_token = x.token and q.leased_by = %(worker)s
"""

_GLANCE = """
select array(select name from unnest(%(lanes)s::text[]) l(name)
             where exists (select from queue q where q.lane = l.name)),
       exists (select from scheduled where not business_time and due_at <= %(real_now)s)
       or exists (select from scheduled where business_time and due_at <= %(business_now)s),
       exists (select from parked)
"""

# Work that takes its turn by a key is not due yet when its time comes: it lines up.
_PROMOTE = f"""
with due as (
  delete from scheduled where (position, handler) in (
    select position, handler from scheduled where business_time = %(business_time)s and due_at <= %(until)s
    order by due_at limit %(limit)s for update skip locked
  ) returning *
), in_turn as (
  insert into parked ({_WORK}, {_TURN}, unique_key, due_at, held_by)
  select {_WORK}, {_TURN}, unique_key, %(now)s, 'key:' || concurrency_key from due where concurrency_key is not null
), at_once as (
  insert into queue ({_WORK}, unique_key, due_at)
  select {_WORK}, unique_key, %(now)s from due where concurrency_key is null
)
select count(*) from due
"""

ADMISSION = 7_305_118_204
"""The advisory lock of those who let parked work in: two at once would both count the same free place."""

# From one thing that holds work back to the next, as far as a visit goes: a pause that is over lets everything go, a
# key as much as it has places left. Work with a key that a pause held takes its turn after all.
_ADMIT = f"""
with recursive holds(held_by, i) as (
  select (select held_by from parked where held_by > %(cursor)s order by held_by limit 1), 1
  union all
  select (select held_by from parked p where p.held_by > holds.held_by order by p.held_by limit 1), i + 1
  from holds where held_by is not null and i < %(holds)s
), room as materialized (
  select h.held_by, case
    when h.held_by not like 'key:%%' then case when exists (
        select from queue_pause p where p.dimension = split_part(h.held_by, ':', 1)
          and p.subject = substr(h.held_by, strpos(h.held_by, ':') + 1) and (p.until is null or p.until > %(now)s)
      ) then 0 else %(limit)s end
    else greatest(0, least(%(limit)s,
      (select concurrency_limit from parked p where p.held_by = h.held_by
       order by priority desc, due_at, position limit 1)
      - (select count(*) from queue q where q.concurrency_key = substr(h.held_by, 5)))) end as places
  from holds h where h.held_by is not null
), free as materialized (
  select item.* from room cross join lateral (
    select position, handler from parked p where p.held_by = room.held_by
    order by priority desc, due_at, position limit room.places for update skip locked
  ) item where room.places > 0
), gone as (
  delete from parked p using free f where p.position = f.position and p.handler = f.handler returning p.*
), admitted as (
  insert into queue ({_WORK}, {_TURN}, unique_key, due_at)
  select {_WORK}, {_TURN}, unique_key, due_at from gone where held_by like 'key:%%' or concurrency_key is null
), in_turn as (
  insert into parked ({_WORK}, {_TURN}, unique_key, due_at, held_by)
  select {_WORK}, {_TURN}, unique_key, due_at, 'key:' || concurrency_key
  from gone where held_by not like 'key:%%' and concurrency_key is not null
)
select (select count(*) from gone), (select max(held_by) from holds), (select count(held_by) from holds)
"""


def claim(
    connection: Connection,
    *,
    lane: str,
    cursor: UUID,
    workspaces: int,
    each: int,
    most: int,
    due_before: datetime,
    now: datetime,
    lease_until: datetime,
    worker: str,
) -> Claimed:
    """Take work under a lease: `each` items from each of the next workspaces below the cursor, `most` in all."""
    rows: list[Any] = (
        raw(connection)
        .cursor(row_factory=namedtuple_row, binary=True)
        .execute(
            _CLAIM,
            {
                "lane": lane,
                "cursor": cursor,
                "workspaces": workspaces,
                "each": each,
                "most": most,
                "due_before": due_before,
                "now": now,
                "lease_until": lease_until,
                "worker": worker,
            },
        )
        .fetchall()
    )
    first = rows[0]
    return Claimed([row for row in rows if row.position is not None], first.put_aside, first.cursor, first.visited)


def by_index(connection: Connection) -> None:
    """Have the rest of a transaction go by indexes (`BY_INDEX`): after its handlers have run."""
    raw(connection).execute(BY_INDEX.encode(), prepare=False)


def hold(connection: Connection, worker: str, items: Sequence[Held]) -> set[int]:
    """Lock those claimed items that are still this worker's, until the transaction ends; return their tokens."""
    return {row[0] for row in raw(connection).execute(_HOLD, _pairs(worker, items)).fetchall()}


def extend(connection: Connection, worker: str, items: Sequence[Held], lease_until: datetime) -> int:
    """Renew leases; return how many are still held."""
    return raw(connection).execute(_EXTEND, {**_pairs(worker, items), "lease_until": lease_until}).rowcount


def release(connection: Connection, worker: str, items: Sequence[Held]) -> int:
    """Give back what was claimed and not begun, as if it had not been claimed; return how many were still held."""
    return raw(connection).execute(_RELEASE, _pairs(worker, items)).rowcount


def settle(
    connection: Connection,
    worker: str,
    rows: Sequence[SettledRow],
    *,
    claimed_at: datetime,
    now: datetime,
    fans: Iterable[tuple[int, str]] = (),
) -> int:
    """Take finished attempts out of the queue and log them; return how many were still this worker's.

    Args:
        connection: the transaction of what the attempts did.
        worker: who claimed them.
        rows: what became of each.
        claimed_at: when they were claimed (real time).
        now: real time.
        fans: for each that is fanned out, its position with the name of a handler, as often as there are handlers.
    """
    if not rows:
        return 0
    values: dict[str, Any] = dict(zip(SettledRow._fields, map(list, zip(*rows, strict=True)), strict=True))
    if all(outcome == "done" for outcome in values["outcome"]):
        values["outcome"] = None
    for name in ("due_at", "error_code", "error", "result"):  # mostly empty: then nothing is sent
        if all(value is None for value in values[name]):
            values[name] = None
    fans = list(fans)
    values |= {"fan_position": [fan[0] for fan in fans] or None, "fan_handler": [fan[1] for fan in fans] or None}
    ran = max((now - claimed_at).total_seconds(), 0.0)
    values |= {"worker": worker, "claimed_at": claimed_at, "now": now, "ran": ran}
    found = raw(connection).execute(_SETTLE, values).fetchone()
    return int(found[0]) if found else 0


def glance(connection: Connection, lanes: Sequence[str], *, business_now: datetime, real_now: datetime) -> Glance:
    """Which lanes hold work, and whether anything is to be moved into them."""
    values = {"lanes": list(lanes), "business_now": business_now, "real_now": real_now}
    row = raw(connection).execute(_GLANCE, values).fetchone()
    return Glance(frozenset(row[0]), row[1], row[2]) if row else Glance(frozenset(), later=False, parked=False)


def promote(connection: Connection, *, business_now: datetime, real_now: datetime, limit: int) -> int:
    """Move scheduled work whose time has come into the queue, or into the line of its key; return how much."""
    moved = 0
    for business_time, until in ((False, real_now), (True, business_now)):
        values = {"business_time": business_time, "until": until, "now": real_now, "limit": limit}
        row = raw(connection).execute(_PROMOTE, values).fetchone()
        moved += row[0] if row else 0
    return moved


def admit(connection: Connection, *, now: datetime, cursor: str, holds: int, limit: int) -> tuple[int, str]:
    """Let parked work in that nothing holds back any more, unless somebody else is doing so.

    Args:
        connection: a transaction of its own: the lock is held until it ends.
        now: real time.
        cursor: where the last visit ended; empty for a start.
        holds: how many pauses and keys are looked at.
        limit: how much is let in for each, at most.

    Returns:
        How much moved, and the next cursor.
    """
    driver = raw(connection)
    locked = driver.execute("select pg_try_advisory_xact_lock(%s)", [ADMISSION]).fetchone()
    if not (locked and locked[0]):
        return 0, cursor
    values = {"now": now, "cursor": cursor, "holds": holds, "limit": limit}
    row = driver.execute(_ADMIT, values).fetchone()
    if row is None or row[1] is None or row[2] < holds:
        return (row[0] if row else 0), ""
    return row[0], row[1]


def _pairs(worker: str, items: Sequence[Held]) -> dict[str, Any]:
    return {
        "worker": worker,
        "position": [item[0] for item in items],
        "fencing_token": [item[1] for item in items],
    }

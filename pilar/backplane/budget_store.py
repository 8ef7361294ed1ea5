"""The SQL of budgets. What belongs here: statements over any number of studios; the rules are told in `budgets.py`.

Rows of `budget_usage` are locked in the order of studio and period, always, and missing ones are made before any is
locked: two batches with the same studios in another order wait for each other, never in a circle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Row, text

Column = Literal["used", "reserved"]

_OVERRIDDEN = """
  left join budget_override o on o.workspace_id = l.workspace_id and o.resource = l.resource and o.period = l.period
    and o.ended_at is null and o.starts_at <= cast(:now as timestamptz)
    and o.until > cast(:now as timestamptz)
"""
_WINDOW = "cast(case l.period when 'day' then :day else :hour end as timestamptz)"

_MAKE_WINDOWS = f"""
insert into budget_usage (workspace_id, resource, period, window_start, used, reserved)
select l.workspace_id, l.resource, l.period, {_WINDOW}, 0, 0
from budget_limit l where l.workspace_id = any(cast(:workspaces as uuid[])) and l.resource = cast(:resource as text)
order by l.workspace_id, l.period
on conflict do nothing
"""

# What fits is found item by item, as if each had come alone: one that does not fit leaves its room to the next.
_TAKE = """
with recursive wanted as materialized (
  select workspace_id, array_agg(amount order by place) as amounts, array_agg(place order by place) as places
  from unnest(cast(:workspaces as uuid[]), cast(:amounts as bigint[]))
    with ordinality as given (workspace_id, amount, place)
  group by workspace_id
), bound as materialized (
  select l.workspace_id, l.period, l.overage, coalesce(o.amount, l.amount) as amount, {window} as window_start
  from wanted w
  join budget_limit l on l.workspace_id = w.workspace_id and l.resource = cast(:resource as text)
  {overridden}
), held as materialized (
  select u.workspace_id, u.period, u.used + u.reserved as taken
  from bound b join budget_usage u on u.workspace_id = b.workspace_id and u.resource = cast(:resource as text)
    and u.period = b.period and u.window_start = b.window_start
  where not exists (
    select from bound m where not exists (
      select from budget_usage h where h.workspace_id = m.workspace_id and h.resource = cast(:resource as text)
        and h.period = m.period and h.window_start = m.window_start
    )
  )
  order by u.workspace_id, u.period
  for update of u
), room as materialized (
  select w.workspace_id, w.amounts, w.places, count(b.period) = count(h.period) as has_windows,
         array_remove(array_agg(b.period order by b.period), null) as periods,
         min(b.amount - h.taken) filter (where b.period = 'day') as day,
         min(b.amount - h.taken) filter (where b.period = 'hour') as hour
  from wanted w left join bound b on b.workspace_id = w.workspace_id
    left join held h on h.workspace_id = b.workspace_id and h.period = b.period
  group by w.workspace_id, w.amounts, w.places
), walk as (
  select workspace_id, 0 as step, cast(0 as bigint) as taken, cast(0 as bigint) as amount, cast(null as text) as refused
  from room where (select bool_and(has_windows) from room)
  union all
  select w.workspace_id, w.step + 1, w.taken + case when n.refused is null then n.amount else 0 end, n.amount, n.refused
  from walk w join room r on r.workspace_id = w.workspace_id
  cross join lateral (
    select r.amounts[w.step + 1] as amount,
           case when w.taken + r.amounts[w.step + 1] > r.day then 'day'
                when w.taken + r.amounts[w.step + 1] > r.hour then 'hour' end as refused
  ) n
  where w.step < cardinality(r.amounts)
), total as (
  select workspace_id, max(taken) as amount from walk group by workspace_id having max(taken) > 0
), counted as (
  update budget_usage u set {column} = u.{column} + t.amount
  from total t join bound b on b.workspace_id = t.workspace_id
  where u.workspace_id = b.workspace_id and u.resource = cast(:resource as text) and u.period = b.period
    and u.window_start = b.window_start
) {more}
select r.places[w.step] as place, w.refused, b.amount, b.overage
from walk w join room r on r.workspace_id = w.workspace_id
left join bound b on b.workspace_id = w.workspace_id and b.period = w.refused
where w.step > 0
"""

_RESERVE = """
, reserved as (
  insert into budget_reservation (workspace_id, id, resource, amount, periods, reserved_at, expires_at)
  select w.workspace_id, (cast(:ids as uuid[]))[r.places[w.step]], cast(:resource as text), w.amount, r.periods,
         cast(:now as timestamptz), cast(:expires_at as timestamptz)
  from walk w join room r on r.workspace_id = w.workspace_id where w.step > 0 and w.refused is null
)
"""

_CLOSE = """
with held as materialized (
  select r.workspace_id, r.id, g.used
  from unnest(cast(:workspaces as uuid[]), cast(:ids as uuid[]), cast(:used as bigint[])) as g (workspace_id, id, used)
  join budget_reservation r on r.workspace_id = g.workspace_id and r.id = g.id
  order by r.workspace_id, r.id
  for update of r
), gone as (
  delete from budget_reservation r using held h where r.workspace_id = h.workspace_id and r.id = h.id
  returning r.workspace_id, r.id, r.resource, r.amount, r.periods, r.reserved_at, h.used
), change as materialized (
  select g.workspace_id, g.resource, p.period,
         date_trunc(p.period, g.reserved_at at time zone 'UTC') at time zone 'UTC' as window_start,
         cast(sum(g.amount) as bigint) as amount, cast(sum(g.used) as bigint) as used
  from gone g cross join lateral unnest(coalesce(g.periods, array['day', 'hour'])) as p (period)
  group by 1, 2, 3, 4
), locked as materialized (
  select u.workspace_id, u.resource, u.period, u.window_start, c.amount, c.used as spent
  from change c join budget_usage u on u.workspace_id = c.workspace_id and u.resource = c.resource
    and u.period = c.period and u.window_start = c.window_start
  order by u.workspace_id, u.resource, u.period, u.window_start
  for update of u
), counted as (
  update budget_usage u set reserved = u.reserved - l.amount, used = u.used + l.spent
  from locked l
  where u.workspace_id = l.workspace_id and u.resource = l.resource and u.period = l.period
    and u.window_start = l.window_start
    -- One of a release that did not say where it is counted may not be counted here.
    and u.reserved >= l.amount
)
select workspace_id, id from gone
"""

_UTILISATION = f"""
select l.workspace_id, l.resource, l.period, l.amount as granted, l.overage, o.amount as overridden,
       o.until as overridden_until, coalesce(u.used, 0) as used, coalesce(u.reserved, 0) as reserved
from budget_limit l {_OVERRIDDEN}
left join budget_usage u on u.workspace_id = l.workspace_id and u.resource = l.resource and u.period = l.period
  and u.window_start = {_WINDOW}
where cast(:all as boolean) or l.workspace_id = any(cast(:workspaces as uuid[]))
order by l.workspace_id, l.resource, l.period
"""


_STATEMENTS = {
    "used": text(_TAKE.format(window=_WINDOW, overridden=_OVERRIDDEN, column="used", more="")),
    "reserved": text(_TAKE.format(window=_WINDOW, overridden=_OVERRIDDEN, column="reserved", more=_RESERVE)),
}


@dataclass(frozen=True)
class Windows:
    """A moment of business time, and the beginnings of the hour and the day that it lies in."""

    now: datetime
    hour: datetime
    day: datetime

    def values(self) -> dict[str, datetime]:
        """As parameters."""
        return {"now": self.now, "hour": self.hour, "day": self.day}


def take(
    connection: Connection,
    column: Column,
    resource: str,
    wanted: Sequence[tuple[UUID, int]],
    windows: Windows,
    *,
    ids: Sequence[UUID] = (),
    expires_at: datetime | None = None,
) -> list[Row[Any]]:
    """Count what fits, and return for each item, in order, the period that refused it or None, with its limit.

    Args:
        connection: the caller's transaction.
        column: where it is counted; what is reserved becomes a row of its own too.
        resource: what of.
        wanted: who wants how much.
        windows: in which hour and day.
        ids: of the reservations, one for each item.
        expires_at: theirs, real time.
    """
    values = {
        **windows.values(),
        "resource": resource,
        "workspaces": [workspace_id for workspace_id, _ in wanted],
        "amounts": [amount for _, amount in wanted],
    }
    if column == "reserved":
        values |= {"ids": list(ids), "expires_at": expires_at}
    while wanted:
        rows = connection.execute(_STATEMENTS[column], values).all()
        if rows:
            return sorted(rows, key=lambda row: row.place)
        # Nothing was locked or counted: somebody has no row yet for this hour or day.
        connection.execute(text(_MAKE_WINDOWS), {key: values[key] for key in ("hour", "day", "resource", "workspaces")})
    return []


def close(connection: Connection, ended: Sequence[tuple[UUID, UUID, int]]) -> set[tuple[UUID, UUID]]:
    """End reservations, given as studio, id and what was used; return those that were there."""
    if not ended:
        return set()
    workspaces, ids, used = zip(*ended, strict=True)
    values = {"workspaces": list(workspaces), "ids": list(ids), "used": list(used)}
    return {(row.workspace_id, row.id) for row in connection.execute(text(_CLOSE), values)}


def utilisation(connection: Connection, workspace_ids: Sequence[UUID] | None, windows: Windows) -> Sequence[Row[Any]]:
    """Every limit of the given studios (None: of all) with what counts against it now."""
    values = {**windows.values(), "all": workspace_ids is None, "workspaces": list(workspace_ids or ())}
    return connection.execute(text(_UTILISATION), values).all()

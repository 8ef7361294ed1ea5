"""The SQL that records facts: events and jobs, their keys, and the work on them, in one statement per batch.

What belongs here: rows in, counts out. What does not: what is recorded (`facts.py`), and what becomes of the work
(`store.py`).

It is text through psycopg with binary arrays; SQLAlchemy's Core takes three times as long here. What is the same for
many rows (type, lane, priority, …) is sent once, as a *shape* that each row names by its number. Keys are sorted
before they are inserted: two batches with the same keys in another order would deadlock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.database.engine import raw
from pilar.ids import FLEET

_EVENT_COLUMNS = {"id": "uuid", "workspace_id": "uuid", "key": "text", "payload": "text", "aggregate_id": "text"}
_EVENT_SHAPE = {
    "type": "text", "aggregate_type": "text", "version": "smallint", "lane": "text", "max_attempts": "smallint",
}  # fmt: skip
_JOB_COLUMNS = {
    "id": "uuid", "workspace_id": "uuid", "key": "text", "payload": "text", "due_at": "timestamptz",
    "business_time": "bool", "unique_key": "text", "concurrency_key": "text",
}  # fmt: skip
_JOB_SHAPE = {
    "type": "text", "version": "smallint", "lane": "text", "priority": "smallint", "max_attempts": "smallint",
    "concurrency_limit": "smallint",
}  # fmt: skip

_ABOUT = """
select aggregate_id, position, payload from autopilot_event
where aggregate_id = any(%(ids)s::text[]) and type = %(type)s
"""

_KEYS = """
fresh as (
  insert into idempotency_key (workspace_id, digest, position, recorded_at)
  select workspace, pilar_key_digest({kind}, type, key) as digest, position, %(recorded_at)s from input
  order by workspace, digest
  on conflict do nothing returning position
)"""

_EVENTS = """
, fact as (
  insert into autopilot_event (position, id, workspace_id, aggregate_type, aggregate_id, type, version, payload,
                               max_attempts, causation_id, correlation_id, idempotency_key, occurred_at, recorded_at)
  select position, id, workspace_id, aggregate_type, aggregate_id, type, version, payload::jsonb, max_attempts,
         %(causation_id)s, %(correlation_id)s, key, %(occurred_at)s, %(recorded_at)s
  from input join fresh using (position)
), due as (
  insert into queue (position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts, due_at)
  select position, '', 2, workspace, type, lane, 50, 0, max_attempts, %(recorded_at)s
  from input join fresh using (position)
)"""

_JOBS = """
, fact as (
  insert into autopilot_job (position, id, workspace_id, type, version, payload, priority, max_attempts,
                             causation_id, correlation_id, idempotency_key, recorded_at)
  select position, id, workspace_id, type, version, payload::jsonb, priority, max_attempts, %(causation_id)s,
         %(correlation_id)s, key, %(recorded_at)s
  from input join fresh using (position)
), due as (
  insert into queue (position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts, unique_key,
                     due_at)
  select position, '', 3, workspace, type, lane, priority, 0, max_attempts, unique_key, %(recorded_at)s
  from input join fresh using (position) where due_at is null and concurrency_key is null
)"""

# Postponed work waits in `scheduled`; work that takes its turn by a key waits in `parked` until it is let in.
_LATER = """
, later as (
  insert into scheduled (position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts,
                         concurrency_key, concurrency_limit, unique_key, due_at, business_time)
  select position, '', 3, workspace, type, lane, priority, 0, max_attempts, concurrency_key, concurrency_limit,
         unique_key, due_at, business_time
  from input join fresh using (position) where due_at is not null
), in_turn as (
  insert into parked (position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts,
                      concurrency_key, concurrency_limit, unique_key, due_at, held_by)
  select position, '', 3, workspace, type, lane, priority, 0, max_attempts, concurrency_key, concurrency_limit,
         unique_key, %(recorded_at)s, 'key:' || concurrency_key
  from input join fresh using (position) where due_at is null and concurrency_key is not null
)"""

_COUNT = "select count(*) from fresh"

# A unique job is recorded if it gets its place among the waiting ones; the order of insertion is that of the keys.
_TAKE_PLACES = """
insert into unique_work (workspace_id, type, unique_key, position)
select workspace, type, unique_key, nextval('fact_position')
from unnest(%(workspace)b::uuid[], %(type)b::text[], %(unique_key)b::text[]) as x(workspace, type, unique_key)
order by 1, 2, 3 on conflict do nothing returning workspace_id, type, unique_key
"""

_KEEP_PLACES = """
with kept as (
  select u.workspace_id, u.type, u.unique_key, w.position
  from unnest(%(workspace)b::uuid[], %(type)b::text[], %(unique_key)b::text[], %(id)b::uuid[])
         as x(workspace, type, unique_key, id)
  join unique_work u on u.workspace_id = x.workspace and u.type = x.type and u.unique_key = x.unique_key
  left join autopilot_job w on w.id = x.id
), gone as (
  delete from unique_work u using kept k
  where u.workspace_id = k.workspace_id and u.type = k.type and u.unique_key = k.unique_key and k.position is null
)
update unique_work u set position = k.position from kept k
where u.workspace_id = k.workspace_id and u.type = k.type and u.unique_key = k.unique_key and k.position is not null
"""


@dataclass
class Shapes:
    """What rows have in common: each distinct combination of values once, numbered from 1."""

    names: tuple[str, ...]
    _numbers: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def number(self, *values: Any) -> int:
        """The number of a combination of values, in the order of the names."""
        return self._numbers.setdefault(values, len(self._numbers) + 1)

    def columns(self) -> dict[str, list[Any]]:
        """Each name with its values by number."""
        return dict(zip(self.names, map(list, zip(*self._numbers, strict=True)), strict=True))


@dataclass
class NewFacts:
    """Facts to be recorded, by column; all lists are of one length, or empty where no row has a value.

    Attributes:
        shapes: type, version, lane, … of each, by the numbers in `shape`.
        more: the columns of the kind alone.
    """

    shapes: Shapes
    causation_id: UUID | None
    correlation_id: UUID
    id: list[UUID]
    workspace_id: list[UUID | None]
    key: list[str]
    payload: list[str]
    shape: list[int]
    more: dict[str, list[Any] | None]

    @property
    def is_one(self) -> bool:
        """Whether it is one fact alone."""
        return len(self.id) == 1

    def values(self, **more: Any) -> dict[str, Any]:
        """The parameters of the statement: of each column all values, or the one where it is one fact."""
        columns: dict[str, list[Any] | None] = {
            "id": self.id,
            "workspace_id": self.workspace_id,
            "key": self.key,
            "payload": self.payload,
            **self.shapes.columns(),
            **self.more,
        }
        common = {"causation_id": self.causation_id, "correlation_id": self.correlation_id, "fleet": FLEET, **more}
        if self.is_one:
            return {name: values[0] if values else None for name, values in columns.items()} | common
        return {**columns, **common, "shape": self.shape}


@cache
def _events(*, one: bool) -> str:
    return _statement(_EVENT_COLUMNS, _EVENT_SHAPE, _KEYS.format(kind=2) + _EVENTS, one=one)


@cache
def _jobs(*, one: bool, all_at_once: bool) -> str:
    parts = _KEYS.format(kind=3) + _JOBS + ("" if all_at_once else _LATER)
    return _statement(_JOB_COLUMNS, _JOB_SHAPE, parts, one=one)


def _statement(columns: Mapping[str, str], shape: Mapping[str, str], parts: str, *, one: bool) -> str:
    """What is recorded, out of arrays with a value for each row, or out of plain values: one row costs half as much."""
    if one:
        named = [f"%({name})b::{kind} as {name}" for name, kind in {**columns, **shape}.items()]
        rows = f"select coalesce(%(workspace_id)b::uuid, %(fleet)s) as workspace, {', '.join(named)}"
    else:
        arrays = [f"%({name})b::{kind}[]" for name, kind in (*columns.items(), ("shape", "smallint"))]
        shaped = [f"(%({name})b::{kind}[])[shape] as {name}" for name, kind in shape.items()]
        rows = (
            f"select coalesce(workspace_id, %(fleet)s) as workspace, x.*, {', '.join(shaped)}"
            f" from unnest({', '.join(arrays)}) as x({', '.join((*columns, 'shape'))})"
        )
    numbered = rows.replace("select ", "select nextval('fact_position') as position, ", 1)
    return f"with input as materialized ({numbered}), {parts.strip()} {_COUNT}"


def insert_events(connection: Connection, events: NewFacts, occurred_at: datetime, recorded_at: datetime) -> int:
    """Store events and their queue rows; return how many were new. No key may be there twice."""
    values = events.values(occurred_at=occurred_at, recorded_at=recorded_at)
    counted = raw(connection).execute(_events(one=events.is_one), values).fetchone()
    return int(counted[0]) if counted else 0


def insert_jobs(connection: Connection, jobs: NewFacts, recorded_at: datetime) -> Callable[[], int]:
    """Store jobs and their work; what is returned tells how many were new. No key may be there twice.

    Within `streamed` the answer is not waited for until it is asked for.
    """
    all_at_once = not (jobs.more["due_at"] or jobs.more["concurrency_key"])
    statement = _jobs(one=jobs.is_one, all_at_once=all_at_once)
    answer = raw(connection).execute(statement, jobs.values(recorded_at=recorded_at))

    def count() -> int:
        counted = answer.fetchone()
        return int(counted[0]) if counted else 0

    return count


def streamed(connection: Connection) -> AbstractContextManager[Any]:
    """A block whose statements are sent while the ones before them are under way; an error is raised at its end."""
    return raw(connection).pipeline()


def take_places(
    connection: Connection, places: Sequence[tuple[UUID | None, str, str]]
) -> set[tuple[UUID | None, str, str]]:
    """Take places among the unique jobs that wait, as (workspace, type, unique key); return those that were free."""
    found = raw(connection).execute(_TAKE_PLACES, _places(places)).fetchall()
    return {(None if row[0] == FLEET else row[0], row[1], row[2]) for row in found}


def keep_places(connection: Connection, places: Sequence[tuple[UUID | None, str, str]], ids: Sequence[UUID]) -> None:
    """Have places that were just taken belong to the jobs with these ids; those of no recorded job are given back."""
    raw(connection).execute(_KEEP_PLACES, {**_places(places), "id": list(ids)})


def events_about(connection: Connection, type_name: str, aggregates: Sequence[str]) -> list[tuple[str, int, Any]]:
    """Events of a type about any of these: the aggregate's id, position and payload, in no order.

    Positions tell events apart and not which came first: each connection takes them by the fifty.
    """
    found = raw(connection).execute(_ABOUT, {"type": type_name, "ids": list(aggregates)}).fetchall()
    return [(row[0], row[1], row[2]) for row in found]


def _places(places: Sequence[tuple[UUID | None, str, str]]) -> dict[str, list[Any]]:
    return {
        "workspace": [place[0] or FLEET for place in places],
        "type": [place[1] for place in places],
        "unique_key": [place[2] for place in places],
    }

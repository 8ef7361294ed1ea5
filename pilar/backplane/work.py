"""What became of events and jobs, to be read: by a studio its own, by the founder everybody's.

What belongs here: questions to the views `autopilot_event_state` and `autopilot_job_state`, which put a fact beside its
work (`queue_tables.py`). What does not: changing anything (`cancelling.py`, `dead_letters.py`, `pauses.py`), and counts
(`backlog.py`, `histograms.py`).

A page without a status is a walk along an index of the facts. One status among a million facts may be rare, so it is
looked for where work in that status lies, and the views are asked about those facts alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

from pilar.backplane.facts import Kind, Lane
from pilar.errors import NotFound
from pilar.ids import FLEET

_AT_ONCE = 200
_VIEWS = {Kind.EVENT: "autopilot_event", Kind.JOB: "autopilot_job"}


class Status(StrEnum):
    """Where a piece of work is. An event is where the one of its handlers is that comes first here."""

    FAILED = "failed"
    """It is a dead letter."""
    IN_PROGRESS = "in_progress"
    """Somebody holds a lease on it; one that has run out still says so until somebody else claims the work."""
    RETRYING = "retrying"
    """It waits for another attempt."""
    PENDING = "pending"
    PARKED = "parked"
    """It is due, and held back by a pause or until others with its key are done."""
    SCHEDULED = "scheduled"
    DISCARDED = "discarded"
    """It was a dead letter, and nobody needs it any more."""
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    ARCHIVED = "archived"
    """It ended so long ago that the log of it is dropped."""


ALIVE = frozenset({Status.FAILED, Status.IN_PROGRESS, Status.RETRYING, Status.PENDING, Status.PARKED, Status.SCHEDULED})


@dataclass(frozen=True)
class HandlerState:
    """What became of an event at one of its handlers; an event that is not told apart yet has one without a name."""

    handler: str
    status: Status
    attempts: int
    max_attempts: int | None
    scheduled_at: datetime | None
    locked_at: datetime | None
    locked_by: str | None
    lease_until: datetime | None
    held_by: str | None
    started_at: datetime | None
    finished_at: datetime | None
    result: Mapping[str, Any] | None
    error_code: str | None
    error: str | None


@dataclass(frozen=True)
class EventState:
    """An event and what became of it.

    Attributes:
        position: its place among all facts: a list goes on below it.
        attempts: of the handler that needed most.
        max_attempts: None once all are done: it belongs to the work, not to the fact.
        held_by: what holds it back, where it is parked.
        processed_at: when the last of its handlers ended; None while one has not, or needs help.
        error: what the last attempt said that failed, masked; kept while it waits for another.
        handlers: each by itself.
    """

    position: int
    id: UUID
    workspace_id: UUID | None
    aggregate_type: str
    aggregate_id: str
    type: str
    version: int
    payload: Mapping[str, Any]
    status: Status
    attempts: int
    max_attempts: int | None
    scheduled_at: datetime
    locked_at: datetime | None
    locked_by: str | None
    lease_until: datetime | None
    held_by: str | None
    started_at: datetime | None
    processed_at: datetime | None
    error_code: str | None
    error: str | None
    handlers: tuple[HandlerState, ...]
    causation_id: UUID | None
    correlation_id: UUID
    idempotency_key: str
    occurred_at: datetime
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class JobState:
    """A job and what became of it.

    Attributes:
        position: its place among all facts: a list goes on below it.
        business_time: whether `scheduled_at` is business time, while it is scheduled.
        held_by: what holds it back, where it is parked.
        completed_at: when it ended, however it did; None while it has not, or needs help.
        result: what its handler answered, masked.
        error: what the last attempt said that failed, masked; kept while it waits for another.
    """

    position: int
    id: UUID
    workspace_id: UUID | None
    type: str
    version: int
    payload: Mapping[str, Any]
    status: Status
    priority: int
    attempts: int
    max_attempts: int
    scheduled_at: datetime
    business_time: bool
    locked_at: datetime | None
    locked_by: str | None
    lease_until: datetime | None
    held_by: str | None
    started_at: datetime | None
    completed_at: datetime | None
    result: Mapping[str, Any] | None
    error_code: str | None
    error: str | None
    causation_id: UUID | None
    correlation_id: UUID
    idempotency_key: str
    created_at: datetime
    updated_at: datetime


def list_events(
    connection: Connection,
    *,
    workspace_id: UUID | None = None,
    type: str | None = None,  # noqa: A002 - the column's name
    status: Status | None = None,
    correlation_id: UUID | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[EventState]:
    """Events, the newest first.

    The order is that of positions, which connections draw in blocks: of what was recorded at about the same time it is
    not exact.

    Args:
        connection: under the studio's scope or the fleet's.
        workspace_id: of one studio; None: of all that the scope shows.
        type: of one type.
        status: in one status, as a whole.
        correlation_id: of one story.
        before: below this position: the last one of the page before.
        limit: how many at most.
    """
    filters = _Filters(Kind.EVENT, workspace_id, type, correlation_id, status)
    return [_event(row) for row in _page(connection, filters, before, limit)]


def list_jobs(
    connection: Connection,
    *,
    workspace_id: UUID | None = None,
    type: str | None = None,  # noqa: A002 - the column's name
    status: Status | None = None,
    correlation_id: UUID | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[JobState]:
    """Jobs, the newest first; as `list_events`."""
    filters = _Filters(Kind.JOB, workspace_id, type, correlation_id, status)
    return [_job(row) for row in _page(connection, filters, before, limit)]


def find_event(connection: Connection, event_id: UUID) -> EventState:
    """The event by that id; raise `NotFound` where the scope shows none."""
    return _event(_find(connection, Kind.EVENT, event_id))


def find_job(connection: Connection, job_id: UUID) -> JobState:
    """The job by that id; raise `NotFound` where the scope shows none."""
    return _job(_find(connection, Kind.JOB, job_id))


@dataclass(frozen=True)
class _Filters:
    kind: Kind
    workspace_id: UUID | None
    type: str | None
    correlation_id: UUID | None
    status: Status | None

    def conditions(self, *names: str) -> tuple[str, dict[str, Any]]:
        """The conditions that are set, of the columns named, and their values."""
        values = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return "".join(f" and {name} = :{name}" for name in values), values


def _find(connection: Connection, kind: Kind, fact_id: UUID) -> RowMapping:
    statement = text(f"select * from {_VIEWS[kind]}_state where id = :id")
    row = connection.execute(statement, {"id": fact_id}).mappings().first()
    if row is None:
        raise NotFound(f"There is no {kind.name.lower()} with the id {fact_id}.")
    return row


def _page(connection: Connection, filters: _Filters, before: int | None, limit: int) -> list[RowMapping]:
    if filters.status is None:
        where, values = filters.conditions("workspace_id", "type", "correlation_id")
        return _states(connection, filters.kind, where + _below(before), {**values, "before": before, "limit": limit})
    found: list[RowMapping] = []
    where, values = filters.conditions("type", "correlation_id", "status")
    for positions in _where_to_look(connection, filters, before):
        found += _states(
            connection,
            filters.kind,
            f" and position = any(:positions){where}",
            {**values, "positions": positions, "limit": limit - len(found)},
        )
        if len(found) >= limit:
            break
    return found


def _states(connection: Connection, kind: Kind, where: str, values: dict[str, Any]) -> list[RowMapping]:
    statement = text(f"select * from {_VIEWS[kind]}_state where true{where} order by position desc limit :limit")
    return list(connection.execute(statement, values).mappings())


def _where_to_look(connection: Connection, filters: _Filters, before: int | None) -> Iterator[Sequence[int]]:
    """Positions among which all facts in the status are, downwards, some at a time."""
    fact = _VIEWS[filters.kind]
    of_work, work_values = filters.conditions("type", "status")
    of_fact, values = filters.conditions("workspace_id", "type", "correlation_id")
    values |= {"kind": filters.kind.value, "lanes": [lane.value for lane in Lane], "at_once": _AT_ONCE}
    if filters.workspace_id is not None:
        # With the lanes named, the order of claims is an index of workspaces as well.
        of_work += " and workspace_id = :workspace_id and lane = any(:lanes)"
    match filters.status:
        case status if status in ALIVE:
            found = f"select distinct position from live_work where kind = :kind{of_work}"
            values |= work_values
        case Status.CANCELLED | Status.DISCARDED:
            values |= {"outcome": filters.status, "any_workspace": filters.workspace_id or FLEET}
            of_log = " and workspace_id = :any_workspace" if filters.workspace_id is not None else ""
            found = (
                "select distinct position from queue_log"
                f" where outcome in ('cancelled', 'discarded') and outcome = :outcome and kind = :kind{of_log}"
            )
        case _:
            # `offset 0` keeps these look-ups by fact: joined as a whole, they read every fact there is. What the log
            # can't tell of any more was recorded before the oldest that it tells of, give or take hosts' clocks.
            before_the_log = "f.recorded_at < coalesce((select min(finished_at) from queue_log), 'infinity')"
            in_log = (
                "exists (select from queue_log g where g.position = f.position"
                " and g.finished_at >= f.recorded_at - interval '1 hour' offset 0)"
            )
            logged = f"{before_the_log} and not {in_log}" if filters.status is Status.ARCHIVED else in_log
            found = (
                f"select position from {fact} f"
                " where not exists (select from live_work w where w.position = f.position offset 0)"
                f" and {logged}{of_fact}"
            )
    while True:
        statement = text(f"{found}{_below(before)} order by position desc limit :at_once")
        positions = connection.scalars(statement, {**values, "before": before}).all()
        if positions:
            yield positions
        if len(positions) < _AT_ONCE:
            return
        before = positions[-1]


def _below(before: int | None) -> str:
    return "" if before is None else " and position < :before"


def _event(row: RowMapping) -> EventState:
    handlers = tuple(map(handler_state, row["handlers"]))
    return EventState(**{**row, "status": Status(row["status"]), "handlers": handlers})


def _job(row: RowMapping) -> JobState:
    return JobState(**{**row, "status": Status(row["status"])})


def handler_state(told: Mapping[str, Any]) -> HandlerState:
    """One handler as the views tell it."""
    moments = ("scheduled_at", "locked_at", "lease_until", "started_at", "finished_at")
    read = {name: datetime.fromisoformat(told[name]) if told[name] else None for name in moments}
    return HandlerState(**{**told, **read, "status": Status(told["status"])})

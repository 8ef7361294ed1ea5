"""Facts to be recorded: events that happened and jobs that are asked for.

What belongs here: their shape before they have a position. What does not: how they are stored (`fact_store.py`) and
worked on (`drain.py`).

A payload is a frozen pydantic model that names its type and version, and holds references, never personal data, so
that retention, erasure and replay agree.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from itertools import islice
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection

from pilar.backplane import fact_store
from pilar.backplane.fact_store import Shapes
from pilar.clocks import Clocks
from pilar.database.engine import wake_workers
from pilar.ids import new_id

PORTION = 1_000
"""How many facts one statement records."""
_UNDER_WAY = 2
"""Portions whose answer is not waited for: more would only wait in memory."""


class Kind(IntEnum):
    """What a position in the sequence of facts stands for."""

    DELIVERY = 1
    EVENT = 2
    JOB = 3


class Lane(StrEnum):
    """Work that must not wait behind other work has a lane of its own; drained in this order."""

    INBOX = "inbox"
    REPLY = "reply"
    DEFAULT = "default"
    BULK = "bulk"


class Payload(BaseModel):
    """The typed content of an event or a job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type_name: ClassVar[str]
    version: ClassVar[int] = 1
    from_outside: ClassVar[bool] = False
    """Whether a studio may post it; what only the product itself can know may not come from outside."""


@dataclass(frozen=True)
class Cause:
    """The story a new fact belongs to, and the fact that caused it."""

    correlation_id: UUID
    causation_id: UUID | None = None

    @staticmethod
    def new() -> Cause:
        """The beginning of a story."""
        return Cause(correlation_id=new_id())


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        payload: what happened.
        key: the idempotency key: the same type and key in the same workspace is the same event. Carries its period or
            its cause.
        aggregate: what it is about, as (type, id).
        workspace_id: the studio it concerns, or None.
    """

    payload: Payload
    key: str
    aggregate: tuple[str, str]
    workspace_id: UUID | None = None
    lane: Lane = Lane.DEFAULT
    max_attempts: int = 8


@dataclass(frozen=True)
class Concurrency:
    """At most `limit` pieces of work with this key are due or run at a time; the others wait for their turn.

    Keys are shared by all types and studios: a key names what is protected, as `stripe-account:acct_1`.
    """

    key: str
    limit: int = 1


@dataclass(frozen=True)
class Job:
    """Something to be done.

    Attributes:
        payload: what is to be done.
        key: the idempotency key: the same type and key in the same workspace is the same job. Carries its period or
            its cause.
        due_at: not before this moment; None: now.
        business_time: whether `due_at` is business time, else real time.
        unique_key: while a job of this type with this unique key waits in the workspace, another is not taken in. It
            waits until it is claimed for the first time: what is asked for while it runs may be news to it.
        concurrency: how many pieces of work of one kind may run at once.
    """

    payload: Payload
    key: str
    workspace_id: UUID | None = None
    lane: Lane = Lane.DEFAULT
    priority: int = 50
    max_attempts: int = 8
    due_at: datetime | None = None
    business_time: bool = False
    unique_key: str | None = None
    concurrency: Concurrency | None = None


Fact = TypeVar("Fact", Event, Job)


def emit(connection: Connection, clocks: Clocks, events: Sequence[Event], cause: Cause) -> int:
    """Record events and put them into the queue; return how many were new.

    In the caller's transaction: they exist if and only if what caused them does.
    """
    events = _first_of_each(events)
    if not events:
        return 0
    shapes = Shapes(("type", "version", "aggregate_type", "lane", "max_attempts"))
    numbers = [
        shapes.number(
            event.payload.type_name, event.payload.version, event.aggregate[0], event.lane.value, event.max_attempts
        )
        for event in events
    ]
    rows = _new_facts(events, shapes, numbers, cause, {"aggregate_id": [event.aggregate[1] for event in events]})
    recorded = fact_store.insert_events(connection, rows, clocks.business.now(), clocks.real.now())
    if recorded:
        wake_workers(connection)
    return recorded


def enqueue(connection: Connection, clocks: Clocks, jobs: Iterable[Job], cause: Cause) -> int:
    """Record jobs and put them into the queue, or the schedule where they are for later; return how many were new.

    A job with a unique key is new if none of its type, studio and unique key waits, and its own key is new.

    A great many are best given as a generator: they are taken in by portions, and while the database records one the
    next is made. Whoever enqueues many of the same keys at the same time does so in the same order, else the database
    may have to undo one of them.
    """
    jobs = iter(jobs)
    first = list(islice(jobs, PORTION))
    if len(first) < PORTION:
        recorded = _take_in(connection, clocks, first, cause)()
    else:
        recorded = 0
        under_way = deque[Callable[[], int]]()
        with fact_store.streamed(connection):
            portion = first
            while portion:
                under_way.append(_take_in(connection, clocks, portion, cause))
                if len(under_way) > _UNDER_WAY:
                    recorded += under_way.popleft()()
                portion = list(islice(jobs, PORTION))
        recorded += sum(count() for count in under_way)
    if recorded:
        wake_workers(connection)
    return recorded


def enqueue_each(connection: Connection, clocks: Clocks, jobs: Sequence[tuple[Job, Cause]]) -> None:
    """The same for jobs each of which has a cause of its own, without unique keys; they are sent without waiting."""
    with fact_store.streamed(connection):
        for job, cause in jobs:
            if job.unique_key is not None:
                raise ValueError("jobs with unique keys are enqueued by `enqueue`")
            _insert_jobs(connection, clocks, [job], cause)
    if jobs:
        wake_workers(connection)


def _take_in(connection: Connection, clocks: Clocks, jobs: Sequence[Job], cause: Cause) -> Callable[[], int]:
    jobs = _first_of_each(jobs)
    unique = [job for job in jobs if job.unique_key is not None]
    if not unique:
        return _insert_jobs(connection, clocks, jobs, cause)
    others = _insert_jobs(connection, clocks, [job for job in jobs if job.unique_key is None], cause)
    recorded = _insert_unique(connection, clocks, unique, cause)
    return lambda: others() + recorded


def _insert_jobs(
    connection: Connection, clocks: Clocks, jobs: Sequence[Job], cause: Cause, ids: list[UUID] | None = None
) -> Callable[[], int]:
    if not jobs:
        return lambda: 0
    shapes = Shapes(("type", "version", "lane", "priority", "max_attempts", "concurrency_limit"))
    numbers = [
        shapes.number(
            job.payload.type_name,
            job.payload.version,
            job.lane.value,
            job.priority,
            job.max_attempts,
            job.concurrency.limit if job.concurrency else None,
        )
        for job in jobs
    ]
    columns: dict[str, list[Any] | None] = {
        "due_at": [job.due_at for job in jobs],
        "business_time": [job.business_time for job in jobs],
        "unique_key": [job.unique_key for job in jobs],
        "concurrency_key": [job.concurrency.key if job.concurrency else None for job in jobs],
    }
    rows = _new_facts(jobs, shapes, numbers, cause, columns, ids)
    return fact_store.insert_jobs(connection, rows, clocks.real.now())


def _insert_unique(connection: Connection, clocks: Clocks, jobs: Sequence[Job], cause: Cause) -> int:
    by_place = {(job.workspace_id, job.payload.type_name, job.unique_key or ""): job for job in reversed(jobs)}
    free = fact_store.take_places(connection, list(by_place))
    places = [place for place in by_place if place in free]
    ids = [new_id() for _ in places]
    recorded = _insert_jobs(connection, clocks, [by_place[place] for place in places], cause, ids)()
    fact_store.keep_places(connection, places, ids)
    return recorded


def _first_of_each(facts: Sequence[Fact]) -> Sequence[Fact]:
    """Facts without those whose key an earlier one of the same type and studio has."""
    first: dict[tuple[UUID | None, str, str], Fact] = {}
    for fact in facts:
        first.setdefault((fact.workspace_id, fact.payload.type_name, fact.key), fact)
    return facts if len(first) == len(facts) else list(first.values())


def _new_facts(
    facts: Sequence[Event] | Sequence[Job],
    shapes: Shapes,
    numbers: list[int],
    cause: Cause,
    columns: dict[str, list[Any] | None],
    ids: list[UUID] | None = None,
) -> fact_store.NewFacts:
    return fact_store.NewFacts(
        shapes=shapes,
        causation_id=cause.causation_id,
        correlation_id=cause.correlation_id,
        id=ids if ids is not None else [new_id() for _ in facts],
        workspace_id=[fact.workspace_id for fact in facts],
        key=[fact.key for fact in facts],
        payload=[fact.payload.model_dump_json() for fact in facts],
        shape=numbers,
        # A column that no row has a value in is not sent: unnest fills it up.
        more={name: values if any(v is not None for v in values or ()) else None for name, values in columns.items()},
    )

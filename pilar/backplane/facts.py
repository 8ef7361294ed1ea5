"""Facts to be recorded: events that happened and jobs that are asked for.

What belongs here: their shape before they have a position. What does not: how they are stored (`store.py`) and
worked on (`drain.py`).

A payload is a frozen pydantic model that names its type and version, and holds references, never personal data, so
that retention, erasure and replay agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection

from pilar.backplane import store
from pilar.clocks import Clocks
from pilar.database.engine import wake_workers
from pilar.ids import new_id


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
        key: the idempotency key: the same key in the same workspace is the same event. Carries its period or cause.
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
class Job:
    """Something to be done.

    Attributes:
        payload: what is to be done.
        key: the idempotency key: the same key in the same workspace is the same job. Carries its period or cause.
        due_at: not before this moment; None: now.
        business_time: whether `due_at` is business time, else real time.
    """

    payload: Payload
    key: str
    workspace_id: UUID | None = None
    lane: Lane = Lane.DEFAULT
    priority: int = 50
    max_attempts: int = 8
    due_at: datetime | None = None
    business_time: bool = False


def emit(connection: Connection, clocks: Clocks, events: Sequence[Event], cause: Cause) -> int:
    """Record events and put them into the queue; return how many were new.

    In the caller's transaction: they exist if and only if what caused them does.
    """
    business_now, real_now = clocks.business.now(), clocks.real.now()
    rows = [
        store.EventRow(
            id=new_id(),
            workspace_id=event.workspace_id,
            aggregate_type=event.aggregate[0],
            aggregate_id=event.aggregate[1],
            type=event.payload.type_name,
            version=event.payload.version,
            payload=event.payload.model_dump_json(),
            causation_id=cause.causation_id,
            correlation_id=cause.correlation_id,
            key=event.key,
            lane=event.lane.value,
            max_attempts=event.max_attempts,
        )
        for event in events
    ]
    recorded = store.insert_events(connection, rows, business_now, real_now)
    if recorded:
        wake_workers(connection)
    return recorded


def enqueue(connection: Connection, clocks: Clocks, jobs: Sequence[Job], cause: Cause) -> int:
    """Record jobs and put them into the queue, or the schedule where they are for later; return how many were new."""
    real_now = clocks.real.now()
    rows = [
        store.JobRow(
            id=new_id(),
            workspace_id=job.workspace_id,
            type=job.payload.type_name,
            version=job.payload.version,
            payload=job.payload.model_dump_json(),
            causation_id=cause.causation_id,
            correlation_id=cause.correlation_id,
            key=job.key,
            lane=job.lane.value,
            priority=job.priority,
            max_attempts=job.max_attempts,
            due_at=job.due_at,
            business_time=job.business_time,
        )
        for job in jobs
    ]
    recorded = store.insert_jobs(connection, rows, real_now)
    if recorded:
        wake_workers(connection)
    return recorded

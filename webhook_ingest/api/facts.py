"""Posting events and jobs. What belongs here: the shape of requests and answers; the rules are the backplane's."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from pilar.backplane.facts import Cause
from pilar.backplane.posting import (
    DERIVED,
    HIGHEST_PRIORITY,
    LOWEST_PRIORITY,
    OUTSIDE,
    USUAL_PRIORITY,
    Posted,
    Posting,
    post_event,
    post_job,
)
from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.workspaces.store import get_workspace
from webhook_ingest.deps import Asked, Caller, System

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[\x21-\x7e]+$")]
Key = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x20-\x7e]+$")]


class Aggregate(BaseModel):
    """What an event is about."""

    model_config = ConfigDict(extra="forbid")

    type: Name
    id: Name


class NewFact(BaseModel):
    """What events and jobs have in common.

    Without an `idempotency_key` the header of that name serves; without either, each posting is a new one.
    """

    model_config = ConfigDict(extra="forbid")

    type: Name
    payload: dict[str, Any]
    idempotency_key: Key | None = None
    correlation_id: UUID | None = Field(None, description="The story it belongs to; else it begins one.")
    workspace_id: UUID | None = Field(
        None, description="The studio; yours unless you have several. Those in charge of the fleet may leave it out."
    )
    scheduled_at: AwareDatetime | None = Field(None, description="Not to be worked on before; else now.")
    priority: int = Field(
        USUAL_PRIORITY, ge=LOWEST_PRIORITY, le=HIGHEST_PRIORITY, description="Higher goes first among the studio's."
    )


class NewEvent(NewFact):
    """An event to be recorded and handled."""

    aggregate: Aggregate | None = Field(None, description="What it is about; else the studio.")


class NewJob(NewFact):
    """A job to be done."""


class FactItem(BaseModel):
    """What events and jobs tell of themselves; times are real time."""

    id: UUID
    position: int
    workspace_id: UUID | None
    type: str
    version: int
    payload: dict[str, Any]
    idempotency_key: str
    causation_id: UUID | None
    correlation_id: UUID
    created_at: datetime


class EventItem(FactItem):
    """An event; `occurred_at` is business time."""

    aggregate: Aggregate
    occurred_at: datetime


class JobItem(FactItem):
    """A job."""

    priority: int
    max_attempts: int


def new_event(app: System, caller: Asked, request: Request, response: Response, wanted: NewEvent) -> EventItem:
    """Record an event; 201 where it is new, 200 where its key was posted before with the same content."""
    about = (wanted.aggregate.type, wanted.aggregate.id) if wanted.aggregate else None
    with app.database.transaction(Scope.fleet()) as connection:
        posting = _posting(connection, caller, request, wanted)
        posted = post_event(connection, app.clocks, app.registry, posting, about)
    row = posted.row
    response.status_code = 201 if posted.is_new else 200
    return EventItem(
        **_fields(posted),
        aggregate=Aggregate(type=row.aggregate_type, id=row.aggregate_id),
        occurred_at=row.occurred_at,
    )


def new_job(app: System, caller: Asked, request: Request, response: Response, wanted: NewJob) -> JobItem:
    """Have a job done; 201 where it is new, 200 where its key was posted before with the same content."""
    with app.database.transaction(Scope.fleet()) as connection:
        posted = post_job(connection, app.clocks, app.registry, _posting(connection, caller, request, wanted))
    response.status_code = 201 if posted.is_new else 200
    return JobItem(**_fields(posted), priority=posted.row.priority, max_attempts=posted.row.max_attempts)


def _posting(connection: Any, caller: Caller, request: Request, wanted: NewFact) -> Posting:
    studio = caller.acts_for(wanted.workspace_id)
    if studio is not None:
        get_workspace(connection, studio)
    actor = caller.principal.actor
    header = request.headers.get("idempotency-key")
    # The guard replays the answer to a header's key; should this process die before it has kept the answer, the same
    # key finds the same fact.
    own = DERIVED + (f"{actor}:{header}" if header else str(new_id()))
    return Posting(
        workspace_id=studio,
        type_name=wanted.type,
        content=wanted.payload,
        key=OUTSIDE + wanted.idempotency_key if wanted.idempotency_key else own,
        cause=Cause(wanted.correlation_id) if wanted.correlation_id else Cause.new(),
        actor=actor,
        any_type=caller.is_in_charge,
        priority=wanted.priority,
        due_at=wanted.scheduled_at,
    )


def _fields(posted: Posted) -> dict[str, Any]:
    row = posted.row
    return {
        "id": row.id,
        "position": row.position,
        "workspace_id": row.workspace_id,
        "type": row.type,
        "version": row.version,
        "payload": row.payload,
        "idempotency_key": posted.key,
        "causation_id": row.causation_id,
        "correlation_id": row.correlation_id,
        "created_at": row.recorded_at,
    }

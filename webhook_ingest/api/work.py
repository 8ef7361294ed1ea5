"""What became of events and jobs, and cancelling or putting off a job. What belongs here: the shape of it.

A studio sees all of its own work, and changes that of the types that it may ask for; the rest is the system's own, and
half of it cancelled would leave a studio's things in a state that nobody foresaw. Those in charge of the fleet see and
change everything; the fleet's own jobs have all zeros in the place of the studio.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from pilar.backplane import cancelling, posting
from pilar.backplane.facts import Kind
from pilar.backplane.work import EventState, JobState, Status, find_event, find_job, list_events, list_jobs
from pilar.database.engine import Scope
from pilar.errors import NotFound
from pilar.ids import FLEET
from pilar.workspaces.store import get_workspace
from webhook_ingest import cursors
from webhook_ingest.deps import Asked, Caller, System

Type = Annotated[str | None, Query(alias="type", max_length=100, description="Of one type.")]
InStatus = Annotated[Status | None, Query(alias="status", description="In one status, as a whole.")]
Correlation = Annotated[UUID | None, Query(description="Of one story.")]
Studio = Annotated[UUID | None, Query(description="The studio; yours unless you have several. The fleet's: of all.")]


class HandlerItem(BaseModel):
    """What became of an event at one of its handlers; one without a name stands for an event not told apart yet."""

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
    result: dict[str, Any] | None
    error_code: str | None
    error: str | None


class WorkItem(BaseModel):
    """What events and jobs have in common; times are real time unless something else is said.

    `held_by` says what holds it back, where it is parked; `error` what the last attempt said that failed, masked.
    """

    id: UUID
    position: int
    workspace_id: UUID | None
    type: str
    version: int
    payload: dict[str, Any]
    status: Status
    attempts: int
    max_attempts: int | None
    scheduled_at: datetime
    locked_at: datetime | None
    locked_by: str | None
    lease_until: datetime | None
    held_by: str | None
    started_at: datetime | None
    error_code: str | None
    error: str | None
    causation_id: UUID | None
    correlation_id: UUID
    idempotency_key: str
    created_at: datetime
    updated_at: datetime


class EventStateItem(WorkItem):
    """An event and what became of it, as a whole and by handler; `occurred_at` is business time."""

    aggregate_type: str
    aggregate_id: str
    occurred_at: datetime
    processed_at: datetime | None
    handlers: list[HandlerItem]


class JobStateItem(WorkItem):
    """A job and what became of it; `business_time` says whether `scheduled_at` is that."""

    priority: int
    business_time: bool
    completed_at: datetime | None
    result: dict[str, Any] | None


class EventPage(BaseModel):
    """A page of events, the newest first."""

    items: list[EventStateItem]
    next_cursor: str | None


class JobPage(BaseModel):
    """A page of jobs, the newest first."""

    items: list[JobStateItem]
    next_cursor: str | None


class CancelledJob(BaseModel):
    """A job that will not be tried any more.

    Where it was being worked on, what that did outside stays done, and its result is not recorded.
    """

    id: UUID
    was: Status
    was_running: bool


class RescheduleRequest(BaseModel):
    """When it is to be done."""

    model_config = ConfigDict(extra="forbid")

    scheduled_at: AwareDatetime | None = Field(description="Not before this moment; null: now.")
    business_time: bool = Field(True, description="Whether that is business time, else real time.")


def events(
    app: System,
    caller: Asked,
    type_name: Type = None,
    status: InStatus = None,
    correlation_id: Correlation = None,
    workspace_id: Studio = None,
    limit: cursors.Limit = 50,
    cursor: cursors.Cursor = None,
) -> EventPage:
    """Events with what became of them, the newest first: a studio's own, or the fleet's."""
    studio = caller.acts_for(workspace_id)
    return _events(app, studio, type_name, status, correlation_id, limit, cursor)


def events_of(
    app: System,
    workspace_id: UUID,
    type_name: Type = None,
    status: InStatus = None,
    correlation_id: Correlation = None,
    limit: cursors.Limit = 50,
    cursor: cursors.Cursor = None,
) -> EventPage:
    """A studio's events with what became of them, the newest first."""
    return _events(app, workspace_id, type_name, status, correlation_id, limit, cursor)


def jobs(
    app: System,
    caller: Asked,
    type_name: Type = None,
    status: InStatus = None,
    correlation_id: Correlation = None,
    workspace_id: Studio = None,
    limit: cursors.Limit = 50,
    cursor: cursors.Cursor = None,
) -> JobPage:
    """Jobs with what became of them, the newest first: a studio's own, or the fleet's."""
    studio = caller.acts_for(workspace_id)
    return _jobs(app, studio, type_name, status, correlation_id, limit, cursor)


def jobs_of(
    app: System,
    workspace_id: UUID,
    type_name: Type = None,
    status: InStatus = None,
    correlation_id: Correlation = None,
    limit: cursors.Limit = 50,
    cursor: cursors.Cursor = None,
) -> JobPage:
    """A studio's jobs with what became of them, the newest first."""
    return _jobs(app, workspace_id, type_name, status, correlation_id, limit, cursor)


def event(app: System, workspace_id: UUID, event_id: UUID) -> EventStateItem:
    """One event: what became of it, as a whole and by handler."""
    with app.database.transaction(_scope(workspace_id)) as connection:
        found = find_event(connection, event_id)
    return EventStateItem.model_validate(_of(found, workspace_id), from_attributes=True)


def job(app: System, workspace_id: UUID, job_id: UUID) -> JobStateItem:
    """One job and what became of it."""
    with app.database.transaction(_scope(workspace_id)) as connection:
        found = find_job(connection, job_id)
    return JobStateItem.model_validate(_of(found, workspace_id), from_attributes=True)


def cancel_job(
    app: System,
    caller: Asked,
    workspace_id: UUID,
    job_id: UUID,
    reason: Annotated[str | None, Query(max_length=300, description="For the audit log.")] = None,
) -> CancelledJob:
    """Have a job not done, or not tried again; cancelling twice is cancelling once."""
    with app.database.transaction(Scope.fleet()) as connection:
        _check_may_change(app, connection, caller, workspace_id, job_id)
        cancelled = cancelling.cancel(
            connection, app.clocks, job_id, actor=caller.principal.actor, reason=reason, workspace_id=workspace_id
        )
    return CancelledJob(id=cancelled.job_id, was=cancelled.was, was_running=cancelled.was_running)


def reschedule_job(
    app: System, caller: Asked, workspace_id: UUID, job_id: UUID, wanted: RescheduleRequest
) -> JobStateItem:
    """Have a job that waits done at another time, or now; how often it was tried stays as it is."""
    with app.database.transaction(Scope.fleet()) as connection:
        _check_may_change(app, connection, caller, workspace_id, job_id)
        cancelling.reschedule(
            connection, app.clocks, job_id, wanted.scheduled_at,
            business_time=wanted.business_time and wanted.scheduled_at is not None,
            actor=caller.principal.actor, workspace_id=workspace_id,
        )  # fmt: skip
        found = find_job(connection, job_id)
    return JobStateItem.model_validate(found, from_attributes=True)


def _events(
    app: System, studio: UUID | None, type_name: str | None, status: Status | None, correlation_id: UUID | None,
    limit: int, cursor: str | None,
) -> EventPage:  # fmt: skip
    before = cursors.after_position(cursor)
    with app.database.transaction(_scope(studio)) as connection:
        _check_studio(connection, studio)
        found = list_events(
            connection, workspace_id=studio, type=type_name, status=status, correlation_id=correlation_id,
            before=before, limit=limit + 1,
        )  # fmt: skip
    items = [EventStateItem.model_validate(one, from_attributes=True) for one in found[:limit]]
    return EventPage(items=items, next_cursor=cursors.encode(items[-1].position) if len(found) > limit else None)


def _jobs(
    app: System, studio: UUID | None, type_name: str | None, status: Status | None, correlation_id: UUID | None,
    limit: int, cursor: str | None,
) -> JobPage:  # fmt: skip
    before = cursors.after_position(cursor)
    with app.database.transaction(_scope(studio)) as connection:
        _check_studio(connection, studio)
        found = list_jobs(
            connection, workspace_id=studio, type=type_name, status=status, correlation_id=correlation_id,
            before=before, limit=limit + 1,
        )  # fmt: skip
    items = [JobStateItem.model_validate(one, from_attributes=True) for one in found[:limit]]
    return JobPage(items=items, next_cursor=cursors.encode(items[-1].position) if len(found) > limit else None)


def _scope(studio: UUID | None) -> Scope:
    return Scope.fleet() if studio is None or studio == FLEET else Scope.workspace(studio)


def _check_studio(connection: Connection, studio: UUID | None) -> None:
    if studio is not None:
        get_workspace(connection, studio)


def _of(found: EventState | JobState, workspace_id: UUID) -> EventState | JobState:
    if (found.workspace_id or FLEET) != workspace_id:
        raise NotFound("There is nothing by that id.")
    return found


def _check_may_change(app: System, connection: Connection, caller: Caller, workspace_id: UUID, job_id: UUID) -> None:
    found = _of(find_job(connection, job_id), workspace_id)
    posting.check_may_change(app.registry, Kind.JOB, found.type, any_type=caller.is_in_charge)

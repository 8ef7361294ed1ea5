"""Where studios stand, for programs, and what they may have tried again.

What belongs here: the shape of the answers. What does not: the reading, which is provisioning's.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.messaging.number_test import ask_for_test
from pilar.provisioning.overview import StudioSummary
from pilar.provisioning.retry import retry
from webhook_ingest import cursors
from webhook_ingest.deps import Asked, System


class StepItem(BaseModel):
    """A step of provisioning; times are real time, except for what follows a wait, which is business time."""

    name: str
    title: str
    status: str
    attempts: int
    started_at: datetime | None
    completed_at: datetime | None
    error: str | None
    waits_on: str | None
    wait_reason: str | None
    wait_since: datetime | None
    wait_link: str | None
    waits_for: str | None
    reminders: int
    remind_at: datetime | None
    expires_at: datetime | None
    woken_by: str | None
    woken_at: datetime | None


class StudioItem(BaseModel):
    """A studio in a list."""

    workspace_id: UUID
    name: str
    state: str
    plan: str | None
    step: StepItem | None
    steps_done: int
    steps_total: int
    created_at: datetime
    activated_at: datetime | None


class StudioPage(BaseModel):
    """A page of studios, the newest first."""

    items: list[StudioItem]
    next_cursor: str | None


class StudioStatus(StudioItem):
    """A studio with its steps."""

    steps: list[StepItem]
    country: str | None
    time_zone: str | None
    phone_number: str | None
    subscription_status: str | None
    integrations: dict[str, str]


class RetryAccepted(BaseModel):
    """The job goes on."""

    workspace_id: UUID
    status: Literal["accepted"] = "accepted"


class TestAccepted(BaseModel):
    """A test message is on its way to the studio's owner, if the verdict allows."""

    workspace_id: UUID
    status: Literal["accepted"] = "accepted"


def list_workspaces(app: System, limit: cursors.Limit = 50, cursor: cursors.Cursor = None) -> StudioPage:
    """Studios and where they stand, the newest first."""
    with app.database.transaction(Scope.fleet()) as connection:
        found = app.overview.list_studios(connection, after=cursors.after_id(cursor), limit=limit + 1)
    items = [_studio(one) for one in found[:limit]]
    next_cursor = cursors.encode(items[-1].workspace_id) if len(found) > limit else None
    return StudioPage(items=items, next_cursor=next_cursor)


def workspace_status(app: System, caller: Asked, workspace_id: UUID) -> StudioStatus:
    """One studio: its state and each step, with who it waits on and why."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        detail = app.overview.studio_detail(connection, workspace_id, with_links=caller.leads(workspace_id))
    return StudioStatus(
        **_studio(detail.summary).model_dump(),
        steps=[StepItem.model_validate(step, from_attributes=True) for step in detail.steps],
        country=detail.country,
        time_zone=detail.time_zone,
        phone_number=detail.phone_number,
        subscription_status=detail.subscription_status,
        integrations=detail.integrations,
    )


def retry_workspace(app: System, caller: Asked, workspace_id: UUID) -> RetryAccepted:
    """Have provisioning tried again from the step it stopped at; finished steps stay finished."""
    # The queue is the fleet's: who may do this for the studio was checked before.
    with app.database.transaction(Scope.fleet()) as connection:
        retry(connection, app.clocks, workspace_id, caller.principal.actor)
    return RetryAccepted(workspace_id=workspace_id)


def send_test_message(app: System, caller: Asked, workspace_id: UUID) -> TestAccepted:
    """Have a test message sent to the owner's phone; three an hour at most."""
    with app.database.transaction(Scope.fleet()) as connection:
        ask_for_test(connection, app.clocks, workspace_id, occasion=f"request:{new_id()}", actor=caller.principal.actor)
    return TestAccepted(workspace_id=workspace_id)


def _studio(summary: StudioSummary) -> StudioItem:
    return StudioItem.model_validate(summary, from_attributes=True)

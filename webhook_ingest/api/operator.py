"""The pause switch and the dry run, for programs. What belongs here: the shape of requests and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from pilar.database.engine import Scope
from pilar.messaging import controls
from pilar.messaging.controls import ControlKind
from pilar.messaging.decisions import Channel
from webhook_ingest.deps import Asked, System

Reason = Annotated[str, Field(min_length=1, max_length=300, description="In words; shown wherever it applies.")]


class Over(BaseModel):
    """Over what: a studio or, without one, the whole fleet; one channel or, without one, all of them."""

    model_config = ConfigDict(extra="forbid")

    workspace_id: UUID | None = None
    channel: Channel | None = None


class PauseRequest(Over):
    """What to pause, and why."""

    reason: Reason


class ResumeRequest(Over):
    """What goes on."""

    reason: str = Field("", max_length=300, description="Taken and not kept: what ends needs no reason.")


class DryRunRequest(Over):
    """Where messages are to be decided on and recorded, and not sent."""

    on: bool
    reason: Reason


class ControlItem(BaseModel):
    """A control in force; since real time."""

    kind: ControlKind
    workspace_id: UUID | None
    channel: str | None
    reason: str
    began_by: str
    began_at: datetime


class ControlsAnswer(BaseModel):
    """Whether anything changed, and what is in force over that studio as a whole, or over the fleet."""

    changed: bool
    in_force: list[ControlItem]


def pause(app: System, caller: Asked, wanted: PauseRequest) -> ControlsAnswer:
    """Have nothing sent until it is resumed."""
    return _switch(app, caller, "pause", wanted, on=True, reason=wanted.reason)


def resume(app: System, caller: Asked, wanted: ResumeRequest) -> ControlsAnswer:
    """End a pause; what it kept back is decided on again."""
    return _switch(app, caller, "pause", wanted, on=False)


def dry_run(app: System, caller: Asked, wanted: DryRunRequest) -> ControlsAnswer:
    """Begin or end a dry run."""
    return _switch(app, caller, "dry_run", wanted, on=wanted.on, reason=wanted.reason)


def _switch(app: System, caller: Asked, kind: ControlKind, over: Over, *, on: bool, reason: str = "") -> ControlsAnswer:
    actor, studio = caller.principal.actor, over.workspace_id
    with app.database.transaction(Scope.fleet()) as connection:
        if on:
            changed = controls.begin(
                connection, app.clocks, kind, workspace_id=studio, channel=over.channel, reason=reason, actor=actor
            )
        else:
            changed = controls.end(connection, app.clocks, kind, workspace_id=studio, channel=over.channel, actor=actor)
        found = controls.in_force(connection, studio)
    return ControlsAnswer(
        changed=changed, in_force=[ControlItem.model_validate(one, from_attributes=True) for one in found]
    )

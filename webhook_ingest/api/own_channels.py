"""The number or WhatsApp account that a studio brings along, for programs.

What belongs here: the shape of requests and answers. What does not: what may be said when, which is provisioning's.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from pilar.app import App
from pilar.database.engine import Scope
from pilar.provisioning import own_channel as own
from pilar.provisioning import store
from webhook_ingest.deps import Asked, System


class _Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Bring(_Wanted):
    """What the studio brings."""

    brings: own.Brings
    phone_number: Annotated[str, Field(max_length=40)] | None = Field(
        None, description="With + and its country's code; with an account it may be left out while that has just one."
    )


class AskForCode(_Wanted):
    """How the code is to come."""

    method: own.Method = "sms"


class TypeCode(_Wanted):
    """The code that came."""

    code: Annotated[str, Field(min_length=1, max_length=24)]


class OwnChannelStatus(BaseModel):
    """What the studio brings, and what can be done about it now."""

    workspace_id: UUID
    brings: Literal["number", "account"] | None = Field(description="null: a number is bought for the studio.")
    phone_number: str | None
    may_change: bool
    wants_code: bool
    is_sent: bool
    wants_number: bool
    codes_left: int = Field(description="How many codes may still be asked for within 72 hours.")


def own_channel(app: System, workspace_id: UUID) -> OwnChannelStatus:
    """How it stands."""
    with app.database.transaction(Scope.fleet()) as connection:
        return _status(app, connection, workspace_id)


def bring_own(app: System, caller: Asked, workspace_id: UUID, wanted: Bring) -> OwnChannelStatus:
    """The studio brings something."""
    with app.database.transaction(Scope.fleet()) as connection:
        own.bring(connection, app.clocks, workspace_id, wanted.brings, wanted.phone_number, caller.principal.actor)
        return _status(app, connection, workspace_id)


def bring_nothing(app: System, caller: Asked, workspace_id: UUID) -> OwnChannelStatus:
    """The studio brings nothing."""
    with app.database.transaction(Scope.fleet()) as connection:
        own.bring_nothing(connection, app.clocks, workspace_id, caller.principal.actor)
        return _status(app, connection, workspace_id)


def ask_for_code(app: System, caller: Asked, workspace_id: UUID, wanted: AskForCode) -> OwnChannelStatus:
    """Somebody has the telephone at hand."""
    with app.database.transaction(Scope.fleet()) as connection:
        own.ask_for_code(connection, app.clocks, workspace_id, wanted.method, caller.principal.actor)
        return _status(app, connection, workspace_id)


def type_code(app: System, caller: Asked, workspace_id: UUID, wanted: TypeCode) -> OwnChannelStatus:
    """Somebody has read the code."""
    with app.database.transaction(Scope.fleet()) as connection:
        own.type_code(connection, app.clocks, app.box, workspace_id, wanted.code, caller.principal.actor)
        return _status(app, connection, workspace_id)


def _status(app: App, connection: Connection, workspace_id: UUID) -> OwnChannelStatus:
    job = store.job_of_workspace(connection, workspace_id)
    found = own.view_of(connection, app.clocks, job, store.steps_of(connection, job.id))
    return OwnChannelStatus(workspace_id=workspace_id, **vars(found))

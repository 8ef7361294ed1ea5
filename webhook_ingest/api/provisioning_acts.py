"""Having provisioning go on, run again or taken back.

What belongs here: the shape of requests and answers. What does not: the rules, which are provisioning's, how channels
stand (`channel_status.py`), who waits on whom (`waits.py`) and how it all goes (`provisioning_health.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from pilar.database.engine import Scope
from pilar.errors import Invalid
from pilar.provisioning import mending
from pilar.provisioning.asked import resume_at
from pilar.provisioning.events import TwilioRetry, WhatsAppRetry
from pilar.provisioning.retry import retry
from pilar.provisioning.undoing import undo
from webhook_ingest.deps import Asked, Caller, System


class _Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OfStudio(_Wanted):
    """Which studio."""

    workspace_id: UUID


class Reprovision(OfStudio):
    """A studio's provisioning, again."""

    step: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        None, description="Run this step and all after it again; else what failed or waited in vain."
    )


class Undo(_Wanted):
    """Why a signup is taken back."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]


class OwnStudio(_Wanted):
    """Which studio; yours unless you have several."""

    workspace_id: UUID | None = None


class Accepted(BaseModel):
    """It is under way; the studio's status tells how it goes."""

    workspace_id: UUID
    status: Literal["accepted", "done"] = "accepted"


class Resumed(BaseModel):
    """From which step the job goes on; none: `why` says so."""

    workspace_id: UUID
    resumed: str | None
    why: str | None = None


class Onboarding(BaseModel):
    """What is left for the owner: `connect`, `pay`, `wait` (it is others' turn), `ready` or `closed`."""

    workspace_id: UUID
    complete: bool
    next: str
    says: str
    step: str | None


class MendTemplate(_Wanted):
    """Another text for a rejected template."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    language: Annotated[str, Field(min_length=2, max_length=10)]
    body: Annotated[str, Field(min_length=1, max_length=2_000)]


def reprovision(app: System, caller: Asked, wanted: Reprovision) -> Accepted:
    """Run provisioning again; what was had at providers is found there and not had twice."""
    with app.database.transaction(Scope.fleet()) as connection:
        retry(connection, app.clocks, wanted.workspace_id, caller.principal.actor, from_step=wanted.step)
    return Accepted(workspace_id=wanted.workspace_id)


def undo_signup(app: System, caller: Asked, workspace_id: UUID, wanted: Undo) -> Accepted:
    """Take a signup back: what it has cost is given back, step by step."""
    with app.database.transaction(Scope.fleet()) as connection:
        asked = undo(connection, app.clocks, workspace_id, actor=caller.principal.actor, reason=wanted.reason)
    return Accepted(workspace_id=workspace_id, status="accepted" if asked else "done")


def complete_onboarding(app: System, caller: Asked, wanted: OwnStudio) -> Onboarding:
    """Look again, and tell what is left."""
    studio = caller.acts_for(wanted.workspace_id)
    with app.database.transaction(Scope.fleet()) as connection:
        following = app.setup.look_again(connection, _named(studio))
    return Onboarding(
        workspace_id=_named(studio),
        complete=following.kind == "ready",
        next=following.kind,
        says=following.says,
        step=following.step,
    )


def provision_twilio(app: System, caller: Asked, wanted: OfStudio) -> Resumed:
    """Have Twilio's steps done, if that is where the studio stands."""
    return _resume(app, caller, wanted.workspace_id, TwilioRetry.steps)


def retry_twilio(app: System, caller: Asked, workspace_id: UUID) -> Resumed:
    """Have Twilio's steps tried again, if that is where the studio stands."""
    return _resume(app, caller, workspace_id, TwilioRetry.steps)


def provision_whatsapp(app: System, caller: Asked, wanted: OfStudio) -> Resumed:
    """Have WhatsApp's steps done, if that is where the studio stands."""
    return _resume(app, caller, wanted.workspace_id, WhatsAppRetry.steps)


def mend_template(app: System, caller: Asked, workspace_id: UUID, wanted: MendTemplate) -> Accepted:
    """Have the mended text reviewed."""
    with app.database.transaction(Scope.fleet()) as connection:
        mending.mend(
            connection,
            app.defaults,
            workspace_id,
            wanted.name,
            wanted.language,
            wanted.body,
            caller.principal.actor,
        )
    return Accepted(workspace_id=workspace_id)


def _resume(app: System, caller: Caller, workspace_id: UUID, steps: Sequence[str]) -> Resumed:
    with app.database.transaction(Scope.fleet()) as connection:
        found = resume_at(connection, app.clocks, workspace_id, steps, caller.principal.actor)
    return Resumed(workspace_id=workspace_id, **found)


def _named(studio: UUID | None) -> UUID:
    if studio is None:
        raise Invalid("Say which studio, as `workspace_id`.")
    return studio

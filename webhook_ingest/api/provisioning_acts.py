"""Having provisioning go on, run again or taken back, and who waits on whom.

What belongs here: the shape of requests and answers. What does not: the rules, which are provisioning's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from pilar.database.engine import Scope
from pilar.errors import Invalid
from pilar.operator.provisioning_health import DAYS, provisioning_health
from pilar.provisioning import channels, mending, prerequisite_store, wait_store
from pilar.provisioning.asked import resume_at
from pilar.provisioning.events import TwilioRetry, WhatsAppRetry
from pilar.provisioning.prerequisites import TITLES
from pilar.provisioning.retry import retry
from pilar.provisioning.undoing import undo
from webhook_ingest import cursors
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


class ChannelStepItem(BaseModel):
    """A step of a channel's provisioning."""

    name: str
    title: str
    status: str
    waits_on: str | None
    wait_reason: str | None
    error: str | None


class ChannelStatus(BaseModel):
    """How a studio's account at a provider stands."""

    workspace_id: UUID
    state: str
    account: str | None
    phone_number: str | None
    phone_number_id: str | None
    steps: list[ChannelStepItem]


class Prerequisites(BaseModel):
    """What WhatsApp wants before a number may write."""

    business_account_connected: bool
    phone_number_registered: bool
    templates_approved: bool


class WhatsAppHealth(ChannelStatus):
    """How a studio's number on WhatsApp stands; `healthy` when it can write to leads."""

    status: Literal["healthy", "degraded", "failed"]
    prerequisites: Prerequisites
    templates: dict[str, int] = Field(description="How many stand in which state of the review.")


class PrerequisiteItem(BaseModel):
    """One thing that WhatsApp wants; `blocks`: nothing can be sent before it is met."""

    name: str
    title: str
    state: Literal["met", "pending", "missing", "rejected", "unknown"]
    blocks: bool
    waits_on: str | None
    says: str
    link: str | None
    read_at: datetime = Field(description="When WhatsApp said so, in real time.")


class WhatsAppStatus(ChannelStatus):
    """How a studio's number on WhatsApp stands; the prerequisites are none before WhatsApp was asked."""

    prerequisites: list[PrerequisiteItem]


class MendTemplate(_Wanted):
    """Another text for a rejected template."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    language: Annotated[str, Field(min_length=2, max_length=10)]
    body: Annotated[str, Field(min_length=1, max_length=2_000)]


class WaitItem(BaseModel):
    """A step that waits; `wait_since` and `woken_at` are real time, what follows is business time."""

    workspace_id: UUID
    step: str
    title: str | None
    status: str
    waits_on: str
    reason: str | None
    waits_for: str | None
    wait_since: datetime | None
    reminders: int
    remind_at: datetime | None
    expires_at: datetime | None
    woken_by: str | None
    woken_at: datetime | None


class PartyItem(BaseModel):
    """How many steps wait on a party; `expired` of them in vain."""

    waits_on: str
    count: int
    expired: int
    oldest: datetime | None


class WaitPage(BaseModel):
    """A page of waits by studio, with what they come to by party."""

    parties: list[PartyItem]
    items: list[WaitItem]
    next_cursor: str | None


class SignupDay(BaseModel):
    """The signups of a day (UTC) and how they stand; `stuck` until somebody acts."""

    day: date
    signups: int
    opened: int
    running: int
    waiting: int
    stuck: int
    taken_back: int


class StepTimes(BaseModel):
    """How long a step takes, in seconds of business time; `wait` is the part in which it waited on others."""

    step: str
    title: str
    completed: int
    waited: int
    total_p50: float | None
    total_p95: float | None
    work_p50: float | None
    work_p95: float | None
    wait_p50: float | None
    wait_p95: float | None


class PartyAges(BaseModel):
    """How many studios wait on a party, by age in business time; `in_vain` are given up until somebody acts."""

    waits_on: str
    waiting: int
    in_vain: int
    under_a_day: int
    under_three_days: int
    under_a_week: int
    longer: int
    oldest_at: datetime | None


class Health(BaseModel):
    """How provisioning goes, as Dagster has counted it last."""

    as_of: datetime | None = Field(description="Business time of the counting; null: there was none yet.")
    last_days: int = Field(description="The signups of so many days are counted.")
    signups: int
    opened: int
    running: int
    waiting: int
    stuck: int
    taken_back: int
    success_rate: float | None = Field(description="Of the signups that have come to an end, the share that opened.")
    whole: StepTimes | None = Field(description="From the payment to the opening.")
    steps: list[StepTimes]
    parties: list[PartyAges]
    days: list[SignupDay]


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


def twilio_status(app: System, workspace_id: UUID) -> ChannelStatus:
    """The studio's account and number at Twilio."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        found = channels.twilio(connection, workspace_id)
    return ChannelStatus(workspace_id=workspace_id, **_channel(found))


def whatsapp_status(app: System, workspace_id: UUID) -> WhatsAppStatus:
    """What WhatsApp wants, as it stood last."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        found = channels.whatsapp(connection, workspace_id)
        rows = prerequisite_store.rows_of(connection, workspace_id)
    return WhatsAppStatus(
        workspace_id=workspace_id,
        **_channel(found),
        prerequisites=[
            PrerequisiteItem(
                name=row.name,
                title=TITLES[row.name],
                state=row.state,
                blocks=row.blocks,
                waits_on=row.waits_on,
                says=row.says,
                link=row.link,
                read_at=row.read_at,
            )
            for row in rows
        ],
    )


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


def whatsapp_health(app: System, workspace_id: UUID) -> WhatsAppHealth:
    """The studio's number on WhatsApp."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        found = channels.whatsapp(connection, workspace_id)
        templates = channels.template_states(connection, workspace_id)
    needs = Prerequisites(
        business_account_connected=found.account is not None,
        phone_number_registered=found.state == "connected",
        templates_approved=templates.get("approved", 0) > 0,
    )
    well = needs.phone_number_registered and needs.templates_approved
    failed = found.state in ("failed", "closed") or any(step.status == "failed" for step in found.steps)
    return WhatsAppHealth(
        workspace_id=workspace_id,
        **_channel(found),
        status="failed" if failed else "healthy" if well else "degraded",
        prerequisites=needs,
        templates=templates,
    )


def health(app: System) -> Health:
    """How many signups have opened, how long each step takes, and who waits on whom."""
    with app.database.transaction(Scope.analyst()) as connection:
        found = provisioning_health(connection, app.clocks.business.now())
    return Health.model_validate({**vars(found), "last_days": DAYS}, from_attributes=True)


def list_waits(app: System, limit: cursors.Limit = 50, cursor: cursors.Cursor = None) -> WaitPage:
    """Who waits on whom, studio by studio."""
    with app.database.transaction(Scope.fleet()) as connection:
        rows = wait_store.waits_of(connection, after=cursors.after_id(cursor), limit=limit + 1)
        parties = wait_store.ages(connection)
    shown = rows[:limit]
    return WaitPage(
        parties=[PartyItem.model_validate(one, from_attributes=True) for one in parties],
        items=[
            WaitItem(
                workspace_id=row.workspace_id,
                step=row.name,
                title=row.title,
                status=row.status,
                waits_on=row.waits_on,
                reason=row.wait_reason,
                waits_for=row.waits_for,
                wait_since=row.wait_since,
                reminders=row.reminders,
                remind_at=row.remind_at,
                expires_at=row.expires_at,
                woken_by=row.woken_by,
                woken_at=row.woken_at,
            )
            for row in shown
        ],
        next_cursor=cursors.encode(shown[-1].workspace_id) if len(rows) > limit else None,
    )


def _resume(app: System, caller: Caller, workspace_id: UUID, steps: Sequence[str]) -> Resumed:
    with app.database.transaction(Scope.fleet()) as connection:
        found = resume_at(connection, app.clocks, workspace_id, steps, caller.principal.actor)
    return Resumed(workspace_id=workspace_id, **found)


def _channel(found: channels.Channel) -> dict[str, object]:
    return {
        "state": found.state,
        "account": found.account,
        "phone_number": found.phone_number,
        "phone_number_id": found.phone_number_id,
        "steps": [ChannelStepItem.model_validate(step, from_attributes=True) for step in found.steps],
    }


def _named(studio: UUID | None) -> UUID:
    if studio is None:
        raise Invalid("Say which studio, as `workspace_id`.")
    return studio

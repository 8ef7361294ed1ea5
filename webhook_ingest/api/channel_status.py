"""How a studio's accounts and numbers at Twilio and WhatsApp stand.

What belongs here: the shape of the answers. What does not: having steps tried again (`provisioning_acts.py`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from pilar.database.engine import Scope
from pilar.provisioning import channels, prerequisite_store
from pilar.provisioning.prerequisites import TITLES
from webhook_ingest.deps import System


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


def _channel(found: channels.Channel) -> dict[str, object]:
    return {
        "state": found.state,
        "account": found.account,
        "phone_number": found.phone_number,
        "phone_number_id": found.phone_number_id,
        "steps": [ChannelStepItem.model_validate(step, from_attributes=True) for step in found.steps],
    }

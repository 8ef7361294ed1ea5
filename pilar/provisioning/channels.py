"""How a studio's number stands at Twilio and on WhatsApp.

What belongs here: reading it for the API; nothing is asked of a provider, and nothing changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from pilar.messaging import template_store
from pilar.provisioning import store
from pilar.provisioning.events import TwilioRetry, WhatsAppRetry
from pilar.workspaces import store as workspaces


@dataclass(frozen=True)
class ChannelStep:
    """A step of the channel's; `waits_on` and `error` say what keeps it."""

    name: str
    title: str
    status: str
    waits_on: str | None
    wait_reason: str | None
    error: str | None


@dataclass(frozen=True)
class Channel:
    """A studio's account at a provider.

    Attributes:
        state: not_begun, or the account's: pending, connected, failed or closed.
        account: the provider's id of it.
        phone_number: E.164.
        steps: those of provisioning that are about it, in order.
    """

    state: str
    account: str | None
    phone_number: str | None
    phone_number_id: str | None
    steps: Sequence[ChannelStep]


def twilio(connection: Connection, workspace_id: UUID) -> Channel:
    """The studio's account and number at Twilio; raise `NotFound` where this scope sees no such studio."""
    return _channel(connection, workspace_id, "twilio", TwilioRetry.steps)


def whatsapp(connection: Connection, workspace_id: UUID) -> Channel:
    """The studio's account and number on WhatsApp; raise `NotFound` where this scope sees no such studio."""
    return _channel(connection, workspace_id, "whatsapp", WhatsAppRetry.steps)


def template_states(connection: Connection, workspace_id: UUID) -> dict[str, int]:
    """How many of the studio's templates stand in which state of WhatsApp's review."""
    return dict(Counter(row.state for row in template_store.templates_of(connection, workspace_id)))


def _channel(connection: Connection, workspace_id: UUID, provider: str, names: Sequence[str]) -> Channel:
    job = store.job_of_workspace(connection, workspace_id)
    account = workspaces.get_integration(connection, workspace_id, provider)
    return Channel(
        state=account.state if account else "not_begun",
        account=account.external_id if account else None,
        phone_number=account.phone_number if account else None,
        phone_number_id=account.phone_number_id if account else None,
        steps=[
            ChannelStep(row.name, row.title or row.name, row.status, row.waits_on, row.wait_reason, row.error)
            for row in store.steps_of(connection, job.id)
            if row.name in names and row.status != store.RETIRED
        ],
    )

"""A message to the owner's own phone, to see that a studio's number works. What belongs here: writing it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit, limits
from pilar.backplane.facts import Cause
from pilar.backplane.limits import Limit
from pilar.clocks import Clocks
from pilar.errors import Conflict
from pilar.messaging import page_store, store
from pilar.messaging.outbox import TEST, NewMessage, queue_message
from pilar.messaging.zones import country_of
from pilar.workspaces import store as workspaces

TEMPLATE = "number_test"
STAFF = "staff"
"""The lifecycle of who is no lead: nobody coaches or counts them."""


PER_STUDIO = Limit("test_messages", 3, timedelta(hours=1))
"""How many somebody may ask for: each is a message that the studio pays for."""


@dataclass(frozen=True)
class LastTest:
    """The newest test message: whose thread it is in, where it stands, and when it was written (business time)."""

    lead_id: UUID
    message_id: UUID
    state: str
    written_at: datetime


def ask_for_test(connection: Connection, clocks: Clocks, workspace_id: UUID, *, occasion: str, actor: str) -> bool:
    """Somebody wants to see that the number works; return whether that is new, and not the same asked again.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        workspace_id: the studio's.
        occasion: of the form or request: sent twice, it counts once.
        actor: who, as in the audit log.

    Raises:
        Conflict: the owner has no phone number to send it to.
        NotFound: there is no such studio, or nobody owns it.
        TooManyRequests: too many were asked for in this hour.
    """
    if workspaces.owner_of(connection, workspace_id).phone is None:
        raise Conflict("The owner has no phone number that a test message could go to.")
    sent = queue_test(connection, clocks, workspace_id, occasion=occasion, story=Cause.new())
    if sent is None:
        return False
    now = clocks.real.now()
    limits.take(connection, PER_STUDIO, str(workspace_id), now)
    audit.record(
        connection, actor=actor, action="messaging.test_asked_for", subject=f"message:{sent}", now=now,
        workspace_id=workspace_id,
    )  # fmt: skip
    return True


def last_test(connection: Connection, workspace_id: UUID) -> LastTest | None:
    """The newest test message to the studio's present owner, if there is one. Needs the fleet's scope."""
    owner = workspaces.find_owner(connection, workspace_id)
    if owner is None or owner.phone is None:
        return None
    lead_id = page_store.find_lead(connection, workspace_id, _identity(owner.phone))
    row = page_store.newest_message(connection, workspace_id, lead_id, TEST) if lead_id else None
    return LastTest(row.lead_id, row.id, row.state, row.occurred_at) if row else None


def queue_test(
    connection: Connection, clocks: Clocks, workspace_id: UUID, *, occasion: str, story: Cause
) -> UUID | None:
    """Have a test message sent to the owner; its id, or None where the owner has no number or it was sent before.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        workspace_id: the studio's.
        occasion: what for; the same occasion sends once.
        story: the story it belongs to.
    """
    owner = workspaces.owner_of(connection, workspace_id)
    if owner.phone is None:
        return None
    _, document = workspaces.load_configuration(connection, workspace_id)
    values = {
        "phone": owner.phone,
        "name": owner.name,
        "language": document.studio.language,
        "country": country_of(owner.phone),
        "lifecycle": STAFF,
        "source": STAFF,
        "created_at": clocks.business.now(),
    }
    lead_id = store.ensure_lead(connection, workspace_id, _identity(owner.phone), values)
    message = NewMessage(
        lead_id=lead_id,
        category="utility",
        origin=TEST,
        cause=f"test:{occasion}",
        template=TEMPLATE,
        parameters=(owner.name.split()[0], document.studio.name),
    )
    return queue_message(connection, clocks, workspace_id, message, story)


def _identity(phone: str) -> str:
    """WhatsApp's id of whoever has this number."""
    return phone.removeprefix("+")

"""What the provider tells about a message. What belongs here: keeping each status once and folding it.

A status may come before we have stored what the provider answered to the send itself: our own id comes back with it.
So it also settles a send whose outcome was unknown.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane import effects
from pilar.clocks import Clocks
from pilar.messaging import limit_store, states, store
from pilar.messaging.attempts import cost
from pilar.messaging.erasing import ERASED
from pilar.messaging.reactions import react
from pilar.messaging.receiving import BEFORE_ERASURE
from pilar.messaging.rooms import People
from pilar.messaging.sending import EFFECT
from pilar.providers.whatsapp.deliveries import MessageStatus


def apply(connection: Connection, clocks: Clocks, workspace_id: UUID, told: MessageStatus, people: People) -> str:
    """Keep a status and fold it into its message; return what became of it, in one word."""
    found = _message_of(connection, workspace_id, told)
    if found is None:
        return "status_of_unknown_message"
    lead = store.lock_lead(connection, workspace_id, found.lead_id)
    if lead.lifecycle == ERASED:
        return BEFORE_ERASURE
    message = store.lock_message(connection, workspace_id, found.id)
    code = told.errors[0].code if told.errors else None
    if not store.add_status(
        connection, workspace_id, message.id, {"status": told.status, "at": told.at, "error_code": code}
    ):
        return "status_again"
    values: dict[str, Any] = {}
    state = states.fold(message.state, told.status)
    if state != message.state:
        values["state"] = state
        if state == states.FAILED:
            values |= {"error_code": code, "error": told.errors[0].title if told.errors else "The provider failed."}
    if message.provider_message_id is None:
        values["provider_message_id"] = told.message_id
        effects.confirm(connection, EFFECT, str(message.id), {"id": told.message_id}, clocks.real.now())
    if message.accepted_at is None:
        values |= {"accepted_at": clocks.real.now(), **cost(connection, message, lead)}
    if values:
        store.change_message(connection, workspace_id, message.id, values)
    if state in (states.DELIVERED, states.READ) and message.state not in (states.DELIVERED, states.READ):
        limit_store.forget_unreached(connection, workspace_id, lead.id)
    if state == states.FAILED and message.state != states.FAILED and code is not None:
        react(connection, clocks, message, lead, code, people)
    return "status"


def _message_of(connection: Connection, workspace_id: UUID, told: MessageStatus) -> Row[Any] | None:
    if told.callback:
        try:
            found = store.find_message(connection, UUID(told.callback), workspace_id)
        except ValueError:
            found = None  # somebody else's callback, on a number that several systems send from
        if found is not None:
            return found
    return store.find_by_provider_id(connection, workspace_id, told.message_id)

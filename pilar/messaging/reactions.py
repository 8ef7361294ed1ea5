"""What a provider's refusal asks of us. What belongs here: acting on its table of codes (`whatsapp/errors.py`).

Codes that need nothing here are those that the table's error class answers by itself: again later, or never.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row

from pilar.backplane.facts import Cause, emit
from pilar.backplane.notices import IncidentRequested, incident
from pilar.clocks import Clocks
from pilar.ids import new_id
from pilar.messaging import store
from pilar.messaging.consent import withdraw
from pilar.messaging.facts import WINDOW
from pilar.messaging.outbox import NewMessage, queue_message
from pilar.messaging.rooms import People
from pilar.providers.whatsapp.errors import Reaction, reaction_to

_INCIDENTS = {
    Reaction.FREEZE_MARKETING: "WhatsApp limits a number for its quality",
    Reaction.STOP_WORKSPACE: "WhatsApp has locked a studio's account",
    Reaction.RECONNECT: "A studio's WhatsApp account has to be connected again",
    Reaction.OUR_FAULT: "WhatsApp refuses what we send as malformed",
    Reaction.FIX_CONTENT: "A template's content was refused",
    Reaction.AWAIT_PAYMENT: "A studio's payment method at WhatsApp fails",
}

AS_TEMPLATE = ":as-template"
"""What the cause of a message has behind it when its template is sent after its text was refused."""


def react(
    connection: Connection,
    clocks: Clocks,
    message: Row[Any],
    lead: Row[Any],
    code: str,
    people: People | None = None,
) -> None:
    """Act on the code that a message was refused with, in the transaction that records it; the lead's row is held."""
    reaction = reaction_to(code)
    story = Cause(message.correlation_id or new_id())
    if reaction is Reaction.PLAN_AS_TEMPLATE:
        _plan_as_template(connection, clocks, message, story)
    elif reaction is Reaction.OPTED_OUT:
        proof = f"{code}:{message.id}"
        withdraw(connection, clocks, message.workspace_id, lead.id, "marketing", "provider", proof, story, people)
    elif reaction in _INCIDENTS:
        request = IncidentRequested(
            dedupe_key=f"whatsapp:{code}:{message.workspace_id}",
            title=_INCIDENTS[reaction],
            description=f"Code {code}: {reaction.value}.",
            severity="high",
            component="whatsapp_integration",
        )
        asked = incident(request, key=f"{code}:{message.id}", workspace_id=message.workspace_id)
        emit(connection, clocks, [asked], story)


def _plan_as_template(connection: Connection, clocks: Clocks, message: Row[Any], story: Cause) -> None:
    """The window is closed, whatever our copy says: correct that, and send the message's template, if it has one."""
    closed = clocks.business.now() - WINDOW
    thread = store.find_conversation(connection, message.workspace_id, message.lead_id)
    if thread is not None and thread.last_inbound_at is not None and thread.last_inbound_at > closed:
        store.change_conversation(connection, message.workspace_id, message.lead_id, {"last_inbound_at": closed})
    if message.template_name and message.kind == "text":
        # Another message, since this one has failed for good: its effect is settled.
        again = NewMessage(
            lead_id=message.lead_id,
            category=message.category,
            origin=message.origin,
            cause=f"{message.cause}{AS_TEMPLATE}",
            template=message.template_name,
            parameters=tuple(message.template_parameters or ()),
            reply_to=message.reply_to,
        )
        queue_message(connection, clocks, message.workspace_id, again, story)

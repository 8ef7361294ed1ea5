"""A lead writes. What belongs here: storing the message, and what it means for consent and for who answers.

What does not: the answer, which the room above gives to `message.received`.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.facts import Event, Lane, emit
from pilar.backplane.handlers import Delivery, Work
from pilar.clocks import Clocks
from pilar.ids import new_id
from pilar.messaging import consent, conversations, store
from pilar.messaging.events import MessageReceived
from pilar.messaging.outbox import OPT_OUT_NOTICE, NewMessage, queue_message
from pilar.messaging.phrases import phrase
from pilar.messaging.wording import Wish, wish_of
from pilar.messaging.zones import country_of
from pilar.providers.whatsapp.deliveries import InboundMessage
from pilar.workspaces import store as workspaces

WORDS = frozenset({"text", "button", "interactive"})
"""The kinds of message that say something in words; others are stored, and open the window like any."""

NOT_WRITTEN = frozenset({"system", "edit", "revoke", "deleted"})
"""Kinds that tell of a person or of an earlier message: nobody wrote, so no window opens and nothing waits for us."""


def lead_of(
    connection: Connection,
    workspace_id: UUID,
    provider_user_id: str,
    phone: str | None,
    name: str | None,
    language: str,
    country: str | None,
    now: datetime,
) -> UUID:
    """The lead with that id at WhatsApp, made if need be."""
    values = {
        "phone": phone,
        "name": name,
        "language": language,
        "country": country,
        "lifecycle": "lead",
        "source": "whatsapp",
        "created_at": now,
    }
    return store.ensure_lead(connection, workspace_id, provider_user_id, values)


def receive(
    connection: Connection, clocks: Clocks, workspace_id: UUID, told: InboundMessage, work: Work[Delivery]
) -> str:
    """Store an inbound message and act on what it asks for; return what became of it, in one word."""
    now = clocks.business.now()
    _, document = workspaces.load_configuration(connection, workspace_id)
    phone = told.sender_phone
    lead_id = lead_of(
        connection, workspace_id, told.sender, phone, told.sender_name, document.studio.language, country_of(phone), now
    )
    lead = store.lock_lead(connection, workspace_id, lead_id)
    stored = store.add_message(
        connection,
        {
            "workspace_id": workspace_id,
            "id": new_id(),
            "lead_id": lead_id,
            "direction": "in",
            "kind": told.kind,
            "state": "received",
            "origin": "lead",
            "text": told.text,
            "provider_message_id": told.id,
            "cause": f"in:{told.id}",
            "correlation_id": work.correlation_id,
            # A clock that is ahead of ours must not keep a window open for longer than a day from now.
            "occurred_at": min(told.sent_at, now),
            "received_at": work.recorded_at,
        },
    )
    if stored is None:
        return "message_again"
    thread = store.note_inbound(connection, workspace_id, lead_id, written_at=min(told.sent_at, now), now=now)
    if told.kind not in WORDS or not told.text:
        return "message_without_words" if told.kind in WORDS else f"message_without_words:{told.kind[:40]}"
    wish = wish_of(told.text)
    if wish is Wish.STOP:
        proof = f"message:{stored}"
        consent.withdraw(connection, clocks, workspace_id, lead_id, "all", "wording", proof, work.cause)
        # One confirmation, then silence.
        notice = NewMessage(
            lead_id=lead_id,
            category="service",
            origin=OPT_OUT_NOTICE,
            cause=f"opted_out:{lead_id}",
            text=phrase("opted_out", lead.language, document.studio.name),
            reply_to=stored,
        )
        queue_message(connection, clocks, workspace_id, notice, work.cause)
        return "opt_out"
    if wish is Wish.START:
        consent.grant(connection, clocks, workspace_id, lead_id, "all", "keyword", f"message:{stored}")
    if wish is Wish.PERSON and thread.mode == "bot":
        conversations.hand_over(
            connection, clocks, workspace_id, lead_id, "The lead asked for a person.", work.cause, told=stored
        )
        return "hand_over"
    if thread.mode == "bot":
        event = Event(
            payload=MessageReceived(message_id=stored, lead_id=lead_id),
            key=str(stored),
            aggregate=("lead", str(lead_id)),
            workspace_id=workspace_id,
            lane=Lane.REPLY,
        )
        emit(connection, clocks, [event], work.cause)
    return "message"

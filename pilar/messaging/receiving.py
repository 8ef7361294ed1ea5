"""A lead writes. What belongs here: storing the message, and what it means for consent and for who answers.

What does not: the answer, which the room above gives to `message.received`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane.facts import Cause, Event, Lane, emit
from pilar.backplane.handlers import Delivery, Work
from pilar.clocks import Clocks
from pilar.ids import new_id
from pilar.messaging import consent, conversations, limit_store, media, people_store, refusals, store
from pilar.messaging.consent import ConsentScope
from pilar.messaging.events import MessageReceived
from pilar.messaging.identity import recognise
from pilar.messaging.refusals import Told
from pilar.messaging.rooms import People
from pilar.messaging.wording import Wish, may_refuse, wish_of
from pilar.messaging.zones import country_of
from pilar.providers.whatsapp.call_events import Call
from pilar.providers.whatsapp.contents import EDIT, MEDIA, REVOKE, details_of, revision_of
from pilar.providers.whatsapp.deliveries import InboundMessage
from pilar.workspaces import store as workspaces

WORDS = frozenset({"text", "button", "interactive"})
"""The kinds of message that are nothing but words; others may come with some."""

BEFORE_ERASURE = "before_erasure"
"""What became of what was said by who was erased since."""

REVISIONS = frozenset({EDIT, REVOKE, "deleted"})
"""Kinds that change an earlier message."""

NOT_WRITTEN = frozenset({"system", *REVISIONS})
"""Kinds that tell of a person or of an earlier message: nobody wrote, so no window opens and nothing waits for us."""

REACTION = "reaction"
"""A kind that says something about a message of ours: it opens the window, and nobody has to answer it."""

_SCOPES: dict[Wish | None, ConsentScope] = {Wish.STOP: "all", Wish.STOP_EVERYWHERE: "founder"}
_TAKEN_BACK = Told(found="none", source=refusals.LEAD)
_REASONS = {Wish.PERSON: "The lead asked for a person.", Wish.REDRESS: "The lead is upset."}


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
    """The lead with that id at WhatsApp, made if need be, and nothing else that is known of persons looked at."""
    values = new_lead(phone, name, language, country, now)
    return store.ensure_lead(connection, workspace_id, provider_user_id, values)


def receive(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    told: InboundMessage,
    work: Work[Delivery],
    people: People,
) -> str:
    """Store an inbound message and act on what it asks for; return what became of it, in one word."""
    now = clocks.business.now()
    _, document = workspaces.load_configuration(connection, workspace_id)
    if is_of_before_erasure(connection, workspace_id, told, told.sent_at, people):
        return BEFORE_ERASURE
    lead = who(connection, clocks, workspace_id, told, document.studio.language, work.cause, people)
    lead_id: UUID = lead.id
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
            "details": details_of(told.payload),
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
    limit_store.forget_unreached(connection, workspace_id, lead_id)
    thread = store.note_inbound(
        connection, workspace_id, lead_id, written_at=min(told.sent_at, now), now=now, is_unread=told.kind != REACTION
    )
    if told.kind in MEDIA:
        media.ask_to_fetch(connection, clocks, workspace_id, stored, work.cause)
    wish = wish_of(told.text)
    if wish in _SCOPES:
        refusals.silence(
            connection, clocks, workspace_id, lead_id, _SCOPES[wish], "wording", stored, work.cause, people
        )
        return "opt_out"
    if wish is Wish.START:
        consent.grant(connection, clocks, workspace_id, lead_id, "all", "keyword", f"message:{stored}", people)
    if wish in _REASONS and thread.mode == "bot":
        conversations.hand_over(connection, clocks, workspace_id, lead_id, _REASONS[wish], work.cause, told=stored)
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
    if may_refuse(told.text):
        refusals.doubt(connection, clocks, workspace_id, lead_id, stored, work.cause)
    if not told.text:
        return "message_without_words" if told.kind in WORDS else f"message_without_words:{told.kind[:40]}"
    return "message"


def revise(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    told: InboundMessage,
    work: Work[Delivery],
    people: People,
) -> str:
    """Have an earlier message say what its writer made of it; return what became of it, in one word.

    Whoever changes a message into a refusal has refused, and what is taken back refuses nothing. What was answered
    stays answered.
    """
    revision = revision_of(told.payload)
    if revision is None:
        return f"revision_unread:{told.kind[:40]}"
    row = store.find_by_provider_id(connection, workspace_id, revision.original)
    if row is None or row.direction != "in":
        return "revision_of_unknown"
    if is_of_before_erasure(connection, workspace_id, told, told.sent_at, people):
        return BEFORE_ERASURE
    lead = store.lock_lead(connection, workspace_id, row.lead_id)
    row = store.lock_message(connection, workspace_id, row.id)
    if lead.provider_user_id not in (told.sender, told.sender_user_id) and lead.phone != told.sender_phone:
        return "revision_of_anothers"
    if row.deleted_at is not None:
        return "revision_again"
    at = min(told.sent_at, clocks.business.now())
    if revision.text is None:
        values = {"text": None, "details": None, "deleted_at": at}
        store.change_message(connection, workspace_id, row.id, values)
        media.forget(connection, workspace_id, row.id)
        refusals.settle(connection, clocks, workspace_id, row.id, _TAKEN_BACK, work.cause, people)
        return "revoked"
    if row.edited_at is not None and row.edited_at > at:
        return "revision_again"  # a later change came first
    store.change_message(connection, workspace_id, row.id, {"text": revision.text, "edited_at": at})
    wish = wish_of(revision.text)
    if wish in _SCOPES:
        refusals.silence(
            connection, clocks, workspace_id, lead.id, _SCOPES[wish], "wording", row.id, work.cause, people
        )
    elif may_refuse(revision.text):
        refusals.doubt(connection, clocks, workspace_id, lead.id, row.id, work.cause)
    else:
        refusals.settle(connection, clocks, workspace_id, row.id, _TAKEN_BACK, work.cause, people)
    return "edited"


def note_call(
    connection: Connection, clocks: Clocks, workspace_id: UUID, told: Call, story: Cause, people: People
) -> str:
    """Keep a call; one that the lead made opens the window, as a message does."""
    if is_of_before_erasure(connection, workspace_id, told, told.at, people):
        return BEFORE_ERASURE
    language = workspaces.load_configuration(connection, workspace_id)[1].studio.language
    lead = who(connection, clocks, workspace_id, told, language, story, people)
    now = clocks.business.now()
    at = min(told.at, now)
    is_over = told.state != "ringing"
    values = {
        "provider_call_id": told.id,
        "direction": "in" if told.is_theirs else "out",
        "state": told.state,
        "began_at": told.began_at or at,
        "ended_at": at if is_over else None,
        "seconds": told.seconds,
    }
    if not people_store.note_call(connection, workspace_id, lead.id, values):
        return "call_again"
    if told.is_theirs:
        thread = store.note_inbound(connection, workspace_id, lead.id, written_at=told.began_at or at, now=now)
        # It was answered or missed at the phone: there is nothing to read.
        store.change_conversation(connection, workspace_id, lead.id, {"unread": thread.unread - 1})
    return "call"


def who(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    told: InboundMessage | Call,
    language: str,
    story: Cause,
    people: People,
) -> Row[Any]:
    """The lead who wrote or rang, held."""
    phone, user_id = told.sender_phone, told.sender_user_id
    values = new_lead(phone, told.sender_name, language, country_of(phone), clocks.business.now())
    number = None if told.sender == user_id else told.sender
    return recognise(connection, clocks, workspace_id, (number, user_id), values, story, people)


def is_of_before_erasure(
    connection: Connection, workspace_id: UUID, told: InboundMessage | Call, at: datetime, people: People
) -> bool:
    """Whether it was said before its sender was erased, and came late or again: it went with all the rest."""
    digests = people.digests.of(connection, (told.sender, told.sender_phone, told.sender_user_id))
    erased = people_store.suppressed(connection, workspace_id, digests)
    return any(at <= moment for moment in erased.values())


def new_lead(phone: str | None, name: str | None, language: str, country: str | None, now: datetime) -> dict[str, Any]:
    """The columns of a lead who is new, beside their id."""
    return {
        "phone": phone,
        "name": name,
        "language": language,
        "country": country,
        "lifecycle": "lead",
        "source": "whatsapp",
        "created_at": now,
    }

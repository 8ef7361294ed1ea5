"""The outbox: a message is stored and its sending asked for in the transaction of what made it.

What belongs here: putting messages in. Whether they go is `verdict.py`'s, handing them over is `sending.py`'s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.facts import Cause, Job, Lane, enqueue, enqueue_each
from pilar.clocks import Clocks
from pilar.errors import Invalid
from pilar.ids import new_id
from pilar.messaging import opening_store, states, store
from pilar.messaging.decisions import Category
from pilar.messaging.events import SendMessage

LONGEST_TEXT = 4_096
"""WhatsApp's limit for a text's body."""

OPT_OUT_NOTICE = "notice:opted_out"
HAND_OVER_NOTICE = "notice:handed_over"
TEST = "test"


@dataclass(frozen=True)
class Button:
    """What a lead may choose instead of writing, in an open window.

    Attributes:
        id: comes back with the choice, at most 256 characters.
        title: at most 20 characters, another for each.
    """

    id: str
    title: str


@dataclass(frozen=True)
class NewMessage:
    """A message to a lead.

    Attributes:
        lead_id: to whom.
        category: service (an answer), utility or marketing.
        origin: who writes: `rule:<id>`, `coach:<type>`, `staff:<actor>`, one of the notices, `test`.
        cause: what made it; the same cause in the same studio is the same message. Carries its period or cause.
        text: free text, for an open window.
        template: its name, for a closed one.
        parameters: the template's, in order.
        reply_to: the message it answers.
        lane: the queue's; answers don't wait behind what was planned.
        not_before: it is kept back until then, in business time; None: it is not.
        buttons: at most three, under a text that says the same in words: a template and an SMS go without them.
        picture: what is drawn above the text, for the painter of pictures; a template and an SMS go without it.
    """

    lead_id: UUID
    category: Category
    origin: str
    cause: str
    text: str | None = None
    template: str | None = None
    parameters: tuple[str, ...] = ()
    reply_to: UUID | None = None
    lane: Lane = Lane.REPLY
    not_before: datetime | None = None
    buttons: tuple[Button, ...] = ()
    picture: Mapping[str, Any] | None = None


def queue_message(
    connection: Connection, clocks: Clocks, workspace_id: UUID, new: NewMessage, story: Cause
) -> UUID | None:
    """Put a message into the outbox; its id, or None where the same cause put one there before.

    Raises:
        Invalid: it has neither text nor template, or more text than WhatsApp takes.
    """
    _check(new)
    now = clocks.business.now()
    store.ensure_conversation(connection, workspace_id, new.lead_id, now)
    stored = store.add_message(
        connection,
        {
            "workspace_id": workspace_id,
            "id": new_id(),
            "lead_id": new.lead_id,
            "direction": "out",
            "kind": "text" if new.text else "template",
            "state": states.QUEUED if new.not_before is None else states.HELD,
            "category": new.category,
            "origin": new.origin,
            "text": new.text,
            "template_name": new.template,
            "template_parameters": list(new.parameters) if new.template else None,
            "reply_to": new.reply_to,
            "details": _beside_words(new),
            "cause": new.cause,
            "correlation_id": story.correlation_id,
            "occurred_at": now,
        },
    )
    if stored is None:
        return None
    values = {"last_message_at": now} | ({"unread": 0} if new.reply_to or new.origin.startswith("staff:") else {})
    store.change_conversation(connection, workspace_id, new.lead_id, values)
    ask_to_send(
        connection, clocks, workspace_id, stored, story, occasion="queued", lane=new.lane, not_before=new.not_before
    )
    return stored


def queue_openings(
    connection: Connection, clocks: Clocks, openings: Sequence[tuple[UUID, NewMessage, Cause]]
) -> list[UUID | None]:
    """Put many messages that answer nobody into the outbox, each with its studio and story, as `queue_message` does.

    Args:
        connection: a transaction that holds the leads.
        clocks: both clocks.
        openings: messages that may go at once and are written by no person.

    Raises:
        Invalid: one has neither text nor template, more text than WhatsApp takes, or is no such message.
    """
    for _, new, _ in openings:
        _check(new)
        more = new.reply_to, new.not_before, new.picture
        if any(one is not None for one in more) or new.buttons or new.origin.startswith("staff:"):
            raise Invalid("Only words that go at once and answer nobody are put into the outbox together.")
    now = clocks.business.now()
    rows = [
        opening_store.Opening(
            workspace_id,
            new_id(),
            new.lead_id,
            "text" if new.text else "template",
            new.category,
            new.origin,
            new.text,
            new.template,
            json.dumps(list(new.parameters)) if new.template else None,
            new.cause,
            story.correlation_id,
        )
        for workspace_id, new, story in openings
    ]
    stored = opening_store.add(connection, rows, now)
    jobs = [
        (_sending(workspace_id, row.id, "queued", new.lane), story)
        for row, (workspace_id, new, story) in zip(rows, openings, strict=True)
        if row.id in stored
    ]
    enqueue_each(connection, clocks, jobs)
    return [row.id if row.id in stored else None for row in rows]


def _check(new: NewMessage) -> None:
    if not new.text and not new.template:
        raise Invalid("A message needs a text or a template.")
    if new.text and len(new.text) > LONGEST_TEXT:
        raise Invalid(f"A message has at most {LONGEST_TEXT} characters; this one has {len(new.text)}.")


def _sending(
    workspace_id: UUID,
    message_id: UUID,
    occasion: str,
    lane: Lane,
    due_at: datetime | None = None,
    *,
    business_time: bool = False,
) -> Job:
    return Job(
        payload=SendMessage(message_id=message_id),
        key=f"{message_id}:{occasion}",
        workspace_id=workspace_id,
        lane=lane,
        due_at=due_at,
        business_time=business_time,
    )


def _beside_words(new: NewMessage) -> dict[str, Any] | None:
    """What a message holds beside its words, as it is kept."""
    held: dict[str, Any] = {"buttons": [asdict(one) for one in new.buttons]} if new.buttons else {}
    return {**held, **({"picture": dict(new.picture)} if new.picture else {})} or None


def ask_to_send(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    message_id: UUID,
    story: Cause,
    *,
    occasion: str,
    lane: Lane = Lane.DEFAULT,
    not_before: datetime | None = None,
    business_time: bool = True,
) -> None:
    """Have a stored message handed over.

    Args:
        connection: the transaction of what asks for it.
        clocks: both clocks.
        workspace_id: the studio's.
        message_id: which.
        story: the story it belongs to.
        occasion: why now; the same occasion asks once.
        lane: the queue's.
        not_before: when; None: now.
        business_time: whether that is business time, else real time.
    """
    by_business = business_time and not_before is not None
    job = _sending(workspace_id, message_id, occasion, lane, not_before, business_time=by_business)
    enqueue(connection, clocks, [job], story)

"""Messages from people. What belongs here: their kinds and shapes in a webhook, and that they open a window."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from provider_sandbox.meta import contacts
from provider_sandbox.meta.accounts import PHONE, new_node_id
from provider_sandbox.meta.messages import new_message_id
from provider_sandbox.meta.statuses import metadata
from provider_sandbox.meta.webhooks import MESSAGES, Change, tell
from provider_sandbox.state import Body, Transaction
from provider_sandbox.tasks import TaskQueue

KIND = "meta.inbound"
KINDS = ("text", "button", "reaction", "audio", "unsupported")


class Unreachable(LookupError):
    """Nobody has this number on WhatsApp."""


@dataclass(frozen=True)
class Said:
    """What somebody sends.

    Attributes:
        sender: their number.
        text: what they write; a button's title, a reaction's emoji.
        name: as in their profile; None keeps the name that is known.
        kind: one of `KINDS`.
        id: the message's; a fresh one where none is given.
        context: the message that this one answers or reacts to.
    """

    sender: str
    text: str = ""
    name: str | None = None
    kind: str = "text"
    id: str | None = None
    context: str | None = None


@dataclass(frozen=True)
class Post:
    """What one number receives."""

    to: str
    messages: Sequence[Said]


@dataclass(frozen=True)
class Receipt:
    """What became of it: the messages' ids, and the name of the delivery where anybody is told."""

    ids: list[str]
    delivery: str | None


def receive(tx: Transaction, deliveries: TaskQueue, posts: Sequence[Post], *, repeat: int = 1) -> Receipt:
    """Messages arrive, and are told in one delivery.

    Args:
        tx: the open transaction.
        deliveries: the queue of webhooks.
        posts: by number; a business gets one entry.
        repeat: how often the delivery is sent.

    Raises:
        Unreachable: a number is not on WhatsApp.
    """
    ids: list[str] = []
    changes: list[Change] = []
    for post in posts:
        phone = phone_of(tx, post.to)
        people: dict[str, Body] = {}
        messages: list[Body] = []
        for said in post.messages:
            wa_id = contacts.digits(said.sender)
            people[wa_id] = contacts.shown(contacts.wrote(tx, phone, wa_id, said.name))
            message = _message(tx, phone, wa_id, said)
            tx.put(KIND, message["id"], message, owner=phone["id"], key=wa_id)
            messages.append(message)
        ids += [message["id"] for message in messages]
        value = {
            "messaging_product": "whatsapp",
            "metadata": metadata(phone),
            "contacts": list(people.values()),
            "messages": messages,
        }
        changes.append(Change(phone["waba"], MESSAGES, value))
    return Receipt(ids, tell(tx, deliveries, changes, repeat=repeat))


def phone_of(tx: Transaction, number: str) -> Body:
    """The number that people write to; raise `Unreachable` where it can't receive anything."""
    found = tx.find(PHONE, key=f"+{contacts.digits(number)}")
    if not found or found[0]["status"] != "CONNECTED":
        raise Unreachable(f"{number} is not on WhatsApp.")
    return found[0]


def _message(tx: Transaction, phone: Body, wa_id: str, said: Said) -> Body:
    message: Body = {
        "from": wa_id,
        "id": said.id or new_message_id(),
        "timestamp": str(int(tx.business_now().timestamp())),
        "type": said.kind,
    }
    if said.context and said.kind != "reaction":
        message["context"] = {"from": contacts.digits(phone["number"]), "id": said.context}
    return message | _content(said)


def _content(said: Said) -> Body:
    if said.kind == "text":
        return {"text": {"body": said.text}}
    if said.kind == "button":
        return {"button": {"payload": said.text, "text": said.text}}
    if said.kind == "reaction":
        return {"reaction": {"message_id": said.context, "emoji": said.text}}
    if said.kind == "audio":
        digest = hashlib.sha256(said.text.encode()).hexdigest()
        return {"audio": {"id": new_node_id(), "mime_type": "audio/ogg; codecs=opus", "sha256": digest, "voice": True}}
    details = {"details": "Messages of this type are not passed on."}
    error = {"code": 131051, "title": "Message type unknown", "message": "Message type unknown", "error_data": details}
    return {"errors": [error]}

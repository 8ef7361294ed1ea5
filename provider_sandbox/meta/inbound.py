"""Messages from people. What belongs here: that they arrive, are told, and open a window; their shapes are not."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from provider_sandbox.meta import contacts, media
from provider_sandbox.meta.accounts import PHONE
from provider_sandbox.meta.inbound_kinds import (
    ABOUT_ANOTHER,
    CALL,
    ERRORS,
    MEDIA,
    SILENT,
    Said,
    content,
    error,
    mime_type,
)
from provider_sandbox.meta.messages import INBOUND, new_message_id
from provider_sandbox.meta.statuses import metadata
from provider_sandbox.meta.webhooks import MESSAGES, Change, tell
from provider_sandbox.state import Body, Transaction
from provider_sandbox.tasks import TaskQueue

KIND = INBOUND
CALL_KIND = "meta.call"
CALLS = "calls"
"""The field of calls."""


class Unreachable(LookupError):
    """Nobody has this number on WhatsApp."""


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
        by_field: dict[str, list[Body]] = {"messages": [], "calls": [], "errors": []}
        for said in post.messages:
            wa_id = contacts.digits(said.sender)
            contact = contacts.find(tx, phone, wa_id)
            if said.kind not in SILENT:
                contact = contacts.wrote(tx, phone, wa_id, said.name)
            people[wa_id] = contacts.shown(contact, hidden=said.hidden)
            part = _PARTS.get(said.kind, "messages")
            item = _MAKERS[part](tx, phone, contact, said)
            by_field[part].append(item)
            if "id" in item:
                ids.append(item["id"])
        changes += _changes(phone, list(people.values()), by_field)
    return Receipt(ids, tell(tx, deliveries, changes, repeat=repeat))


def phone_of(tx: Transaction, number: str) -> Body:
    """The number that people write to; raise `Unreachable` where it can't receive anything."""
    found = tx.find(PHONE, key=f"+{contacts.digits(number)}")
    if not found or found[0]["status"] != "CONNECTED":
        raise Unreachable(f"{number} is not on WhatsApp.")
    return found[0]


def _changes(phone: Body, people: list[Body], by_field: dict[str, list[Body]]) -> list[Change]:
    about = {"messaging_product": "whatsapp", "metadata": metadata(phone)}
    told = []
    if by_field["messages"]:
        told.append(Change(phone["waba"], MESSAGES, {**about, "contacts": people, "messages": by_field["messages"]}))
    if by_field["calls"]:
        told.append(Change(phone["waba"], CALLS, {**about, "contacts": people, "calls": by_field["calls"]}))
    if by_field["errors"]:
        told.append(Change(phone["waba"], MESSAGES, {**about, "errors": by_field["errors"]}))
    return told


def _message(tx: Transaction, phone: Body, contact: Body, said: Said) -> Body:
    sender = {"from_user_id": contacts.scoped_id(contact)} if said.hidden else {"from": contact["wa_id"]}
    message: Body = {
        **sender,
        "id": said.id or new_message_id(),
        "timestamp": str(int(tx.business_now().timestamp())),
        "type": said.kind,
    }
    if said.group:
        message["group_id"] = said.group
    if said.context and said.kind not in ABOUT_ANOTHER:
        message["context"] = {"from": contacts.digits(phone["number"]), "id": said.context}
    if said.referral:
        message["referral"] = dict(said.referral)
    file = None
    if said.kind in MEDIA:
        bytes_of_it = media.picture() if said.kind == "image" else said.text.encode() or said.kind.encode()
        file = media.keep(tx, phone, mime_type(said.kind), bytes_of_it)
    message |= content(said, file)
    return tx.put(KIND, message["id"], message, owner=phone["id"], key=contact["wa_id"])


def _call(tx: Transaction, phone: Body, contact: Body, said: Said) -> Body:
    call: Body = {
        "id": said.id or f"wacid.{secrets.token_hex(20)}",
        "from": contact["wa_id"],
        "to": contacts.digits(phone["number"]),
        "event": "connect",
        "direction": "USER_INITIATED",
        "timestamp": str(int(tx.business_now().timestamp())),
        **said.fields,
    }
    return tx.put(CALL_KIND, call["id"], call, owner=phone["id"], key=contact["wa_id"])


def _error(_tx: Transaction, _phone: Body, _contact: Body, said: Said) -> Body:
    return error(int(said.fields.get("code", 131000)), said.text or "Something went wrong at Meta.")


_PARTS = {CALL: "calls", ERRORS: "errors"}
_MAKERS: dict[str, Callable[[Transaction, Body, Body, Said], Body]] = {
    "messages": _message,
    "calls": _call,
    "errors": _error,
}

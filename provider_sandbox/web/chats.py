"""Chats as a telephone shows them. What belongs here: which chats somebody has, and what stands in one; no HTML.

A chat is one person, one studio's number and one way: WhatsApp or SMS. Its messages are in the order in which they
came about, whatever clock their times are of.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from provider_sandbox.meta import contacts, templates
from provider_sandbox.meta.accounts import PHONE
from provider_sandbox.meta.messages import INBOUND
from provider_sandbox.meta.statuses import MESSAGE
from provider_sandbox.state import Body, Transaction
from provider_sandbox.twilio.reports import MESSAGE as SMS
from provider_sandbox.web.bubbles import Bubble, from_person, from_studio, sms, with_changes

By = Literal["whatsapp", "sms"]
NEWEST = 200
"""So many messages of a chat are shown, and so many chats of a studio."""
READ_MARK = "meta.message_marked_read"


@dataclass(frozen=True)
class Chat:
    """One line in the list of chats.

    Attributes:
        by: the way.
        person: their number.
        studio: the studio's number.
        last: grows with the latest message.
        preview: the beginning of the latest message.
        blocked: the person has blocked the studio.
        stopped: the person has stopped the studio's marketing.
        is_open: the studio may write freely; only of WhatsApp.
    """

    by: By
    person: str
    studio: str
    last: int
    preview: str
    blocked: bool = False
    stopped: bool = False
    is_open: bool = False


def of_person(tx: Transaction, number: str) -> list[Chat]:
    """A person's chats, the latest first."""
    rows = tx.run("select owner, body from object where kind = ? and key = ?", contacts.KIND, contacts.digits(number))
    found = [_whatsapp(tx, row["owner"], json.loads(row["body"])) for row in rows]
    return _latest_first([*(chat for chat in found if chat), *_sms(tx, number, of_studio=False)])


def of_studio(tx: Transaction, number: str) -> list[Chat]:
    """The chats of a studio's number with its newest contacts, the latest first."""
    phones = tx.find(PHONE, key=number)
    found = [
        _whatsapp(tx, phone["id"], contact)
        for phone in phones
        for contact in tx.find(contacts.KIND, owner=phone["id"])[-NEWEST:]
    ]
    return _latest_first([*(chat for chat in found if chat), *_sms(tx, number, of_studio=True)])


def messages(tx: Transaction, chat: Chat) -> list[Bubble]:
    """What stands in a chat, the oldest first."""
    return _sms_messages(tx, chat) if chat.by == "sms" else _whatsapp_messages(tx, chat)


def _whatsapp(tx: Transaction, phone_id: str, contact: Body) -> Chat | None:
    phone = tx.get(PHONE, phone_id)
    if phone is None:
        return None
    rows = tx.run(
        "select seq, kind, body from object where kind in (?, ?) and owner = ? and key = ? order by seq desc limit 1",
        *(MESSAGE, INBOUND, phone_id, contact["wa_id"]),
    )
    last, preview = 0, ""
    if rows:
        body = json.loads(rows[0]["body"])
        bubble = from_person(body) if rows[0]["kind"] == INBOUND else from_studio(body, None)
        last, preview = rows[0]["seq"], bubble.text
    return Chat(
        "whatsapp",
        f"+{contact['wa_id']}",
        phone["number"],
        last,
        preview,
        contact["blocked"],
        bool(contact.get("stopped_marketing")),
        contacts.window_is_open(tx, contact),
    )


def _sms(tx: Transaction, number: str, *, of_studio: bool) -> Iterable[Chat]:
    rows = tx.run(
        "select max(seq) as last, key as receiver, json_extract(body, '$.from') as sender,"
        " json_extract(body, '$.body') as text, json_extract(body, '$.direction') as direction from object"
        " where kind = ? and (key = ? or sender = ?) group by receiver, sender order by last",
        *(SMS, number, number),
    )
    found: dict[tuple[str, str], Chat] = {}
    for row in rows:
        is_in = row["direction"] == "inbound"
        person, studio = (row["sender"], row["receiver"]) if is_in else (row["receiver"], row["sender"])
        # A number of ours that writes to a number of ours is a chat of both.
        if (studio if of_studio else person) == number:
            found[person, studio] = Chat("sms", person, studio, row["last"], row["text"])
    return found.values()


def _latest_first(found: list[Chat]) -> list[Chat]:
    return sorted(found, key=lambda chat: chat.last, reverse=True)


def _whatsapp_messages(tx: Transaction, chat: Chat) -> list[Bubble]:
    phone = tx.find(PHONE, key=chat.studio)[0]
    rows = tx.run(
        "select kind, body from object where kind in (?, ?) and owner = ? and key = ? order by seq desc limit ?",
        *(MESSAGE, INBOUND, phone["id"], contacts.digits(chat.person), NEWEST),
    )
    bodies = [(row["kind"], json.loads(row["body"])) for row in reversed(rows)]
    own = [body["id"] for kind, body in bodies if kind == INBOUND]
    marks = ", ".join("?" * len(own))
    seen = {
        row["key"] for row in tx.run(f"select key from effect where kind = ? and key in ({marks})", READ_MARK, *own)
    }
    found = [
        from_person(body, was_seen=body["id"] in seen)
        if kind == INBOUND
        else from_studio(body, _template(tx, phone["waba"], body))
        for kind, body in bodies
    ]
    return with_changes(found)


def _template(tx: Transaction, waba: str, message: Body) -> Body | None:
    used = message["template"]
    return templates.find(tx, waba, used["name"], used["language"]) if used else None


def _sms_messages(tx: Transaction, chat: Chat) -> list[Bubble]:
    rows = tx.run(
        "select body from object where kind = ? and ((key = ? and json_extract(body, '$.from') = ?)"
        " or (key = ? and json_extract(body, '$.from') = ?)) order by seq desc limit ?",
        *(SMS, chat.person, chat.studio, chat.studio, chat.person, NEWEST),
    )
    return [sms(json.loads(row["body"]), chat.person) for row in reversed(rows)]

"""Messages to people. What belongs here: accepting or refusing one as the Cloud API does; what becomes of it is not.

What concerns the request is refused on the call. What Meta finds out afterwards (the window has closed, the person
can't be reached) is accepted, and told by a status.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from provider_sandbox.meta import accounts, businesses, contacts, errors, filling, outgoing
from provider_sandbox.meta.answers import Played
from provider_sandbox.meta.statuses import MESSAGE, Statuses
from provider_sandbox.meta.traffic import Traffic
from provider_sandbox.state import Body, Transaction

SERVICE = "service"
MARKETING = "marketing"
REACTION = "reaction"
INBOUND = "meta.inbound"
LONGEST_CALLBACK = 512

Listener = Callable[[Transaction, Body, Body], None]
"""Somebody who gets what is sent: called with the number and the message, in the transaction that accepts it."""


class Messages:
    """Accepts what businesses send."""

    def __init__(self, statuses: Statuses, traffic: Traffic, listener: Listener) -> None:
        self._statuses = statuses
        self._traffic = traffic
        self._listener = listener

    def send(self, tx: Transaction, phone: Body, document: Mapping[str, Any], played: Played | None = None) -> Body:
        """Accept a message from a number.

        Args:
            tx: the open transaction.
            phone: the number.
            document: the request.
            played: the failure that a status is to tell, whatever the rules say.

        Returns:
            The answer to the call.

        Raises:
            GraphError: the request is not right, or the number or template can't be used.
        """
        to = _recipient(phone, document)
        waba = tx.get(accounts.WABA, phone["waba"]) or {}
        contact = contacts.find(tx, phone, to)
        is_open = contacts.window_is_open(tx, contact)
        _check_standing(tx, waba, is_open=is_open)
        callback = _callback(document)
        content = _content(tx, phone, document)
        contact = contacts.save(tx, phone, self._traffic.admit(tx, phone, contact))
        error = played.as_failure() if played else self._failure(tx, waba, contact, content, is_open=is_open)
        message = {
            "id": new_message_id(),
            "waba": phone["waba"],
            "phone_id": phone["id"],
            "from": phone["number"],
            "to": to,
            **content,
            "callback": callback,
            "reply_to": _context(document),
            "at": tx.business_now().isoformat(),
            "conversation": secrets.token_hex(16),
            "error": error,
            "delivered_after_failure": bool(played and played.delivered),
            "statuses": [],
        }
        tx.put(MESSAGE, message["id"], message, owner=phone["id"], key=to)
        tx.effect("meta.message_sent", callback or message["id"])
        if error:
            tx.effect("meta.message_failed", callback or message["id"])
        elif content["type"] != REACTION:
            self._listener(tx, phone, message)
        self._statuses.follow(tx, message)
        return {
            "messaging_product": "whatsapp",
            "contacts": [{"input": document["to"], "wa_id": to}],
            "messages": [{"id": message["id"], "message_status": "accepted"}],
        }

    def _failure(self, tx: Transaction, waba: Body, contact: Body, content: Body, *, is_open: bool) -> Body | None:
        """Why a message that was accepted won't arrive, as a status tells it; None where it will."""
        category = content["category"]
        if contact["blocked"]:
            return errors.told(131026, "The person can't be reached.")
        if category == SERVICE and not is_open:
            return errors.told(131047, "The person's last message is over a day old.")
        if category == MARKETING and contact.get("stopped_marketing"):
            return errors.told(131050, "The person has stopped this business's marketing.")
        if category == MARKETING and contacts.region(contact["wa_id"]) == contacts.UNITED_STATES:
            return errors.told(131049, "Nobody there gets marketing templates.")
        if is_open:
            return None
        refused = self._traffic.opens(tx, waba, contact["wa_id"])
        if refused is None and category == MARKETING:
            refused = self._traffic.markets(tx, contact["wa_id"])
        return refused


def new_message_id() -> str:
    """A random identifier of a message."""
    return f"wamid.{base64.b64encode(secrets.token_bytes(30)).decode()}"


def marks_read(document: Mapping[str, Any]) -> bool:
    """Whether a request says that a message was read, in place of sending one."""
    return "status" in document


def mark_read(tx: Transaction, phone: Body, document: Mapping[str, Any]) -> None:
    """Take note that somebody's message was read; raise 131009 for a message that this number did not get."""
    if document.get("messaging_product") != "whatsapp" or document.get("status") != "read":
        raise errors.invalid("Param status must be one of {READ}.")
    identity = str(document.get("message_id"))
    if not tx.run("select 1 from object where kind = ? and id = ? and owner = ?", INBOUND, identity, phone["id"]):
        raise errors.refused(131009, "message_id is no message that this number has received.")
    typing = document.get("typing_indicator")
    if typing is not None and (not isinstance(typing, Mapping) or typing.get("type") != "text"):
        raise errors.invalid("Param typing_indicator['type'] must be one of {TEXT}.")
    tx.effect("meta.message_marked_read", identity)


def _check_standing(tx: Transaction, waba: Body, *, is_open: bool) -> None:
    """Refuse a business that has been banned, or restricted in what it is about to do."""
    if businesses.banned(waba):
        raise errors.refused(131031, "The business has been disabled.")
    kind = businesses.CUSTOMER_INITIATED if is_open else businesses.BUSINESS_INITIATED
    if businesses.restricted(tx, waba, kind):
        raise errors.refused(368, "The business has been restricted for a while.")


def _recipient(phone: Body, document: Mapping[str, Any]) -> str:
    if document.get("messaging_product") != "whatsapp":
        raise errors.invalid("The parameter messaging_product is required.")
    if document.get("recipient_type", "individual") != "individual":
        raise errors.invalid("Param recipient_type must be one of {INDIVIDUAL}.")
    to = document.get("to")
    if not isinstance(to, str) or not to:
        raise errors.invalid("The parameter to is required.")
    if phone["status"] != "CONNECTED":
        raise errors.refused(133010, "The number is not registered.")
    if re.search(r"[A-Za-z]", to):
        raise errors.refused(131009, "to is no phone number: the sandbox can't write to a business-scoped id.")
    number = contacts.digits(to)
    if not 7 <= len(number) <= 15:
        raise errors.refused(131009, "to is no phone number.")
    if number == contacts.digits(phone["number"]):
        raise errors.invalid("A number can't write to itself.")
    return number


def _callback(document: Mapping[str, Any]) -> str | None:
    callback = document.get("biz_opaque_callback_data")
    if callback is not None and (not isinstance(callback, str) or len(callback) > LONGEST_CALLBACK):
        raise errors.invalid(f"Param biz_opaque_callback_data must be at most {LONGEST_CALLBACK} characters long.")
    return callback


def _context(document: Mapping[str, Any]) -> str | None:
    context = document.get("context")
    if context is None:
        return None
    if not isinstance(context, dict) or not isinstance(context.get("message_id"), str):
        raise errors.invalid("Param context needs a message_id.")
    return str(context["message_id"])


def _content(tx: Transaction, phone: Body, document: Mapping[str, Any]) -> Body:
    kind = document.get("type", "text")
    if kind == "template":
        return filling.filled(tx, phone, document.get("template"))
    text = outgoing.read(tx, phone, str(kind), document)
    content = {} if kind == "text" else {"content": document[str(kind)]}
    return {"type": kind, "text": text, "template": None, "category": SERVICE, **content}

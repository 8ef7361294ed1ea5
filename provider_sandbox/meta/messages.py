"""Messages to people. What belongs here: accepting or refusing one as the Cloud API does; what becomes of it is not.

What concerns the request is refused on the call. What Meta finds out afterwards (the window has closed, the person
can't be reached) is accepted, and told by a status.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from provider_sandbox.meta import contacts, errors, templates
from provider_sandbox.meta.errors import GraphError
from provider_sandbox.meta.statuses import MESSAGE, Statuses
from provider_sandbox.state import Body, Transaction

SERVICE = "service"
LONGEST = 4096
LONGEST_CALLBACK = 512

Listener = Callable[[Transaction, Body, Body], None]
"""Somebody who gets what is sent: called with the number and the message, in the transaction that accepts it."""


class Messages:
    """Accepts what businesses send."""

    def __init__(self, statuses: Statuses, listener: Listener) -> None:
        self._statuses = statuses
        self._listener = listener

    def send(self, tx: Transaction, phone: Body, document: Mapping[str, Any]) -> Body:
        """Accept a message from a number.

        Returns:
            The answer to the call.

        Raises:
            GraphError: the request is not right, or the number or template can't be used.
        """
        to = _recipient(phone, document)
        callback = _callback(document)
        content = _content(tx, phone, document)
        contact = contacts.find(tx, phone, to)
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
            "error": _failure(tx, contact, content),
            "statuses": [],
        }
        tx.put(MESSAGE, message["id"], message, owner=phone["id"], key=to)
        tx.effect("meta.message_sent", callback or message["id"])
        if message["error"]:
            tx.effect("meta.message_failed", callback or message["id"])
        else:
            self._listener(tx, phone, message)
        self._statuses.follow(tx, message)
        return {
            "messaging_product": "whatsapp",
            "contacts": [{"input": document["to"], "wa_id": to}],
            "messages": [{"id": message["id"], "message_status": "accepted"}],
        }


def new_message_id() -> str:
    """A random identifier of a message."""
    return f"wamid.{base64.b64encode(secrets.token_bytes(30)).decode()}"


def _recipient(phone: Body, document: Mapping[str, Any]) -> str:
    if document.get("messaging_product") != "whatsapp":
        raise errors.invalid("The parameter messaging_product is required.")
    if document.get("recipient_type", "individual") != "individual":
        raise errors.invalid("Param recipient_type must be one of {INDIVIDUAL}.")
    to = document.get("to")
    if not isinstance(to, str) or not to:
        raise errors.invalid("The parameter to is required.")
    if phone["status"] != "CONNECTED":
        raise GraphError(133010, "(#133010) Account not registered", details="The number is not registered.")
    number = contacts.digits(to)
    if not 7 <= len(number) <= 15:
        raise GraphError(131009, "(#131009) Parameter value is not valid", details="to is no phone number.")
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
    if kind == "text":
        return {"type": kind, "text": _text(document), "template": None, "category": SERVICE}
    if kind != "template":
        raise errors.invalid("Param type must be one of {TEXT, TEMPLATE}: the sandbox sends nothing else.")
    wanted = document.get("template")
    if not isinstance(wanted, dict) or not isinstance(wanted.get("name"), str):
        raise errors.missing("template['name']")
    language = wanted.get("language")
    if not isinstance(language, dict) or not isinstance(language.get("code"), str):
        raise errors.invalid("The parameter template['language']['code'] is required.")
    template = _usable(tx, phone["waba"], wanted["name"], language["code"])
    values = _parameters(wanted.get("components") or [])
    text = templates.text_of(template)
    expected = len(templates.variables(text))
    if len(values) != expected:
        raise GraphError(
            132000,
            "(#132000) Number of parameters does not match the expected number of params",
            details=f"The body has {len(values)} parameters where {expected} are expected.",
        )
    return {
        "type": kind,
        "text": templates.filled(text, values),
        "template": {"name": template["name"], "language": template["language"], "parameters": values},
        "category": template["category"].lower(),
    }


def _text(document: Mapping[str, Any]) -> str:
    text = document.get("text")
    body = text.get("body") if isinstance(text, dict) else None
    if not isinstance(body, str) or not body:
        raise errors.missing("text['body']")
    if len(body) > LONGEST:
        raise errors.invalid(f"Param text['body'] must be at most {LONGEST} characters long.")
    return body


def _usable(tx: Transaction, waba: str, name: str, language: str) -> Body:
    template = templates.find(tx, waba, name, language)
    if template and template["status"] == "PAUSED":
        raise GraphError(132015, "(#132015) Template is Paused", details=f"{name} is paused.")
    if template and template["status"] == "DISABLED":
        raise GraphError(132016, "(#132016) Template is Disabled", details=f"{name} is disabled.")
    if template is None or template["status"] != "APPROVED":
        raise GraphError(
            132001,
            "(#132001) Template name does not exist in the translation",
            status=404,
            details=f"There is no approved {name} in {language}.",
        )
    return template


def _parameters(components: Sequence[Any]) -> list[str]:
    values: list[str] = []
    for component in components:
        if not isinstance(component, dict) or str(component.get("type")).lower() != "body":
            raise errors.invalid("Param template['components'] may hold a body only: the sandbox knows nothing else.")
        for parameter in component.get("parameters") or []:
            text = parameter.get("text") if isinstance(parameter, dict) else None
            if not isinstance(text, str) or not text or parameter.get("type") != "text":
                raise GraphError(
                    132012, "(#132012) Parameter format does not match format in the created template", details="body"
                )
            values.append(text)
    return values


def _failure(tx: Transaction, contact: Body, content: Body) -> Body | None:
    """Why a message that was accepted won't arrive, as a status tells it; None where it will."""
    if contact["blocked"]:
        return errors.told(131026, "Message undeliverable", "The person can't be reached.")
    if content["category"] == SERVICE and not contacts.window_is_open(tx, contact):
        return errors.told(131047, "Re-engagement message", "The person's last message is over a day old.")
    if content["category"] == "marketing" and contacts.region(contact["wa_id"]) == contacts.UNITED_STATES:
        return errors.told(131049, "Message not delivered", "Nobody there gets marketing templates.")
    return None

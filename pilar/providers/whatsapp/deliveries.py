"""What Meta's webhooks say. What belongs here: pure reading of a delivery into changes; what they mean to us does not.

A delivery holds any number of entries, changes, messages and statuses, in no order, of kinds that Meta adds to without
notice. Each is read by itself: what can't be read becomes `Unknown` and takes nothing else with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pilar.providers.documents import Document, Unreadable, as_document, child, optional_children, optional_text, text
from pilar.providers.whatsapp import account_news
from pilar.providers.whatsapp.account_news import AccountNews
from pilar.providers.whatsapp.call_events import Call
from pilar.providers.whatsapp.contents import text_of
from pilar.providers.whatsapp.numbers import as_e164
from pilar.storable import storable

MALFORMED = "malformed"
"""The kind of what Meta has promised another shape for."""

_NO_REASON = "NONE"
_LONGEST_NAME = 512
_META_ID = re.compile(r"[0-9A-Za-z_.-]{1,64}")
_DIGITS = re.compile(r"[0-9]{7,15}")


@dataclass(frozen=True)
class InboundMessage:
    """Somebody wrote to a number.

    Attributes:
        account_id: Meta's id of the account (WABA).
        phone_number_id: Meta's id of the number that was written to.
        id: Meta's id of the message (wamid).
        sender: their WhatsApp id, or their business-scoped user id where Meta keeps the number to itself.
        sender_phone: their number in E.164, where it is known.
        sender_name: as in their profile.
        kind: Meta's word (text, button, interactive, reaction, audio, unsupported, …).
        text: what they wrote, also under a picture, or the title of what they chose; None for everything else.
        reply_to: Meta's id of the message that this one answers or reacts to.
        sent_at: when, by Meta's clock.
        payload: the message as it came.
        group_id: Meta's id of the group that they wrote in; None for a message to the number itself.
        sender_user_id: their business-scoped user id, where it is told too.
    """

    account_id: str
    phone_number_id: str
    id: str
    sender: str
    sender_phone: str | None
    sender_name: str | None
    kind: str
    text: str | None
    reply_to: str | None
    sent_at: datetime
    payload: dict[str, Any]
    group_id: str | None = None
    sender_user_id: str | None = None


@dataclass(frozen=True)
class StatusError:
    """Why a message failed; `reaction_to(code)` tells what to do about it."""

    code: str
    title: str
    details: str


@dataclass(frozen=True)
class MessageStatus:
    """What became of a message of ours.

    Attributes:
        account_id: Meta's id of the account (WABA).
        phone_number_id: Meta's id of the number that sent it.
        message_id: Meta's id of the message (wamid).
        status: Meta's word: sent, delivered, read, played or failed.
        at: when, by Meta's clock.
        recipient: whom it went to, by WhatsApp id or user id.
        callback: what we gave along: our id of the message.
        errors: why it failed.
        category: what it is billed as (service, utility, marketing, authentication).
    """

    account_id: str
    phone_number_id: str
    message_id: str
    status: str
    at: datetime
    recipient: str | None
    callback: str | None
    errors: tuple[StatusError, ...]
    category: str | None


@dataclass(frozen=True)
class TemplateStatus:
    """Meta decided about a template.

    Attributes:
        event: Meta's word (APPROVED, REJECTED, PAUSED, DISABLED, …).
        at: when, by Meta's clock; None where the delivery does not tell.
        title: which pause it is (FIRST_PAUSE, SECOND_PAUSE), or that one has ended.
    """

    account_id: str
    template_id: str
    name: str
    language: str
    event: str
    reason: str | None
    at: datetime | None = None
    title: str | None = None


@dataclass(frozen=True)
class TemplateQuality:
    """People take a template otherwise than before; `score` is Meta's word (GREEN, YELLOW, RED, UNKNOWN)."""

    account_id: str
    name: str
    language: str
    score: str


@dataclass(frozen=True)
class Preference:
    """Somebody stopped or resumed a business's marketing in WhatsApp's own settings."""

    account_id: str
    phone_number_id: str
    sender: str
    opted_out: bool
    at: datetime


@dataclass(frozen=True)
class Unknown:
    """A change that is not read here; `kind` is Meta's event where it names one, or `MALFORMED`."""

    account_id: str
    field: str
    kind: str


Change = InboundMessage | Call | MessageStatus | TemplateStatus | TemplateQuality | Preference | AccountNews | Unknown


def read(document: Document) -> list[Change]:
    """Tell the changes of a delivery apart, in their order.

    Args:
        document: the body, parsed. Nothing is raised, whatever it holds; what lies too deep, or can't be stored, makes
            its own item unreadable and none beside it.
    """
    return [change for entry in _items(storable(document), "entry") for change in _entry(entry)]


def names_in(document: Document) -> list[tuple[str, str]]:
    """Which numbers and accounts a delivery names, each once: as (`number` or `account`, Meta's id).

    Args:
        document: the body, parsed. It may be anybody's: what can't be an id of Meta's is left out.
    """
    names: dict[tuple[str, str], None] = {}
    for entry in _items(document, "entry"):
        if not isinstance(entry, Mapping):
            continue
        told = [("account", entry.get("id"))]
        for change in _items(entry, "changes"):
            value = change.get("value") if isinstance(change, Mapping) else None
            if isinstance(value, Mapping):
                told.append(("number", child(value, "metadata").get("phone_number_id")))
        names |= {(kind, name): None for kind, name in told if isinstance(name, str) and _META_ID.fullmatch(name)}
    return list(names)


def _entry(entry: object) -> Iterator[Change]:
    if not isinstance(entry, Mapping):
        yield Unknown("", "", MALFORMED)
        return
    account_id = _identifier(entry, "id") or ""
    for change in _items(entry, "changes"):
        if not isinstance(change, Mapping):
            yield Unknown(account_id, "", MALFORMED)
            continue
        field = optional_text(change, "field") or ""
        value = change.get("value")
        if field and isinstance(value, Mapping):
            yield from _change(account_id, field, value, account_news.moment_of(entry, "time"))
        else:
            yield Unknown(account_id, field, MALFORMED)


def _change(account_id: str, field: str, value: Document, at: datetime | None) -> Iterator[Change]:
    if field == "messages":
        for name, reader in (("messages", _message), ("statuses", _status)):
            for item in _items(value, name) if name in value else ():
                yield _guarded(reader, account_id, field, value, item)
        if "errors" in value:
            yield Unknown(account_id, field, "errors")
        elif "messages" not in value and "statuses" not in value:
            yield Unknown(account_id, field, MALFORMED)
    elif field == "calls" and "calls" in value:
        for item in _items(value, field):
            yield _guarded(_call, account_id, field, value, item)
    elif field == "user_preferences":
        for item in _items(value, field):
            yield _guarded(_preference, account_id, field, value, item)
    elif field == "message_template_status_update":
        told = _guarded(_template, account_id, field, value, value)
        yield replace(told, at=at) if isinstance(told, TemplateStatus) else told
    elif field == "message_template_quality_update":
        yield _guarded(_quality, account_id, field, value, value)
    elif field in account_news.FIELDS:
        yield account_news.read_news(account_id, field, value, at)
    else:
        yield Unknown(account_id, field, optional_text(value, "event") or "")


_Reader = Callable[[str, Document, Document], Change]
"""Reads one item of a change, given the account and the change's value."""


def _guarded(reader: _Reader, account_id: str, field: str, value: Document, item: object) -> Change:
    try:
        return reader(account_id, value, as_document(item))
    except Unreadable:
        return Unknown(account_id, field, MALFORMED)


def _message(account_id: str, value: Document, message: Document) -> Change:
    contact = _contact_of(value, message)
    user_id = optional_text(message, "from_user_id") or optional_text(contact, "user_id")
    number = optional_text(message, "from") or optional_text(contact, "wa_id")
    sender = number or user_id
    if sender is None:
        raise Unreadable("a message of nobody")
    return InboundMessage(
        account_id=account_id,
        phone_number_id=text(child(value, "metadata"), "phone_number_id"),
        id=_short(text(message, "id")),
        sender=_short(sender),
        sender_phone=_phone(number),
        sender_name=optional_text(child(contact, "profile"), "name"),
        kind=_short(optional_text(message, "type") or "unknown"),
        text=text_of(message),
        reply_to=optional_text(child(message, "context"), "id")
        or optional_text(child(message, "reaction"), "message_id"),
        sent_at=_moment(message, "timestamp"),
        payload=dict(message),
        group_id=optional_text(message, "group_id"),
        sender_user_id=_short(user_id) if user_id is not None else None,
    )


def _call(account_id: str, value: Document, call: Document) -> Change:
    is_theirs = optional_text(call, "direction") != "BUSINESS_INITIATED"
    side = "from" if is_theirs else "to"
    contact = _contact_of(value, call)
    user_id = optional_text(call, f"{side}_user_id") or optional_text(contact, "user_id")
    number = optional_text(call, side) or optional_text(contact, "wa_id")
    sender = number or user_id
    if sender is None:
        raise Unreadable("a call with nobody")
    event, status = optional_text(call, "event"), call.get("status")
    if event not in ("connect", "terminate"):
        return Unknown(account_id, "calls", event or "")
    # A list at a call's end in some versions, a word in others.
    has_failed = "FAILED" in (status if isinstance(status, list) else [status])
    seconds = _identifier(call, "duration")
    return Call(
        account_id=account_id,
        phone_number_id=text(child(value, "metadata"), "phone_number_id"),
        id=_short(text(call, "id")),
        sender=_short(sender),
        sender_phone=_phone(number),
        sender_name=optional_text(child(contact, "profile"), "name"),
        sender_user_id=_short(user_id) if user_id is not None else None,
        is_theirs=is_theirs,
        state="ringing" if event == "connect" else "failed" if has_failed else "completed",
        at=_moment(call, "timestamp"),
        began_at=_moment(call, "start_time") if _identifier(call, "start_time") else None,
        seconds=int(seconds) if seconds is not None and re.fullmatch(r"[0-9]{1,6}", seconds) else None,
    )


def _contact_of(value: Document, message: Document) -> Document:
    """Whose message or call it is: told by id, or the only one there is."""
    contacts = [one for one in _items(value, "contacts") if isinstance(one, Mapping)] if "contacts" in value else []
    pairs = (("from", "wa_id"), ("from_user_id", "user_id"))
    for ours, theirs in pairs:
        wanted = optional_text(message, ours)
        for contact in contacts:
            if wanted is not None and contact.get(theirs) == wanted:
                return contact
    return contacts[0] if len(contacts) == 1 else {}


def _status(account_id: str, value: Document, status: Document) -> Change:
    return MessageStatus(
        account_id=account_id,
        phone_number_id=text(child(value, "metadata"), "phone_number_id"),
        message_id=_short(text(status, "id")),
        status=_short(text(status, "status")),
        at=_moment(status, "timestamp"),
        recipient=optional_text(status, "recipient_id") or optional_text(status, "recipient_user_id"),
        callback=optional_text(status, "biz_opaque_callback_data"),
        errors=tuple(_error(error) for error in optional_children(status, "errors")),
        category=optional_text(child(status, "pricing"), "category")
        or optional_text(child(status, "conversation", "origin"), "type"),
    )


def _error(error: Document) -> StatusError:
    title = optional_text(error, "title") or ""
    details = optional_text(child(error, "error_data"), "details") or optional_text(error, "message") or title
    return StatusError(_identifier(error, "code") or "", title, details)


def _template(account_id: str, _value: Document, update: Document) -> Change:
    template_id = _identifier(update, "message_template_id")
    if template_id is None:
        raise Unreadable("a template without an id")
    reason = optional_text(update, "reason")
    return TemplateStatus(
        account_id=account_id,
        template_id=template_id,
        name=text(update, "message_template_name"),
        language=text(update, "message_template_language"),
        event=text(update, "event"),
        reason=None if reason == _NO_REASON else reason,
        title=optional_text(child(update, "other_info"), "title"),
    )


def _quality(account_id: str, _value: Document, update: Document) -> Change:
    return TemplateQuality(
        account_id=account_id,
        name=text(update, "message_template_name"),
        language=text(update, "message_template_language"),
        score=text(update, "new_quality_score"),
    )


def _preference(account_id: str, value: Document, preference: Document) -> Change:
    wish = text(preference, "value")
    if preference.get("category") != "marketing_messages" or wish not in ("stop", "resume"):
        return Unknown(account_id, "user_preferences", wish)
    sender = optional_text(preference, "wa_id") or text(preference, "user_id")
    phone_number_id = text(child(value, "metadata"), "phone_number_id")
    return Preference(account_id, phone_number_id, sender, wish == "stop", _moment(preference, "timestamp"))


def _short(name: str) -> str:
    """A name or an id; one that no index can hold is none of Meta's."""
    if len(name) > _LONGEST_NAME:
        raise Unreadable("a name of that length")
    return name


def _items(document: object, name: str) -> list[Any]:
    """A list's items; one that is none of ours where there is no list."""
    values = document.get(name) if isinstance(document, Mapping) else None
    return values if isinstance(values, list) else [None]


def _identifier(document: Document, name: str) -> str | None:
    """An id, which Meta writes as a text here and as a number there."""
    value = document.get(name)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else optional_text(document, name)


def _moment(document: Document, name: str) -> datetime:
    """Seconds of Unix time, which Meta writes as a text here and as a number there."""
    seconds = _identifier(document, name)
    if seconds is None or not re.fullmatch(r"[0-9]{1,11}", seconds):
        raise Unreadable(f"{name!r} is no moment in time")
    return datetime.fromtimestamp(int(seconds), UTC)


def _phone(number: str | None) -> str | None:
    if number is None or not _DIGITS.fullmatch(number):
        return None
    try:
        return as_e164(number)
    except Unreadable:
        return None


def only_statuses(document: Mapping[str, Any]) -> bool:
    """Whether a delivery tells only what became of messages of ours, so that nobody waits for an answer to it."""
    try:
        values = [change["value"] for entry in document["entry"] for change in entry["changes"]]
        return bool(values) and all("statuses" in value and "messages" not in value for value in values)
    except (LookupError, TypeError):
        return False

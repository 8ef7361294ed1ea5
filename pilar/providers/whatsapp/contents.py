"""What a message holds, by its kind. What belongs here: pure reading of one message as Meta writes it.

What does not: whose message it is and when it was written (`deliveries.py`). Shapes are those of Meta's reference of
webhooks, `messages`; what is not there, or is of another shape, is left out, and fails nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pilar.providers.documents import Document, Unreadable, child, optional_children, optional_text

MEDIA = ("image", "audio", "video", "document", "sticker")
EDIT, REVOKE = "edit", "revoke"

_LONGEST = 500
_LONGEST_CHOICE = 256
_MOST_CONTACTS = 10


def text_of(message: Document) -> str | None:
    """What somebody wrote: words, the title of what they chose, or what they wrote under a picture."""
    kind = message.get("type")
    if kind == "text":
        return optional_text(child(message, "text"), "body")
    if kind == "button":
        return optional_text(child(message, "button"), "text")
    if kind == "interactive":
        return optional_text(_reply(message)[1], "title")
    if kind in MEDIA:
        return optional_text(child(message, str(kind)), "caption")
    return None


def details_of(message: Document) -> dict[str, Any] | None:
    """What a message holds beside words; None: nothing that is known here.

    A choice is `choice` (its payload or id) and `form`; a file `media_id`, `mime_type`, `sha256` and its name; a place
    `latitude`, `longitude`, `name` and `address`; a reaction `emoji` (null: taken back) and `to`; people `contacts`.
    """
    kind = message.get("type")
    if kind == "button":
        return _told(choice=_short(child(message, "button"), "payload", _LONGEST_CHOICE), form="button")
    if kind == "interactive":
        form, reply = _reply(message)
        choice, description = _short(reply, "id", _LONGEST_CHOICE), _short(reply, "description")
        return _told(choice=choice, form=form, description=description)
    if kind in MEDIA:
        return _file(child(message, str(kind)))
    if kind == "location":
        return _place(child(message, "location"))
    if kind == "reaction":
        reaction = child(message, "reaction")
        to = _short(reaction, "message_id")
        return {"emoji": _short(reaction, "emoji", 20), "to": to} if to else None
    if kind == "contacts":
        people = [_person(one) for one in _children(message, "contacts")[:_MOST_CONTACTS]]
        return {"contacts": people} if people else None
    return None


@dataclass(frozen=True)
class Revision:
    """An earlier message was changed or taken back.

    Attributes:
        original: Meta's id of the earlier message.
        text: what it says now; None: it was taken back.
    """

    original: str
    text: str | None


def revision_of(message: Document) -> Revision | None:
    """What became of an earlier message; None where that can't be told."""
    kind = message.get("type")
    if kind not in (EDIT, REVOKE):
        return None
    part = child(message, str(kind))
    original = optional_text(part, "original_message_id")
    if original is None:
        return None
    if kind == REVOKE:
        return Revision(original, None)
    changed = text_of(child(part, "message"))
    return Revision(original, changed) if changed else None


def _reply(message: Document) -> tuple[str, Document]:
    for name, reply in child(message, "interactive").items():
        if name.endswith("_reply") and isinstance(reply, Mapping):
            return name, reply
    return "", {}


def _file(file: Document) -> dict[str, Any] | None:
    media_id = _short(file, "id")
    if media_id is None:
        return None
    told = _told(
        media_id=media_id,
        mime_type=_short(file, "mime_type", 100),
        sha256=_short(file, "sha256", 100),
        filename=_short(file, "filename", 200),
    )
    return {**(told or {}), **({"voice": True} if file.get("voice") is True else {})}


def _place(place: Document) -> dict[str, Any] | None:
    found = {name: place.get(name) for name in ("latitude", "longitude")}
    numbers = [one for one in found.values() if isinstance(one, int | float) and not isinstance(one, bool)]
    if len(numbers) != len(found) or not (-90 <= numbers[0] <= 90 and -180 <= numbers[1] <= 180):
        return None
    return {**found, **(_told(name=_short(place, "name"), address=_short(place, "address")) or {})}


def _person(contact: Document) -> dict[str, Any]:
    phones = [phone for one in _children(contact, "phones") if (phone := _short(one, "phone", 40))]
    return {"name": _short(child(contact, "name"), "formatted_name", 100), "phones": phones[:5]}


def _children(document: Document, name: str) -> list[Document]:
    try:
        return list(optional_children(document, name))
    except Unreadable:
        return []


def _short(document: Document, name: str, longest: int = _LONGEST) -> str | None:
    value = optional_text(document, name)
    return value[:longest] if value else None


def _told(**values: str | None) -> dict[str, Any] | None:
    told = {name: value for name, value in values.items() if value}
    return told or None

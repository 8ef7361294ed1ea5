"""What people send, as a webhook shows it. What belongs here: the shape of each kind; pure, apart from a fresh id.

Shapes follow Meta's reference of webhooks. A kind has something sensible in it by itself; `fields` puts a test's own
values in place of that.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from provider_sandbox.meta.codes import code_of
from provider_sandbox.state import Body

CALL = "call"
ERRORS = "errors"
SYSTEM = "system"
MEDIA = ("image", "audio", "video", "document", "sticker")
SILENT = (SYSTEM, ERRORS)
"""What nobody wrote: it opens no window."""


@dataclass(frozen=True)
class Said:
    """What somebody sends.

    Attributes:
        sender: their number.
        text: what they write; a choice's title, a reaction's emoji, a picture's caption, a place's name.
        name: as in their profile; None keeps the name that is known.
        kind: one of `KINDS`.
        id: the message's; a fresh one where none is given.
        context: the message that this one answers, reacts to, edits or revokes.
        fields: what the kind holds beside or in place of what it has by itself.
        group: the group that it was sent to, None for a message to the business alone.
        referral: the advertisement that they came by.
        hidden: their number is kept from us, and their business-scoped id is all there is.
    """

    sender: str
    text: str = ""
    name: str | None = None
    kind: str = "text"
    id: str | None = None
    context: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    group: str | None = None
    referral: Mapping[str, Any] | None = None
    hidden: bool = False


def content(said: Said, media: Body | None) -> Body:
    """The part of a message that its kind makes.

    Args:
        said: the message.
        media: the file that came with it, for one of `MEDIA`.
    """
    if said.kind in MEDIA:
        return {said.kind: _file(said, media or {}) | dict(said.fields)}
    return _KINDS[said.kind](said)


def error(code: int, details: str) -> Body:
    """An error as a webhook tells it where it belongs to no message of ours."""
    title = code_of(code).title
    return {"code": code, "title": title, "message": title, "error_data": {"details": details}}


def mime_type(kind: str) -> str:
    """What a file of a kind is."""
    types = {"audio": "audio/ogg; codecs=opus", "video": "video/mp4", "document": "application/pdf"}
    return types.get(kind, "image/webp" if kind == "sticker" else "image/png")


def _file(said: Said, media: Body) -> Body:
    digest = base64.b64encode(bytes.fromhex(media["sha256"])).decode()
    shown: Body = {"id": media["id"], "mime_type": media["mime_type"], "sha256": digest}
    if said.kind == "audio":
        return shown | {"voice": True}
    if said.kind == "sticker":
        return shown | {"animated": False}
    if said.kind == "document":
        shown["filename"] = "document.pdf"
    return shown | {"caption": said.text} if said.text else shown


def _part(name: str, make: Callable[[Said], Body]) -> Callable[[Said], Body]:
    return lambda said: {name: make(said) | dict(said.fields)}


def _interactive(said: Said) -> Body:
    kind = str(said.fields.get("type", "button_reply"))
    digest = hashlib.sha256(said.text.encode()).hexdigest()[:8]
    return {"type": kind, kind: {"id": f"choice-{digest}", "title": said.text}}


def _contacts(said: Said) -> Body:
    first, _, last = said.text.partition(" ")
    name = {"formatted_name": said.text or "Bo", "first_name": first or "Bo"} | ({"last_name": last} if last else {})
    return {"contacts": [{"name": name, "phones": [{"phone": "+31 6 11111111", "type": "CELL"}]} | dict(said.fields)]}


def _order(said: Said) -> Body:
    item = {"product_retailer_id": "membership", "quantity": 1, "item_price": 49, "currency": "EUR"}
    return {"catalog_id": "1", "text": said.text, "product_items": [item]}


def _system(said: Said) -> Body:
    new = said.text.lstrip("+")
    return {"body": f"{said.name or 'Somebody'} changed their number.", "wa_id": new, "type": "user_changed_number"}


def _edit(said: Said) -> Body:
    edited: Body = {"type": "text", "text": {"body": said.text}}
    return {"original_message_id": said.context, "message": edited}


def _unsupported(said: Said) -> Body:
    told: Body = {"errors": [error(131051, "Messages of this type are not passed on.")]}
    return told | {"unsupported": dict(said.fields)} if said.fields else told


def _reaction(said: Said) -> Body:
    reaction: Body = {"message_id": said.context}
    return reaction | {"emoji": said.text} if said.text else reaction


_KINDS: Mapping[str, Callable[[Said], Body]] = {
    "text": _part("text", lambda said: {"body": said.text}),
    "button": _part("button", lambda said: {"payload": said.text, "text": said.text}),
    "reaction": _part("reaction", _reaction),
    "interactive": _part("interactive", _interactive),
    "location": _part(
        "location", lambda said: {"latitude": 52.37, "longitude": 4.9} | ({"name": said.text} if said.text else {})
    ),
    "contacts": _contacts,
    "order": _part("order", _order),
    SYSTEM: _part(SYSTEM, _system),
    "edit": _part("edit", _edit),
    "revoke": _part("revoke", lambda said: {"original_message_id": said.context}),
    "unsupported": _unsupported,
}
KINDS = (*_KINDS, *MEDIA, CALL, ERRORS)
ABOUT_ANOTHER = ("reaction", "edit", "revoke")
"""Kinds that name the other message in their own part."""

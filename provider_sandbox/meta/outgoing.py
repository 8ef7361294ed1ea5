"""What a message to somebody may hold beside a template. What belongs here: each type's shape and bounds.

Bounds are those of Meta's reference of the Cloud API. What a type holds is kept as it came; `text` is what a person
would read in it, for the simulated leads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from provider_sandbox.meta import errors, media
from provider_sandbox.state import Body, Transaction

LONGEST_TEXT = 4096
LONGEST_CAPTION = 1024
LONGEST_BODY = 1024
LONGEST_TITLE = 20
LONGEST_ROW = 24
MOST_BUTTONS = 3
MOST_ROWS = 10
MEDIA = tuple(media.SIZES)

Reader = Callable[[Transaction, Body, str, Any], str]
"""Checks the content of one type, given the number that sends and the type; returns what a person reads."""


def read(tx: Transaction, phone: Body, kind: str, document: Mapping[str, Any]) -> str:
    """Check what a message of a type holds; return what a person reads in it.

    Raises:
        GraphError: the type is unknown, or what it holds is not right.
    """
    reader = READERS.get(kind)
    if reader is None:
        known = ", ".join(name.upper() for name in (*READERS, "template"))
        raise errors.invalid(f"Param type must be one of {{{known}}}.")
    content = document.get(kind)
    if not isinstance(content, list if kind == "contacts" else Mapping):
        raise errors.missing(f"{kind}['body']" if kind == "text" else kind)
    return reader(tx, phone, kind, content)


def _text(_tx: Transaction, _phone: Body, _kind: str, content: Mapping[str, Any]) -> str:
    body = _word(content, "body", "text")
    if len(body) > LONGEST_TEXT:
        raise errors.invalid(f"Param text['body'] must be at most {LONGEST_TEXT} characters long.")
    return body


def _media(tx: Transaction, phone: Body, kind: str, content: Mapping[str, Any]) -> str:
    identity, link = content.get("id"), content.get("link")
    if isinstance(identity, str) and identity:
        media.usable(tx, phone, identity, kind)
    elif not isinstance(link, str) or not link.startswith(("http://", "https://")):
        raise errors.missing(f"{kind}['id'] or {kind}['link']")
    caption = content.get("caption", "")
    if not isinstance(caption, str) or len(caption) > LONGEST_CAPTION:
        raise errors.invalid(f"Param {kind}['caption'] must be at most {LONGEST_CAPTION} characters long.")
    if caption and kind in ("audio", "sticker"):
        raise errors.invalid(f"Param {kind} has no caption.")
    return caption


def _location(_tx: Transaction, _phone: Body, _kind: str, content: Mapping[str, Any]) -> str:
    for name, bound in (("latitude", 90), ("longitude", 180)):
        value = content.get(name)
        try:
            degrees = float(value) if isinstance(value, str | int | float) else None
        except ValueError:
            degrees = None
        if degrees is None or isinstance(value, bool) or not -bound <= degrees <= bound:
            raise errors.refused(131009, f"location['{name}'] must be degrees between -{bound} and {bound}.")
    return str(content.get("name") or content.get("address") or "")


def _reaction(_tx: Transaction, _phone: Body, _kind: str, content: Mapping[str, Any]) -> str:
    _word(content, "message_id", "reaction")
    emoji = content.get("emoji", "")
    if not isinstance(emoji, str):
        raise errors.invalid("Param reaction['emoji'] must be an emoji, or empty to take one back.")
    return emoji


def _interactive(_tx: Transaction, _phone: Body, _kind: str, content: Mapping[str, Any]) -> str:
    kind = content.get("type")
    action = content.get("action")
    body = content.get("body")
    if not isinstance(action, Mapping):
        raise errors.missing("interactive['action']")
    text = body.get("text") if isinstance(body, Mapping) else None
    if not isinstance(text, str) or not text:
        raise errors.missing("interactive['body']['text']")
    if len(text) > (LONGEST_TEXT if kind == "list" else LONGEST_BODY):
        raise errors.refused(131009, "interactive['body']['text'] is too long.")
    if kind == "button":
        _buttons(action)
    elif kind == "list":
        _rows(action)
    elif kind == "cta_url":
        parameters = action.get("parameters")
        if action.get("name") != "cta_url" or not isinstance(parameters, Mapping):
            raise errors.missing("interactive['action']['parameters']")
        for name in ("display_text", "url"):
            _word(parameters, name, "interactive['action']['parameters']")
    elif kind != "location_request_message":
        raise errors.invalid("Param interactive['type'] must be one of {BUTTON, LIST, CTA_URL, LOCATION_REQUEST}.")
    return text


def _buttons(action: Mapping[str, Any]) -> None:
    replies = [one.get("reply") if isinstance(one, Mapping) else None for one in _several(action.get("buttons"))]
    if not 1 <= len(replies) <= MOST_BUTTONS:
        raise errors.refused(131009, f"There must be between one and {MOST_BUTTONS} buttons.")
    _choices(replies, LONGEST_TITLE)


def _rows(action: Mapping[str, Any]) -> None:
    button = _word(action, "button", "interactive['action']")
    if len(button) > LONGEST_TITLE:
        raise errors.refused(131009, f"interactive['action']['button'] may have {LONGEST_TITLE} characters.")
    sections = [one for one in _several(action.get("sections")) if isinstance(one, Mapping)]
    rows = [row for section in sections for row in _several(section.get("rows"))]
    if not 1 <= len(rows) <= MOST_ROWS:
        raise errors.refused(131009, f"There must be between one and {MOST_ROWS} rows.")
    _choices(rows, LONGEST_ROW)


def _choices(choices: Sequence[Any], longest: int) -> None:
    for choice in choices:
        if not isinstance(choice, Mapping):
            raise errors.missing("interactive['action']: an id and a title for each choice")
        _word(choice, "id", "a choice")
        if len(_word(choice, "title", "a choice")) > longest:
            raise errors.refused(131009, f"A title may have {longest} characters.")
    for name in ("id", "title"):
        if len({choice[name] for choice in choices}) < len(choices):
            raise errors.refused(131009, f"Each choice needs {name} of its own.")


def _contacts(_tx: Transaction, _phone: Body, _kind: str, content: Sequence[Any]) -> str:
    found = [one for one in content if isinstance(one, Mapping)]
    names = [one.get("name") for one in found]
    if len(found) < max(len(content), 1) or any(
        not isinstance(name, Mapping) or not name.get("formatted_name") for name in names
    ):
        raise errors.missing("contacts[]['name']['formatted_name']")
    return ", ".join(str(one["name"]["formatted_name"]) for one in found)


def _several(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _word(content: Mapping[str, Any], name: str, where: str) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not value:
        raise errors.missing(f"{where}['{name}']")
    return value


READERS: Mapping[str, Reader] = {
    "text": _text,
    **dict.fromkeys(MEDIA, _media),
    "location": _location,
    "contacts": _contacts,
    "reaction": _reaction,
    "interactive": _interactive,
}

"""Reading what providers answer. What belongs here: typed reads out of JSON documents, for any provider.

A document that lacks what its provider promises raises `Unreadable`; the call policy (`calls.py`) knows what that
means for a call that changes something. What may be absent is read as None, and an empty text counts as absent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Document = Mapping[str, Any]


class Unreadable(ValueError):
    """The provider's answer does not have the shape that its documentation promises."""


def parse(body: bytes | str) -> Document:
    """A JSON object from the body of an answer; raise `Unreadable` for anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("the answer is not JSON") from error
    return as_document(value)


def lenient(body: bytes | str) -> Document:
    """The same for an answer that is an error already, and may be a proxy's page: empty where it is no document."""
    try:
        return parse(body)
    except Unreadable:
        return {}


def as_document(value: object) -> Document:
    """The value itself where it is a document; raise `Unreadable` where it is not."""
    if not isinstance(value, Mapping):
        raise Unreadable("a document was expected")
    return value


def text(document: Document, name: str) -> str:
    """A text that must be there."""
    value = optional_text(document, name)
    if value is None:
        raise Unreadable(f"{name!r} is missing")
    return value


def optional_text(document: Document, name: str) -> str | None:
    """A text that may be absent, null or empty."""
    value = document.get(name)
    return value if isinstance(value, str) and value else None


def child(document: Document, *path: str) -> Document:
    """The document at a path, empty where any step of it is absent."""
    for name in path:
        inner = document.get(name)
        if not isinstance(inner, Mapping):
            return {}
        document = inner
    return document


def children(document: Document, name: str) -> list[Document]:
    """The documents of a list that must be there."""
    values = document.get(name)
    if not isinstance(values, list):
        raise Unreadable(f"{name!r} is not a list")
    return [as_document(value) for value in values]


def optional_children(document: Document, name: str) -> list[Document]:
    """The documents of a list that may be absent or null."""
    return [] if document.get(name) is None else children(document, name)


def whole_number(document: Document, name: str) -> int | None:
    """A whole number that may be absent."""
    value = document.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def flag(document: Document, name: str) -> bool:
    """True only where the document says so."""
    return document.get(name) is True


def moment(document: Document, name: str) -> datetime | None:
    """Seconds of Unix time as an aware datetime, None where absent."""
    seconds = whole_number(document, name)
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise Unreadable(f"{name!r} is no moment in time") from error


def texts(document: Document, name: str) -> dict[str, str]:
    """A flat document of texts, such as metadata; empty where absent."""
    return {key: value for key, value in child(document, name).items() if isinstance(value, str)}


def written(document: Document) -> str:
    """A document as the JSON text that goes out, letters of every language as they are."""
    return json.dumps(document, ensure_ascii=False)

"""What every provider's door has in common. What belongs here: a request as a door sees it, and its refusal.

What does not: what a signature looks like (`pilar/providers/*/signature.py`) and what a delivery means (the rooms).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import parse_qsl

from pydantic_core import from_json

from pilar.backplane.deliveries import NewDelivery
from pilar.errors import Permanent

JSON_TYPE = "application/json"

_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_.:-]{1,255}")
_MOST_FIELDS = 1_000


class Malformed(Permanent):
    """The delivery can't be read, whoever sent it."""

    code = "malformed"


@dataclass(frozen=True)
class Knock:
    """A request at a door.

    Attributes:
        path: as it came.
        query: as it came, without the question mark.
        headers: by name in lower case, as they came: few of them are ever read.
        body: byte for byte.
        origin: what a trusted proxy was asked for, as `https://host`; empty where none says so.
    """

    path: str
    query: str
    headers: Mapping[bytes, bytes]
    body: bytes
    origin: str = ""

    def header(self, name: str) -> str:
        """A header's value, empty where there is none."""
        return self.headers.get(name.encode(), b"").decode("latin-1")

    @property
    def content_type(self) -> str:
        """What the body is said to be, without parameters and in lower case."""
        return self.header("content-type").partition(";")[0].strip().lower()

    @property
    def parameters(self) -> dict[str, str]:
        """The query's fields."""
        return dict(fields(self.query))


@dataclass(frozen=True)
class Reply:
    """What the provider is answered."""

    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"

    @cached_property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """As they are sent."""
        return ((b"content-type", self.content_type.encode()), (b"content-length", str(len(self.body)).encode()))


class Door(Protocol):
    """Tells whether a delivery is a provider's, and which."""

    provider: str
    reply: Reply
    """What is answered once the delivery is durable."""
    content_types: frozenset[str]
    """What the provider sends; nobody else need be read."""

    async def admit(self, knock: Knock) -> NewDelivery | Reply:
        """The delivery to be kept, or the answer where there is nothing to keep.

        Raises:
            BadSignature: it is not the provider's.
            Malformed: it can't be read.
        """
        ...


def document(body: bytes) -> dict[str, Any]:
    """A body that has to be a JSON object; raise `Malformed` for any other."""
    try:
        parsed = from_json(body)
    except ValueError:
        parsed = _leniently(body)
    if not isinstance(parsed, dict):
        raise Malformed("The body is no JSON object.")
    return parsed


def _leniently(body: bytes) -> Any:
    """What the quick parser refuses and the standard library reads: half a surrogate pair, another encoding."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed("The body is no JSON.") from error


def fields(text: str) -> list[tuple[str, str]]:
    """The fields of a form or a query, in order; raise `Malformed` for one that can't be read."""
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise Malformed("The form can't be read.") from error


def external_id(value: object) -> str:
    """A provider's id of a delivery; raise `Malformed` for what can't be one.

    Strict, because deliveries are stored in batches: one that the database refused would take others with it.
    """
    if not isinstance(value, str) or not _EXTERNAL_ID.fullmatch(value):
        raise Malformed("The delivery has no id.")
    return value

"""What a delivery names, so that it is found again: ids, phone numbers, mail addresses.

What belongs here: the pure rule that finds them in a body, and their digests. What does not: keeping and looking for
them (`received.py`). The rule knows shapes and no provider's documents: a kind of delivery that nobody here reads yet
is found all the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

AT_MOST = 5_000
"""Of one delivery: Meta bundles up to a thousand changes, each with a few names
(https://developers.facebook.com/docs/graph-api/webhooks/getting-started)."""

_LONGEST = 255
_NUMBER = re.compile(r"\+?[0-9]{7,17}")
_SPELT_NUMBER = re.compile(r"\+?[0-9][0-9 ().-]{5,24}[0-9]")
ID = re.compile(
    r"wamid\.\S{4,}|[A-Z]{2}[0-9a-f]{32}|(?:acct|ch|cn|cs|cus|dp|evt|ii|il|in|pi|pm|price|prod|py|re|req|seti|si|sub|txn)"
    r"_\w{4,}"
)
"""Ids of Meta's messages, of Twilio's resources (https://www.twilio.com/docs/glossary/what-is-a-sid) and of Stripe's
objects, by their prefixes (https://docs.stripe.com/api)."""
_USER_ID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{5,}")
"""Meta's id of a person towards one business, by which they are known who keep their number to themselves."""
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_MOMENTS = frozenset({"timestamp", "expiration_timestamp"})
"""Members that hold a time as a string of digits, which looks like a number."""


def subjects(body: bytes) -> list[str]:
    """What a body names, each once, in its order; nothing for a body that is neither JSON nor a form."""
    found: dict[str, None] = {}
    for key, value in _texts(body):
        named = None if key in _MOMENTS else _named(value)
        if named is not None:
            found.setdefault(named)
            if len(found) == AT_MOST:
                break
    return list(found)


def as_subject(typed: str) -> str:
    """What somebody types, as `subjects` tells it: numbers without spaces and plus, addresses in lower case."""
    typed = typed.strip()
    if _SPELT_NUMBER.fullmatch(typed):
        return re.sub(r"\D", "", typed).removeprefix("00")
    return _named(typed) or typed


def digest(subject: str) -> int:
    """A number of 64 bits with a sign that stands for a subject: no personal data, and a narrow key."""
    return int.from_bytes(hashlib.blake2b(subject.encode(), digest_size=8).digest(), signed=True)


def _named(value: str) -> str | None:
    value = value.strip().removeprefix("whatsapp:")
    if len(value) > _LONGEST:
        return None
    if _NUMBER.fullmatch(value):
        return value.removeprefix("+")
    if ID.fullmatch(value) or _USER_ID.fullmatch(value):
        return value
    return value.lower() if _ADDRESS.fullmatch(value) else None


def _texts(body: bytes) -> Iterator[tuple[str, str]]:
    text = body.decode(errors="replace")
    try:
        yield from _walk(json.loads(text), "")
    except (ValueError, RecursionError):
        try:
            yield from parse_qsl(text, max_num_fields=1_000)
        except ValueError:
            return


def _walk(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _walk(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, key)
    elif isinstance(value, str):
        yield key, value

"""Pages of lists. What belongs here: reading which page is wanted, and how large."""

from __future__ import annotations

from collections.abc import Mapping

from provider_sandbox.twilio.errors import TwilioError

LARGEST = 1000


def size_of(query: Mapping[str, str], default: int) -> int:
    """How many things a page is to have: one to a thousand."""
    return min(max(_whole(query, "PageSize", default), 1), LARGEST)


def page_of(query: Mapping[str, str]) -> int:
    """Which page is wanted; the first is 0."""
    return _whole(query, "Page", 0)


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isascii() or not text.isdigit():
        raise TwilioError(400, 20001, f"{name} must be a whole number, and is '{text}'.")
    return int(text)

"""Values as people read them. What belongs here: amounts, moments and states in words; pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

GOOD = frozenset(
    {
        *("active", "paid", "succeeded", "done", "approved", "connected", "green", "read", "delivered", "won"),
        *("complete", "online", "available", "received", "verified", "in transit", "healthy", "trialing"),
    }
)
BAD = frozenset(
    {
        *("canceled", "failed", "unpaid", "rejected", "disabled", "banned", "red", "lost", "dropped", "suspended"),
        *("closed", "past due", "uncollectible", "undelivered", "declined", "disconnected", "incomplete expired"),
        *("offline", "blocked", "revoked"),
    }
)


def money(minor: int | None, currency: str = "eur") -> str:
    """An amount in minor units, with its currency: `99.00 EUR`."""
    if minor is None:
        return "–"
    sign = "-" if minor < 0 else ""
    return f"{sign}{abs(minor) // 100}.{abs(minor) % 100:02d} {currency.upper()}"


def moment(value: str | float | None) -> str:
    """A moment in UTC to the minute, from seconds, from ISO 8601 or from the form of mails; a dash for none."""
    found = instant(value)
    return found.strftime("%d %b %Y, %H:%M") if found else "–"


def hour(value: str | float | None) -> str:
    """The time of day of a moment in UTC."""
    found = instant(value)
    return found.strftime("%H:%M") if found else ""


def instant(value: str | float | None) -> datetime | None:
    """A moment in any of the forms in which providers write one; None where there is none."""
    if value in (None, ""):
        return None
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    text = str(value)
    if text.isdigit():
        return datetime.fromtimestamp(int(text), UTC)
    found = datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
    return found.astimezone(UTC)


def plain(name: object) -> str:
    """A provider's word without its underscores and capitals: `PENDING_REVIEW` is `pending review`."""
    return str(name).replace("_", " ").lower()


def tone(state: object) -> str:
    """The colour that a state is shown in, beside its word: `good`, `bad` or `wait`."""
    word = plain(state)
    if word in GOOD:
        return "good"
    return "bad" if word in BAD else "wait"


def pretty(document: Any) -> str:
    """A document as indented JSON."""
    return json.dumps(document, indent=2, ensure_ascii=False)


def combined(first: dict[str, str], second: dict[str, str]) -> dict[str, str]:
    """Fields of a form with more fields."""
    return first | second


FILTERS = {
    "combined": combined,
    "money": money,
    "moment": moment,
    "hour": hour,
    "plain": plain,
    "tone": tone,
    "pretty": pretty,
}
"""By the names that templates use."""

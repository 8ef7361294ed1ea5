"""Templates as Meta writes them. What belongs here: reading one, and the body of one that is handed in.

What does not: asking for them (`client.py`), and which can be sent from here (`messaging/template_sync.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pilar.providers import documents
from pilar.providers.documents import Document

FIELDS = "id,name,language,category,status,rejected_reason,quality_score,components"
_NO_REASON = "NONE"
_FILLED_BUTTONS = ("COPY_CODE", "OTP", "FLOW", "CATALOG", "MPM")
"""Buttons that want something when the template is sent."""


@dataclass(frozen=True)
class WhatsAppTemplate:
    """A template as it stands at Meta; category and status are Meta's words (MARKETING, APPROVED, …).

    Attributes:
        reason: why it was rejected, None where it was not.
        body: its text with variables; None where it is not told.
        quality: Meta's score: GREEN, YELLOW, RED or UNKNOWN; None where it is not told.
        more: what has to be filled in beside the text, in Meta's words: HEADER, BUTTONS, …
    """

    id: str
    name: str
    language: str
    category: str
    status: str
    reason: str | None
    body: str | None = None
    quality: str | None = None
    more: tuple[str, ...] = ()


def read(document: Document) -> WhatsAppTemplate:
    """One of an account's list; raise `Unreadable` where it is not shaped as promised."""
    reason = documents.optional_text(document, "rejected_reason")
    parts = documents.optional_children(document, "components")
    quality = document.get("quality_score")
    return WhatsAppTemplate(
        id=documents.text(document, "id"),
        name=documents.text(document, "name"),
        language=documents.text(document, "language"),
        category=documents.text(document, "category"),
        status=documents.text(document, "status"),
        reason=None if reason == _NO_REASON else reason,
        body=next((documents.optional_text(part, "text") for part in parts if part.get("type") == "BODY"), None),
        quality=documents.optional_text(quality, "score") if isinstance(quality, dict) else None,
        more=tuple(str(part.get("type")) for part in parts if _is_filled_in(part)),
    )


def body(text: str, examples: Sequence[str]) -> dict[str, Any]:
    """The component that holds the text, with an example for each variable."""
    component: dict[str, Any] = {"type": "BODY", "text": text}
    return component | {"example": {"body_text": [list(examples)]}} if examples else component


def quick_replies(words: Sequence[str]) -> dict[str, Any]:
    """The component that holds buttons: whoever taps one writes its words, which come as its payload too."""
    return {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": one} for one in words]}


def components(text: str, examples: Sequence[str], buttons: Sequence[str]) -> list[dict[str, Any]]:
    """A template's parts."""
    return [body(text, examples), *([quick_replies(buttons)] if buttons else [])]


def _is_filled_in(part: Document) -> bool:
    """Whether a component other than the body wants values when it is sent: a file, a variable, a code."""
    kind = part.get("type")
    if kind == "HEADER":
        return part.get("format", "TEXT") != "TEXT" or "{{" in str(part.get("text"))
    if kind == "BUTTONS":
        buttons = documents.optional_children(part, "buttons")
        return any(one.get("type") in _FILLED_BUTTONS or "{{" in str(one.get("url")) for one in buttons)
    return kind not in {"BODY", "FOOTER"}

"""A delivery's body as people read it. What belongs here: the pure rule of what is shown of it without being asked for.

It is the other way round from `pilar/masking.py`: a body is somebody else's document, whose members nobody here has
chosen. What is known to be harmless is shown, and everything else is masked, also what a provider adds tomorrow.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl

from pilar.backplane.subjects import ID
from pilar.masking import SECRET_KEY

_SHOWN = frozenset({
    "object", "id", "type", "kind", "event", "status", "field", "reason", "code", "mode", "language", "interval",
    # WhatsApp's
    "messaging_product", "phone_number_id", "category", "origin", "pricing_model", "timestamp", "expiration_timestamp",
    "message_template_id", "message_template_name", "message_template_language", "quality_rating", "current_limit",
    # Stripe's
    "currency", "api_version", "billing_reason", "collection_method", "payment_status", "idempotency_key",
    # Twilio's
    "messagestatus", "smsstatus", "numsegments", "nummedia", "errorcode", "fromcountry", "tocountry", "apiversion",
})  # fmt: skip
"""Members whose texts say what happened, and to nobody in person; in lower case."""
_NUMBERS_SHOWN_NOT = frozenset({"latitude", "longitude", "phone", "line1", "postal_code", "last4"})
_DIGITS = re.compile(r"\+?[0-9]+")
_OF_PEOPLE = frozenset({"from", "to", "wa_id", "recipient_id", "user_id", "input"})


def readable(body: bytes, *, masked: bool = True) -> str:
    """The body, indented where it is JSON, a field per line where it is a form.

    Args:
        body: byte for byte.
        masked: whether personal data and secrets are shortened. A body that is neither is then not shown at all.
    """
    text = body.decode(errors="replace")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict | list):
        return json.dumps(_masked(document, "") if masked else document, indent=2, ensure_ascii=False)
    fields = _form(text)
    if fields:
        return "\n".join(f"{name} = {_masked(value, name) if masked else value}" for name, value in fields)
    return f"({len(body)} bytes that are neither JSON nor a form)" if masked else text


def _form(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=1_000, strict_parsing=True)
    except ValueError:
        return []


def _masked(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _masked(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, key) for item in value]
    name = key.lower()
    if isinstance(value, str):
        return _text(value, name)
    if isinstance(value, int | float) and not isinstance(value, bool) and name in _NUMBERS_SHOWN_NOT:
        return "…"
    return value


def _text(value: str, name: str) -> str:
    if not value:
        return value
    if SECRET_KEY.search(name) and name not in _SHOWN:
        return "***"
    if name not in _OF_PEOPLE and (name in _SHOWN or ID.fullmatch(value)):
        return value
    if _DIGITS.fullmatch(value):
        return f"…{value[-2:]}"
    return f"{value[0]}…"

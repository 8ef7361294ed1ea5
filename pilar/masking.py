"""Masking of personal data and secrets. What belongs here: the pure rules; who applies them is logging and the audit.

The rules are by key (a field named like a secret is never shown) and by shape (an address or a phone number inside
a text is shortened so that support can still tell two people apart).
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Mapping
from typing import Any

SECRET_KEY = re.compile(
    r"(token|secret|password|passwd|authorization|api[_-]?key|signature|cookie|credential|\bpin\b|^code$|_code$)",
    re.IGNORECASE,
)
PERSONAL_KEY = re.compile(r"^(name|first_name|last_name|full_name|display_name|body|text|address)$", re.IGNORECASE)
EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
# A leading plus, or at least nine digits in a row: dates, UUIDs and amounts stay readable.
PHONE = re.compile(r"(?<![\w-])(\+\d[\d ().-]{6,}\d|\d{9,15})(?![\w-])")
AUTHORIZATION = re.compile(
    r"""(?i)(authorization["']?\s*[:=,]\s*(?:b?["'])?(?:(?:bearer|basic|digest|token)\s+)?)([^\s"',;]+)"""
)
"""A header, be it as it was sent or as a program prints it: whatever it holds is a credential."""
BEARER = re.compile(r"(?i)\b(bearer|basic)\s+([A-Za-z0-9._~+/=-]+)")
PLAIN = re.compile(r"([A-Za-z]?[a-z]{0,19}|[A-Z]{1,20}|\d{1,4}([.,]\d{1,2})?)[.,-]*")
"""What follows "basic" in a sentence, as a word, a plan's name or a price: no credential looks like it for long."""
KEY_SHAPED = re.compile(r"\b(sk|rk|pk|whsec|pilar|EAA)_?(live|test)?_?[A-Za-z0-9_-]{12,}")

# What an error quotes of the data it is about: PostgreSQL's lines beside its message, which may run over several lines
# of a lead's text; SQLAlchemy's parameters; pydantic's input.
_QUOTED = (
    re.compile(
        r"^(DETAIL|CONTEXT|LINE \d+): .*?(?=^\[SQL|^\(Background|^Traceback |^The above |^During |\Z)",
        re.MULTILINE | re.DOTALL,
    ),
    re.compile(r"^\[parameters: .*$", re.MULTILINE),
    re.compile(r"input_value=.*?(?=, input_type=)", re.DOTALL),
)


def mask_email(address: str) -> str:
    """`anna.smith@example.com` → `a…@example.com`."""
    local, _, domain = address.partition("@")
    return f"{local[:1]}…@{domain}"


def mask_phone(number: str) -> str:
    """Keep the last two digits: `+31 6 1234 5678` → `…78`."""
    digits = re.sub(r"\D", "", number)
    return f"…{digits[-2:]}"


def mask_text(text: str) -> str:
    """A text with its addresses, numbers and keys shortened, and without what an error quotes of its data."""
    if "DETAIL: " in text or "[parameters: " in text or "input_value=" in text or "\nLINE " in text:
        for quoted in _QUOTED:
            text = quoted.sub("…", text)
    text = AUTHORIZATION.sub(lambda match: f"{match.group(1)}***", text)
    text = BEARER.sub(_without_credential, text)
    text = KEY_SHAPED.sub("***", text)
    text = EMAIL.sub(lambda match: mask_email(match.group()), text)
    return PHONE.sub(lambda match: mask_phone(match.group()), text)


def _without_credential(match: re.Match[str]) -> str:
    return match.group() if PLAIN.fullmatch(match.group(2)) else f"{match.group(1)} ***"


def mask(value: Any, key: str = "") -> Any:
    """A JSON-like value with secrets and personal data masked, in the same shape.

    Args:
        value: dict, list, string, number, boolean or None, nested.
        key: the name under which the value was found, which decides for secrets and names.
    """
    if isinstance(value, Mapping):
        return {name: mask(item, str(name)) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask(item, key) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if SECRET_KEY.search(key):
        return "***"
    if isinstance(value, str):
        if PERSONAL_KEY.match(key) and value:
            return f"{value[0]}…"
        return mask_text(value)
    return value


def masked_traceback(error: BaseException) -> str:
    """An error with where it happened, as a log may have it."""
    return mask_text("".join(traceback.format_exception(error))).rstrip()


class MaskingFilter(logging.Filter):
    """Masks a log record's final message and its traceback, so that no caller has to remember to."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; never drop it."""
        record.msg = mask_text(record.getMessage())
        record.args = None
        if isinstance(record.exc_info, tuple) and record.exc_info[1] is not None:
            record.exc_text, record.exc_info = masked_traceback(record.exc_info[1]), None
        return True

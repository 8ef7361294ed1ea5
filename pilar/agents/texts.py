"""Texts with placeholders. What belongs here: which placeholders there are, and filling them in; pure.

A placeholder is a plain name in braces and nothing else: no format, no attribute, so that a studio's text can't reach
into what it is filled with.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter

ANYWHERE = frozenset({"first_name", "studio", "opening_hours"})
SLOT = "slot"
"""Known only where a time is offered or booked."""
SLOTS = "slots"
"""Known only where several times are offered: a line each, with its number."""


def check(text: str, known: frozenset[str]) -> None:
    """See whether a text can be filled in.

    Raises:
        ValueError: it has a placeholder that is not known, or braces that are none.
    """
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise ValueError("a brace is a placeholder's: write {{ and }} for the signs themselves") from error
    for _, name, form, conversion in parts:
        if name is not None and (name not in known or form or conversion):
            given = ", ".join(f"{{{one}}}" for one in sorted(known))
            raise ValueError(f"there is no placeholder {{{name}}}: use {given}")


def fill(text: str, values: Mapping[str, str]) -> str:
    """A text with its placeholders filled in; an empty one takes the space before it along («Hi {first_name}!»)."""
    for name, value in values.items():
        if not value:
            text = text.replace(f" {{{name}}}", f"{{{name}}}")
    return text.format_map(values)


def in_language(texts: Mapping[str, str], *languages: str) -> str:
    """The text in the first of the languages that there is one in; else in English, else whichever there is."""
    return next(texts[one] for one in (*languages, "en", *texts) if one in texts)

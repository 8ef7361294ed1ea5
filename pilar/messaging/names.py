"""What leads are called. What belongs here: the one pure rule; names are personal data, and go into texts alone."""

from __future__ import annotations

LONGEST_NAME = 40


def first_name(name: str | None) -> str:
    """What a lead is called; empty where that is not known."""
    words = (name or "").split()
    return words[0][:LONGEST_NAME] if words else ""

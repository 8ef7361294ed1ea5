"""Ids that people type. What belongs here: reading them, and a plain word about those that are none."""

from __future__ import annotations

from uuid import UUID

from pilar_cli.console import wrong_usage


def as_id(text: str, what: str) -> UUID:
    """The id that was typed as `what`; the command ends where it is none."""
    try:
        return UUID(text)
    except ValueError:
        wrong_usage(f"{what} is an id such as the lists show; {text!r} is none.")

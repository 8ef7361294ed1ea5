"""Tables for people to read in Dagster's pages. What belongs here: the form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A markdown table, or the word for an empty one."""
    lines = ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    if not lines:
        return "none"
    return "\n".join(["| " + " | ".join(map(_cell, columns)) + " |", "|" + " --- |" * len(columns), *lines])


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")

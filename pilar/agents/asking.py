"""Who asks, and where. What belongs here: reading what an answer needs to know, and wording it; nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from pilar.agents import texts
from pilar.agents.matching import LeadFacts
from pilar.agents.words import hours_in_words, moment_in_words, slots_in_words
from pilar.bookings import store as calendar
from pilar.messaging.names import first_name
from pilar.workspaces import store as workspaces


@dataclass(frozen=True)
class Studio:
    """Where a lead asks.

    Attributes:
        workspace_id: the studio's.
        name: what it is called.
        language: what it speaks where it doesn't know the lead's language.
        zone: its time zone.
    """

    workspace_id: UUID
    name: str
    language: str
    zone: ZoneInfo


@dataclass(frozen=True)
class Asker:
    """Who asks; `id` is None for somebody made up, on whom rules are tried out."""

    id: UUID | None
    name: str | None
    facts: LeadFacts


def studio_of(connection: Connection, workspace_id: UUID) -> Studio:
    """The studio; raise `NotFound` where this scope sees none."""
    row = workspaces.get_workspace(connection, workspace_id)
    _, document = workspaces.load_configuration(connection, workspace_id)
    return Studio(workspace_id, document.studio.name, document.studio.language, ZoneInfo(row.time_zone))


def asker_of(row: Row[Any]) -> Asker:
    """A lead, out of the lead's row."""
    facts = LeadFacts(row.language, row.country, row.lifecycle, row.source, tuple(row.tags), dict(row.properties))
    return Asker(row.id, row.name, facts)


def worded(
    connection: Connection, studio: Studio, asker: Asker, said: Mapping[str, str], more: Mapping[str, Any] | None = None
) -> str:
    """What is said to a lead, in their language and filled in.

    Args:
        connection: a transaction that sees the studio.
        studio: where.
        asker: to whom.
        said: the text by language.
        more: `slot`, a moment, where one was offered or booked; `slots`, several, where they were offered.
    """
    text = texts.in_language(said, asker.facts.language, studio.language)
    values = {"first_name": first_name(asker.name), "studio": studio.name}
    if "{opening_hours}" in text:
        hours = calendar.hours_of(connection, studio.workspace_id)
        values["opening_hours"] = hours_in_words(hours, asker.facts.language)
    if more and more.get("slot"):
        values[texts.SLOT] = moment_in_words(more["slot"], studio.zone, asker.facts.language)
    if more and more.get("slots"):
        values[texts.SLOTS] = slots_in_words(more["slots"], studio.zone, asker.facts.language)
    return texts.fill(text, values)

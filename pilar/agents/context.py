"""What a model may know of a lead. What belongs here: gathering it in one transaction; nothing is changed.

What rooms above know (goals) comes by a port: a function that tells it in sentences, named where the system is put
together. Whatever is told leaves the house, so a port tells no name, number or address.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pilar.agents import turn_store
from pilar.agents.answer_check import LENGTHS, Allowed, language_of
from pilar.agents.asking import Asker, Studio
from pilar.agents.briefing import Known
from pilar.agents.words import hours_in_words, moment_in_words
from pilar.bookings import store as calendar
from pilar.messaging.names import first_name
from pilar.providers.llm.asking import Assistant, User
from pilar.workspaces.configuration import AgentConfiguration

Port = Callable[[Connection, UUID, UUID], Sequence[str]]
"""Tells of a lead (given the studio and the lead) in sentences, in English."""

REMEMBERED = 12
"""Messages before the ones that are answered."""
LONGEST_REMEMBERED = 1_000
"""Characters of each."""
_BOOKINGS = 3


def gather(
    connection: Connection, studio: Studio, asker: Asker, turn_id: UUID, now: datetime, ports: Sequence[Port]
) -> Known:
    """What a model is told for a turn of a lead who is known.

    Args:
        connection: a transaction that sees the studio.
        studio: where.
        asker: who wrote; with an id.
        turn_id: what is to be answered.
        now: business time.
        ports: what else is known of the lead.
    """
    if asker.id is None:
        raise ValueError("a turn is of a lead who is known")
    asked = [
        row.text[:LONGEST_REMEMBERED] for row in turn_store.messages_of_turn(connection, studio.workspace_id, turn_id)
    ]
    before = turn_store.said_before(connection, studio.workspace_id, asker.id, turn_id, REMEMBERED)
    language = language_of(" ".join(asked), at_least=2, ahead=1.5) or asker.facts.language
    facts = [f"It is {moment_in_words(now, studio.zone, 'en')} at the studio."]
    facts.append(f"Opening hours: {hours_in_words(calendar.hours_of(connection, studio.workspace_id), 'en')}.")
    booked = turn_store.bookings_of(connection, studio.workspace_id, asker.id, now, _BOOKINGS)
    facts += [
        f"The lead has booked: {one.name} on {moment_in_words(one.starts_at, studio.zone, 'en')}." for one in booked
    ]
    for port in ports:
        facts.extend(port(connection, studio.workspace_id, asker.id))
    return Known(
        studio=studio.name,
        language=language,
        first_name=first_name(asker.name),
        facts=tuple(facts),
        history=tuple(
            User(row.text[:LONGEST_REMEMBERED]) if row.direction == "in" else Assistant(row.text[:LONGEST_REMEMBERED])
            for row in before
        ),
        asked=tuple(asked),
    )


def allowed_for(agent: AgentConfiguration, known: Known, asker: Asker, phones: Sequence[str]) -> Allowed:
    """What an answer may hold: `phones` are the studio's own and the lead's."""
    languages = frozenset({known.language, asker.facts.language})
    return Allowed(LENGTHS[agent.policies.response_length], languages, frozenset(phones))

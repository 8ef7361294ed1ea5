"""The agent a new studio starts with. What belongs here: its task, its settings, and putting its rules in place.

WhatsApp does not allow general-purpose chat as a number's main function, so the task is bound to the studio. What the
first rules say is `default_rules.py`'s.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pilar.agents import store
from pilar.agents.catalogue import as_stored
from pilar.agents.default_rules import RULES
from pilar.ids import new_id
from pilar.workspaces.configuration import AgentConfiguration, AgentPolicies, StudioProfile

STUDIO = "{studio}"
"""Stands for the studio's name in a task that is written for all studios."""


def default_agent(studio: StudioProfile) -> AgentConfiguration:
    """The agent of a studio that has not configured one."""
    return AgentConfiguration(
        system_prompt=(
            f"You answer for {studio.name}, a fitness studio. You help people with training, nutrition, their goals, "
            "the studio's offers and bookings, and you decline anything else politely in one sentence. You never "
            "give medical advice: you refer to a doctor. You never invent prices, times or offers: when you don't "
            "know, you say that a colleague will answer. You write short messages, as one writes on a phone."
        ),
        policies=AgentPolicies(language=studio.language),
    )


def install_rules(connection: Connection, workspace_id: UUID, now: datetime) -> dict[str, int]:
    """Give a studio its rules; what is there already stays as the studio made it. `now` is business time."""
    rules = [
        {
            **as_stored(rule),
            "workspace_id": workspace_id,
            "id": new_id(),
            "version": 1,
            "active": True,
            "created_at": now,
            "changed_at": now,
        }
        for rule in RULES
    ]
    return {"rules": store.add_rules(connection, rules)}

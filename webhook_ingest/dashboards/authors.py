"""Who wrote a message of ours, in words. What belongs here: turning a message's origin into what a page says.

People and rules are looked up only where somebody or something of theirs is on the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from pilar.agents.overview import list_rules
from pilar.agents.turns import FALLBACK
from pilar.app import App
from pilar.database.engine import Scope
from pilar.messaging.overview import ThreadMessage
from pilar.workspaces.store import names_of

_RULE, _STAFF = "rule", "staff"
_BY_KIND = {"coach": "Coach", "test": "Test message", "model": "Bot, by its model", _RULE: "Bot", _STAFF: "Staff"}


def authors_of(app: App, workspace_id: UUID, messages: Sequence[ThreadMessage]) -> dict[UUID, str]:
    """Who wrote each message of ours, by the message's id."""
    ours = [message for message in messages if message.is_ours]
    names: dict[UUID, str] = {}
    if any(_by(message.origin, _RULE) for message in ours):
        with app.database.transaction(Scope.workspace(workspace_id)) as connection:
            names |= {rule.id: f"Bot, rule “{_spoken(rule.name)}”" for rule in list_rules(connection, workspace_id)}
    people = {person for message in ours if (person := _by(message.origin, _STAFF)) is not None}
    if people:
        # People work in several studios: only the fleet's scope sees them.
        with app.database.transaction(Scope.fleet()) as connection:
            names |= names_of(connection, people)
    return {message.id: author(message.origin, names) for message in ours}


def author(origin: str, names: Mapping[UUID, str]) -> str:
    """What a page says for an origin, given the names of people and rules. Pure."""
    if origin == FALLBACK:
        return "Bot, no rule matched"
    kind = origin.partition(":")[0]
    identity = _by(origin, kind)
    known = names.get(identity) if identity else None
    return known or _BY_KIND.get(kind, "PILAR")


def note_author(actor: str, names: Mapping[UUID, str]) -> str:
    """Who wrote a note, given the names of the studio's people. Pure."""
    kind, _, identity = actor.partition(":")
    try:
        return names.get(UUID(identity)) or kind.capitalize()
    except ValueError:
        return kind.capitalize()


def _by(origin: str, kind: str) -> UUID | None:
    """The rule behind `rule:<id>`, or the person behind `staff:<what they are>:<id>`."""
    parts = origin.split(":")
    try:
        return UUID(parts[-1]) if parts[0] == kind else None
    except ValueError:
        return None


def _spoken(name: str) -> str:
    return name.replace("_", " ").capitalize()

"""Looking at what an agent did. What belongs here: reading, and the promises that hold after everything."""

from __future__ import annotations

from typing import Any

from pilar.backplane.breaches import find_breaches
from pilar.database.engine import Scope
from tests.fixtures.opened import LEAD, Studio
from tests.fixtures.system import System


def told(studio: Studio, sender: str = LEAD) -> list[str]:
    """What was said to a lead, in order."""
    return [row[0] for row in studio.system.rows(
        "select m.text from message m join lead l on l.workspace_id = m.workspace_id and l.id = m.lead_id"
        f" where l.phone = '{sender}' and m.direction = 'out' order by m.id"
    )]  # fmt: skip


def fired(studio: Studio) -> list[tuple[Any, ...]]:
    """Each firing: the rule's name, the variant, and whether there was an answer."""
    return [tuple(row) for row in studio.system.rows(
        "select r.name, f.variant, f.answer_id is not null from rule_firing f"
        " left join ai_rule r on r.workspace_id = f.workspace_id and r.id = f.rule_id order by f.message_id"
    )]  # fmt: skip


def assert_promises_hold(system: System) -> None:
    assert system.column("select error from dead_letter") == []
    with system.database.transaction(Scope.fleet()) as connection:
        for invariant in system.app.invariants:
            assert find_breaches(connection, system.app.clocks, invariant).rows == (), invariant.promise
    sent = {key: n for key, n in system.sandbox.effects_by_key().items() if key[0] == "meta.message_sent"}
    assert set(sent.values()) <= {1}, "a message was sent twice"

"""All that ever came in is worked on again, and nothing of it is done twice: no message, no purchase, no payment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pilar.backplane.received import DeliveryFilter
from pilar.backplane.working_again import replay_matching
from tests.fixtures.opened import Studio
from tests.fixtures.system import MortalDatabase, System

_COUNTED = ("lead", "message", "message_status", "consent", "conversation", "effect", "workspace", "autopilot_event")


def _world(system: System) -> dict[str, Any]:
    """What there is of everything, here and at the providers."""
    here = {name: system.column(f"select count(*) from {name}")[0] for name in _COUNTED}
    texts = system.rows("select direction, state, text from message order by workspace_id, id")
    states = system.rows("select name, state from message_template order by 1, 2")
    return {**here, "texts": texts, "templates": states, "outside": system.sandbox.effects()}


def test_everything_is_worked_on_again_and_nothing_is_done_twice(studio: Studio, database_url: str) -> None:
    system = studio.system
    studio.writes("Wat kost het?", repeat=2)
    studio.writes("STOP", sender="+31687654321")
    before = _world(system)
    deliveries = system.column("select count(*) from inbox")[0]
    assert {row[0] for row in system.rows("select distinct provider from inbox")} == {"stripe", "twilio", "whatsapp"}
    options: dict[str, Any] = {"actor": "admin:anna", "known_for": timedelta(days=90)}
    given, below = replay_matching(system.database, system.app.clocks, DeliveryFilter(), **options)
    assert (given.replayed, below) == (deliveries, None)
    dying = MortalDatabase(database_url, dies_at=4, after_commit=False)
    system.settle(dying=dying)
    dying.close()
    assert _world(system) == before
    assert system.column("select count(*) from dead_letter") == [0]
    assert system.column("select count(*) from inbox_state where status <> 'completed'") == [0]

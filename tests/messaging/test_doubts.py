"""Sends whose work did not learn what came of them: no reply is lost, and no marketing is sent twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pilar.backplane.effects import decide
from pilar.backplane.facts import Cause
from pilar.backplane.reconciling import GRACE, Reconciled, reconcile
from pilar.backplane.unknown_effects import unknown_effects
from pilar.database.engine import Scope
from pilar.errors import OutcomeUnknown
from pilar.messaging.outbox import NewMessage, queue_message
from pilar.providers.whatsapp.client import GraphClient
from tests.fixtures.opened import Studio
from tests.fixtures.system import System


def _write(studio: Studio, category: Any) -> None:
    """A message to the lead, put into the outbox; nothing drains yet."""
    studio.writes("Hi")
    lead = studio.lead()
    studio.agrees(lead)
    new = NewMessage(lead_id=lead, category=category, origin="coach:test", cause="test:1", text="Good morning!")
    with studio.system.database.transaction(Scope.fleet()) as connection:
        queue_message(connection, studio.system.app.clocks, studio.id, new, Cause.new())


def _drain_once(system: System) -> None:
    system._drain_once(None)
    system.sandbox.wait_idle(20)


def _sweep(system: System) -> Reconciled:
    system.clock.skip_to(system.clock.now() + GRACE)
    return reconcile(system.database, system.app.clocks, system.app.reconcilers)


def _forget_work(system: System) -> None:
    """Its work never comes back."""
    with system.database.transaction(Scope.fleet()) as connection:
        for table in ("queue", "scheduled"):
            connection.exec_driver_sql(f"delete from {table}")


def _effect(system: System) -> list[Any]:
    return system.rows(
        "select state, risks, given_up_at is not null from effect where kind = 'whatsapp.send' order by created_at desc limit 1"
    )


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """WhatsApp times out while the list is empty, and has not taken the message."""
    answers: list[bool] = []
    send = GraphClient.send_text

    def time_out(*arguments: Any, **named: Any) -> str:
        if "Good morning!" in str(arguments) + str(named) and not answers:
            raise OutcomeUnknown("The connection failed.")
        return send(*arguments, **named)

    monkeypatch.setattr(GraphClient, "send_text", time_out)
    return answers


def test_a_reply_that_nobody_comes_back_to_is_sent_once_more(studio: Studio, silent: list[bool]) -> None:
    system = studio.system
    _write(studio, "service")
    _drain_once(system)
    _forget_work(system)
    assert studio.out() == [("coach:test", "unknown")]
    assert _sweep(system) == Reconciled(looked_for=1, freed=1)
    silent.append(True)
    system.settle()
    assert studio.out() == [("coach:test", "read")]
    assert _effect(system) == [("confirmed", 1, False)]


def test_a_reply_is_risked_once_and_then_left_to_a_person(studio: Studio, silent: list[bool]) -> None:
    system = studio.system
    _write(studio, "service")
    _drain_once(system)
    _forget_work(system)
    assert _sweep(system).freed == 1
    system.settle()
    assert _effect(system) == [("unknown", 1, False)]
    assert _sweep(system).given_up == 1
    system.settle()
    assert studio.out() == [("coach:test", "unknown")]
    assert system.column("select count(*) from incident where dedupe_key = 'effect:whatsapp.send'") == [1]


def test_marketing_is_never_risked_and_a_person_may_have_it_sent(studio: Studio, silent: list[bool]) -> None:
    system = studio.system
    _write(studio, "marketing")
    _drain_once(system)
    _forget_work(system)
    assert _sweep(system) == Reconciled(looked_for=1, given_up=1)
    system.settle()
    silent.append(True)
    with system.database.transaction(Scope.fleet()) as connection:
        (row,) = unknown_effects(connection)
        decide(connection, system.app.clocks, row.id, "did_not_happen", "admin:1", "The lead was asked.")
    system.settle()
    assert studio.out() == [("coach:test", "read")]
    assert _effect(system) == [("confirmed", 0, False)]


def test_what_a_person_says_has_happened_is_not_sent_again(studio: Studio, silent: list[bool]) -> None:
    system = studio.system
    _write(studio, "marketing")
    _drain_once(system)
    _forget_work(system)
    assert _sweep(system).given_up == 1
    silent.append(True)
    with system.database.transaction(Scope.fleet()) as connection:
        (row,) = unknown_effects(connection)
        decide(connection, system.app.clocks, row.id, "happened", "admin:1", "The lead has it.")
    system.settle()
    system.clock.skip_to(system.clock.now() + timedelta(hours=1))
    system.settle()
    assert studio.out() == [("coach:test", "accepted")]
    assert "Good morning!" not in str(system.sandbox.objects("meta.message"))


def test_what_was_accepted_is_found_by_the_status_that_came(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker is killed after the call; the status has told, and only its word to the effect was lost."""
    system, send = studio.system, GraphClient.send_text

    def accept_then_time_out(*arguments: Any, **named: Any) -> str:
        send(*arguments, **named)
        raise OutcomeUnknown("The connection failed.")

    _write(studio, "marketing")
    monkeypatch.setattr(GraphClient, "send_text", accept_then_time_out)
    _drain_once(system)
    monkeypatch.undo()
    system.settle()
    with system.database.transaction(Scope.fleet()) as connection:
        connection.exec_driver_sql(
            "update effect set state = 'attempted', response = null, attempted_at = attempted_at - interval '1 hour'"
            " where id = (select id from effect where kind = 'whatsapp.send' order by created_at desc limit 1)"
        )
    assert _sweep(system).confirmed == 1
    system.settle()
    assert studio.out() == [("coach:test", "read")]

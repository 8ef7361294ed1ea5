"""Messages that are handed over in groups: verdict, limits, budgets and at-most-once are the same as one by one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from pilar.backplane import budgets
from pilar.backplane.facts import Cause, Lane
from pilar.database.engine import Scope
from pilar.messaging import consent
from pilar.messaging.outbox import NewMessage, queue_openings
from pilar.workspaces.store import load_configuration, save_configuration
from tests.fixtures.opened import Studio
from tests.messaging.test_reactions import _lead, _of

NUMBERS = tuple(f"+3168765{number:04d}" for number in range(6))
WHY = "state, verdict -> 'decision' -> 'reasons' -> 0 ->> 'code'"


def _put(studio: Studio, leads: list[UUID], occasion: str = "morning", *, each: int = 1) -> None:
    """Put nudges to each into the outbox, all in one commit, so that they are claimed together."""
    openings = [
        (studio.id, NewMessage(lead_id=lead, category="marketing", origin="coach:morning_nudge",
                               cause=f"{occasion}:{lead}:{turn}", text="Goedemorgen!", template="coach_nudge",
                               parameters=("Anna", "Studio Noord"), lane=Lane.BULK), Cause.new())
        for turn in range(each) for lead in leads
    ]  # fmt: skip
    with studio.system.database.transaction(Scope.fleet()) as connection:
        assert None not in queue_openings(connection, studio.system.app.clocks, openings)


def _limit(studio: Studio, daily: int) -> None:
    with studio.system.database.transaction(Scope.fleet()) as connection:
        version, document = load_configuration(connection, studio.id)
        whatsapp = document.operator.policies.whatsapp.model_copy(update={"daily_limit": daily})
        policies = document.operator.policies.model_copy(update={"whatsapp": whatsapp})
        changed = document.model_copy(update={"operator": document.operator.model_copy(update={"policies": policies})})
        now = studio.system.business.now()
        save_configuration(connection, studio.id, changed, changed_by="test", note=f"after {version}", now=now)


def test_a_group_goes_once_with_every_limit_counted_message_by_message(studio: Studio) -> None:
    system = studio.system
    leads = [_lead(studio, number) for number in NUMBERS]
    with system.database.transaction(Scope.fleet()) as connection:
        consent.withdraw(connection, system.app.clocks, studio.id, leads[1], "all", "wording", "stop", Cause.new(),
                         system.app.people)  # fmt: skip
        budgets.set_limit(connection, studio.id, budgets.MESSAGES, "day", 1_000, "queue")
        before = budgets.utilisation(connection, system.app.clocks, [studio.id])
    system.settle()
    _limit(studio, 4)
    _put(studio, leads)
    system.settle()
    got = [_of(studio, lead, WHY)[-1] for lead in leads]
    assert got[1] == ("refused", "opted_out")
    others = [one for place, one in enumerate(got) if place != 1]
    assert sorted(others) == [("read", None)] * 4 + [("refused", "daily_limit")]
    counted = system.column(
        "select (verdict -> 'facts' ->> 'sent_today')::int from message where starts_with(cause, 'morning:') and state = 'read'"
    )
    assert sorted(counted) == [0, 1, 2, 3]
    assert system.column(
        "select count(distinct provider_message_id) from message where starts_with(cause, 'morning:')"
    ) == [4]
    assert system.column(
        "select distinct cost_micro from message where starts_with(cause, 'morning:') and state = 'read'"
    ) == [140_000]
    effects = "select e.state, count(*) from effect e join message m on e.key = m.id::text where starts_with(m.cause, 'morning:') group by 1"
    assert system.rows(effects) == [("confirmed", 4)]
    with system.database.transaction(Scope.fleet()) as connection:
        after = {
            (one.resource, one.period): one for one in budgets.utilisation(connection, system.app.clocks, [studio.id])
        }
    for one in before:
        if one.resource in (budgets.MESSAGES, budgets.API_CALLS):
            now = after[one.resource, one.period]
            assert (now.used - one.used, now.reserved) == (4, 0), one


def test_of_several_to_one_lead_each_goes_as_soon_as_the_one_before_is_gone(studio: Studio) -> None:
    leads = [_lead(studio, number) for number in NUMBERS[:2]]
    studio.system.settle()
    _put(studio, leads, "three", each=3)
    studio.system.settle()
    assert [state for lead in leads for (state,) in _of(studio, lead, "state")[-3:]] == ["read"] * 6
    put_off = "select count(*) from queue_log where outcome = 'snoozed' and type = 'messaging.send'"
    assert studio.system.column(put_off) == [0]
    for lead in leads:
        taken = [accepted_at for (accepted_at,) in _of(studio, lead, "accepted_at")[-3:]]
        assert taken == sorted(set(taken))


def test_who_is_held_by_somebody_else_is_sent_to_alone_and_holds_up_nobody(studio: Studio) -> None:
    system = studio.system
    leads = [_lead(studio, number) for number in NUMBERS[:3]]
    _put(studio, leads)
    _put(studio, leads[:1], "again")
    with system.database.transaction(Scope.fleet()) as connection:
        connection.execute(text("select from lead where id = :id for update"), {"id": leads[2]})
        drain = system.app.drain("beside")
        drain.step(Lane.BULK)
        for _ in range(200):
            if [_of(studio, lead, "state")[0] for lead in leads[:2]] == [("accepted",)] * 2:
                break
            drain.wait_for_one(0.05)
        assert [_of(studio, lead, "state")[0] for lead in leads[:2]] == [("accepted",)] * 2
        assert _of(studio, leads[2], "state") == [("queued",)]
    drain.close()
    system.settle()
    assert [len(_of(studio, lead, "state")) for lead in leads] == [2, 1, 1]
    assert {state for lead in leads for (state,) in _of(studio, lead, "state")} == {"read"}
    first, second = system.column(f"select accepted_at from message where lead_id = '{leads[0]}' order by id")
    assert first < second


def test_a_death_between_verdict_and_call_sends_nothing_twice(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """As SIGKILL leaves it: every attempt is committed, some calls were made, and nothing was recorded of them."""
    system = studio.system
    leads = [_lead(studio, number) for number in NUMBERS[:4]]
    graph = system.app.gateways.graph
    real = graph.send_template

    def dies(*arguments: Any, **named: Any) -> str:
        if arguments[2] in NUMBERS[:2]:
            real(*arguments, **named)
        raise SystemExit("killed")

    monkeypatch.setattr(graph, "send_template", dies)
    _put(studio, leads)
    drain = system.app.drain("dying")
    drain.step(Lane.BULK)
    drain.close()
    assert {state for lead in leads for (state,) in _of(studio, lead, "state")} == {"attempted"}
    monkeypatch.undo()
    for _ in range(4):
        system.clock.skip(timedelta(minutes=3))
        system.settle()
    states = sorted(state for lead in leads for (state,) in _of(studio, lead, "state"))
    assert states == ["read", "read", "unknown", "unknown"]
    assert system.column(
        "select count(*) from message where provider_message_id is not null and starts_with(cause, 'morning:')"
    ) == [2]

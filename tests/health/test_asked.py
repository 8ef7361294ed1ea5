"""Checks that are asked for by event: the parts that are meant are looked at, and what was seen is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from pilar.backplane.facts import Cause, Event, emit
from pilar.backplane.handlers import Transactional
from pilar.database.engine import Scope
from pilar.health.asked import Checker
from pilar.health.checks import COMPONENTS, EVERY, ON_REQUEST, run_checks
from pilar.health.events import ASKED_FOR, AiProviderCheck, CheckAskedFor, WebhookCheck
from pilar.ids import new_id
from tests.fixtures.studios import add_studio
from tests.fixtures.work import Bench


def _ask(bench: Bench, payload: CheckAskedFor, studio: UUID | None) -> dict[str, str]:
    """Ask, and return how the studios' parts are."""
    event = Event(payload=payload, key=str(new_id()), aggregate=("workspace", str(studio)), workspace_id=studio)
    with bench.database.transaction(Scope.fleet()) as connection:
        emit(connection, bench.clocks, [event], Cause.new())
    while bench.run():
        pass
    return dict(bench.rows("select component, status from health_check"))


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """A drain that looks at studios."""
    for payload in ASKED_FOR:
        bench.registry.on_event(payload, "health.look", Transactional(Checker(bench.clocks).on_asked))
    return bench


@pytest.mark.parametrize("payload", ASKED_FOR, ids=lambda payload: payload.type_name)
def test_the_parts_that_are_meant_are_looked_at_at_that_studio(bench: Bench, payload: type[CheckAskedFor]) -> None:
    studio, other = add_studio(bench.database), add_studio(bench.database)
    assert set(_ask(bench, payload(), studio)) == set(payload.components)
    assert bench.rows("select distinct workspace_id from health_check") == [(studio,)]
    _ask(bench, payload(), None)
    seen = {row[0] for row in bench.rows("select workspace_id from health_check")}
    assert seen == {studio, other}, "without a studio, all of them"
    counted = bench.rows("select result from queue_log where outcome = 'done' order by fencing_token")
    assert sum(counted[0][0].values()) == len(payload.components)


def test_every_part_can_be_asked_for_and_only_the_usual_ones_are_looked_at_again(bench: Bench) -> None:
    assert {name for payload in ASKED_FOR for name in payload.components} == {*COMPONENTS, *ON_REQUEST}
    add_studio(bench.database)
    with bench.database.transaction(Scope.fleet()) as connection:
        run_checks(connection, bench.clocks)
    _ask(bench, WebhookCheck(), None)
    planned = dict(bench.rows("select component, next_check from health_check"))
    assert planned == {
        **dict.fromkeys(COMPONENTS, bench.business.now() + EVERY),
        "webhooks": bench.business.now(),
    }


def _messages(bench: Bench, studio: UUID, direction: str, **states: int) -> None:
    """So many messages in each state, that were accepted long enough ago."""
    lead = new_id()
    with bench.database.transaction(Scope.fleet()) as connection:
        connection.execute(
            text(
                "insert into lead (workspace_id, id, provider_user_id, language, lifecycle, source, tags, properties,"
                " created_at) values (:studio, :lead, :user, 'nl', 'lead', 'test', '[]', '{}', :now)"
            ),
            {"studio": studio, "lead": lead, "user": str(lead), "now": bench.business.now()},
        )
        for state, count in states.items():
            for _ in range(count):
                message = new_id()
                values: dict[str, Any] = {
                    "studio": studio, "id": message, "lead": lead, "direction": direction, "state": state,
                    "cause": str(message), "now": bench.business.now(),
                    "accepted": bench.real.now() - timedelta(hours=1),
                }  # fmt: skip
                connection.execute(
                    text(
                        "insert into message (workspace_id, id, lead_id, direction, kind, state, origin, cause,"
                        " occurred_at, accepted_at) values (:studio, :id, :lead, :direction, 'text', :state, 'test',"
                        " :cause, :now, :accepted)"
                    ),
                    values,
                )
                if direction == "in":
                    connection.execute(
                        text(
                            "insert into rule_firing (workspace_id, message_id, lead_id, fired_at, latency_ms)"
                            " values (:studio, :id, :lead, :now, 1)"
                        ),
                        values,
                    )


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({}, "healthy"),
        ({"accepted": 1, "delivered": 3}, "healthy"),
        ({"accepted": 3, "read": 1}, "degraded"),
        ({"accepted": 1}, "failed"),
    ],
)
def test_webhooks_fail_where_nothing_is_told_about_messages(
    bench: Bench, states: dict[str, int], expected: str
) -> None:
    studio = add_studio(bench.database)
    _messages(bench, studio, "out", **states)
    assert _ask(bench, WebhookCheck(), studio) == {"webhooks": expected}


def test_an_agent_without_rules_fails_and_one_that_finds_none_is_degraded(bench: Bench) -> None:
    studio = add_studio(bench.database)
    assert _ask(bench, AiProviderCheck(), studio) == {"ai_provider": "failed"}
    with bench.database.transaction(Scope.fleet()) as connection:
        connection.execute(
            text(
                "insert into ai_rule (workspace_id, id, name, goal, priority, version, conditions, actions, active,"
                " created_at, changed_at) values (:studio, :id, 'x', 'reply', 1, 1, '[]', '[]', true, :now, :now)"
            ),
            {"studio": studio, "id": new_id(), "now": bench.business.now()},
        )
    assert _ask(bench, AiProviderCheck(), studio) == {"ai_provider": "healthy"}
    _messages(bench, studio, "in", received=1)
    assert _ask(bench, AiProviderCheck(), studio) == {"ai_provider": "degraded"}

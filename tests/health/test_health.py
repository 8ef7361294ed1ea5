"""What health promises: parts that add up to the score, incidents told once, a broken studio that stops no other."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from typing import Any, cast
from uuid import UUID

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from pilar.backplane import budgets
from pilar.backplane.facts import Cause, Kind, emit
from pilar.backplane.handlers import Transactional, Work
from pilar.backplane.notices import IncidentOver, IncidentRequested, end_incidents, incident
from pilar.database.engine import Scope
from pilar.health.checks import COMPONENTS, run_checks
from pilar.health.incidents import IncidentKeeper, list_incidents
from pilar.health.score_store import score_studios
from pilar.health.scores import PART_OF, STATUS_POINTS, WEIGHTS, score
from pilar.ids import new_id
from pilar.workspaces import store
from tests.fixtures.work import Bench

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NO_INCIDENTS = pd.DataFrame(columns=["workspace_id", "severity"])


def _frame(**statuses: str) -> pd.DataFrame:
    rows = [{"workspace_id": "w", "component": name, "status": statuses.get(name, "healthy")} for name in PART_OF]
    return pd.DataFrame(rows)


def test_all_well_is_a_hundred_and_the_weights_are_whole() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1)
    found = score(_frame(), NO_INCIDENTS).loc["w"]
    assert (found["score"], found["weakest"]) == (100, "none")


def test_one_of_two_integrations_down_costs_half_of_its_part() -> None:
    found = score(_frame(whatsapp_integration="failed"), NO_INCIDENTS).loc["w"]
    assert (found["integrations"], found["score"], found["weakest"]) == (50.0, 80, "integrations")


def test_incidents_cost_by_severity_and_never_more_than_their_part() -> None:
    incidents = pd.DataFrame({"workspace_id": ["w"] * 4, "severity": ["critical", "high", "low", "medium"]})
    found = score(_frame(), incidents).loc["w"]
    assert (found["incidents"], found["score"]) == (0.0, 80)


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from(sorted(PART_OF)), st.sampled_from(sorted(STATUS_POINTS))))
def test_a_score_stays_in_bounds_and_getting_better_never_lowers_it(statuses: dict[str, str]) -> None:
    found = score(_frame(**statuses), NO_INCIDENTS).loc["w"]
    assert 0 <= found["score"] <= 100
    for component in statuses:
        better = score(_frame(**{**statuses, component: "healthy"}), NO_INCIDENTS).loc["w"]
        assert better["score"] >= found["score"]


def test_a_status_the_rule_does_not_know_is_no_zero() -> None:
    with pytest.raises(ValueError, match="sleepy"):
        score(_frame(rate_limits="sleepy"), NO_INCIDENTS)


def _studio(bench: Bench, **states: str) -> UUID:
    studio = new_id()
    values = {
        "workspace_id": studio,
        "name": "x",
        "state": "active",
        "plan": "PRO",
        "country": "NL",
        "time_zone": "UTC",
        "created_at": NOW,
    }
    with bench.database.transaction(Scope.fleet()) as connection:
        store.upsert_workspace(connection, values)
        for provider, state in {"twilio": "connected", "whatsapp": "connected", **states}.items():
            store.upsert_integration(connection, studio, provider, now=NOW, state=state)
    return studio


def _status(bench: Bench, studio: UUID) -> dict[str, str]:
    return dict(bench.rows(f"select component, status from health_check where workspace_id = '{studio}'"))


def test_checks_see_each_studios_own_trouble(bench: Bench) -> None:
    well, unconnected = _studio(bench), _studio(bench, whatsapp="pending")
    spent, stuck = _studio(bench), _studio(bench)
    bench.ask("a", workspace_id=stuck)
    with bench.database.transaction(Scope.fleet()) as connection:
        budgets.set_limit(connection, spent, "messages", "day", 10, "queue")
        budgets.consume(connection, bench.clocks, spent, "messages", 9)
    bench.run()  # nobody knows this work: it is buried
    with bench.database.transaction(Scope.fleet()) as connection:
        counts = run_checks(connection, bench.clocks)
    assert _status(bench, well) == dict.fromkeys(COMPONENTS, "healthy")
    assert _status(bench, unconnected)["whatsapp_integration"] == "degraded"
    assert _status(bench, spent)["rate_limits"] == "degraded"
    assert _status(bench, stuck)["queue_processing"] == "failed"
    assert counts == {"degraded": 2, "failed": 1, "healthy": 13}


def test_failures_in_a_row_are_counted_and_end_with_the_first_success(bench: Bench) -> None:
    studio = _studio(bench, twilio="failed")
    counted = []
    for state in ("failed", "failed", "connected"):
        with bench.database.transaction(Scope.fleet()) as connection:
            store.upsert_integration(connection, studio, "twilio", now=NOW, state=state)
            run_checks(connection, bench.clocks, [studio])
        counted += bench.rows("select consecutive_failures from health_check where component = 'twilio_integration'")
    assert [row[0] for row in counted] == [1, 2, 0]


def test_a_studio_that_is_gone_is_reported_and_the_others_are_scored(bench: Bench) -> None:
    well, gone = _studio(bench), new_id()
    with bench.database.transaction(Scope.fleet()) as connection:
        found = score_studios(connection, bench.clocks, [gone, well])
    assert found.scores == {well: 100}
    assert set(found.failed) == {gone}
    assert bench.rows("select score, weakest from analytics.workspace_health_score") == [(100, "none")]
    with bench.database.transaction(Scope.fleet()) as connection:
        assert score_studios(connection, bench.clocks, [gone]).scores == {}


def _ask_for_incident(bench: Bench, key: str, **changes: Any) -> None:
    request = IncidentRequested(
        **{
            "dedupe_key": "k",
            "title": "It broke",
            "description": "for anna@example.com",
            "severity": "low",
            "component": "c",
            **changes,
        }
    )
    with bench.database.transaction(Scope.fleet()) as connection:
        emit(connection, bench.clocks, [incident(request, key=key)], Cause.new())


def test_an_incident_is_open_once_however_often_it_is_asked_for(bench: Bench) -> None:
    bench.registry.on_event(IncidentRequested, "health", Transactional(IncidentKeeper(bench.clocks).on_request))
    for number, severity in enumerate(("low", "high", "medium")):
        _ask_for_incident(bench, str(number), severity=severity)
    _ask_for_incident(bench, "2", severity="medium")  # the same occurrence again
    bench.run()
    with bench.database.transaction(Scope.fleet()) as connection:
        (found,) = list_incidents(connection, open_only=True)
    assert (found.occurrences, found.severity, found.description) == (3, "high", "for a…@example.com")
    with bench.database.transaction(Scope.fleet()) as connection:
        connection.execute(text("update incident set status = 'resolved'"))
    _ask_for_incident(bench, "3")
    bench.run()
    with bench.database.transaction(Scope.fleet()) as connection:
        assert [one.status for one in list_incidents(connection)] == ["open", "resolved"]


@pytest.mark.parametrize("said", ["ask", "ask over", "ask over ask", "ask ask over", "ask over ask over", "over"])
def test_the_last_word_about_an_incident_counts_in_whatever_order_the_words_are_answered(
    bench: Bench, said: str
) -> None:
    for number, word in enumerate(said.split()):
        if word == "ask":
            _ask_for_incident(bench, str(number))
        else:
            with bench.database.transaction(Scope.fleet()) as connection:
                cause = Cause.new()
                expected = int("ask" in said)
                assert end_incidents(connection, bench.clocks, ["k"], reason="So.", cause=cause) == expected
                assert end_incidents(connection, bench.clocks, ["k"], reason="So.", cause=cause) == 0
    keeper, query = IncidentKeeper(bench.clocks), "select * from autopilot_event order by position"
    with bench.database.transaction(Scope.fleet()) as connection:
        events = connection.execute(text(query)).all()
    for order in permutations(events):
        with bench.database.transaction(Scope.fleet()) as connection:
            for event in order:
                asks = event.type == IncidentRequested.type_name
                content = (IncidentRequested if asks else IncidentOver).model_validate(event.payload)
                work = Work(
                    event.position, "health", Kind.EVENT, event.id, None, event.type, content, 1, 8, 1,
                    event.correlation_id, event.recorded_at, event.recorded_at,
                )  # fmt: skip
                (keeper.on_request if asks else keeper.on_over)(connection, cast("Work[Any]", work))
            left = len(list_incidents(connection, open_only=True))
            assert left == int(said.endswith("ask")), [event.type for event in order]
            connection.rollback()

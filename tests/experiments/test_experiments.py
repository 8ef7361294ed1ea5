"""Experiments on a real database: one at a time, units that stay, outcomes that count once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from pilar.app import build_app
from pilar.backplane.breaches import find_breaches
from pilar.backplane.facts import Cause, Event, Lane, emit
from pilar.bookings.events import BookingMade
from pilar.crypto import new_key
from pilar.database.engine import Scope
from pilar.errors import Conflict, Forbidden, Invalid, NotFound
from pilar.experiments.assignment import Variant
from pilar.experiments.experiments import running_for, stop
from pilar.experiments.invariants import INVARIANTS
from pilar.ids import new_id
from pilar.settings import Settings
from tests.experiments.doing import TWO, expose, reach, running_in, start_experiment, stop_experiment
from tests.fixtures.studios import add_studio
from tests.fixtures.system import Killed, MortalDatabase
from tests.fixtures.work import START, Bench


def test_one_experiment_runs_per_subject_and_studio(bench: Bench) -> None:
    studio, other = add_studio(bench.database), add_studio(bench.database)
    first = start_experiment(bench, studio)
    for again in (studio, None):
        if again is None:
            start_experiment(bench)
        with pytest.raises(Conflict, match="rule:trial is running"):
            start_experiment(bench, again)
    start_experiment(bench, other)
    start_experiment(bench, studio, subject="rule:price")
    bench.business.advance(timedelta(days=1))
    stopped = stop_experiment(bench, first)
    assert (stopped.state, stopped.ended_at) == ("stopped", START + timedelta(days=1))
    bench.business.advance(timedelta(days=1))
    assert stop_experiment(bench, first) == stopped
    assert start_experiment(bench, studio).started_at == START + timedelta(days=2)
    with bench.database.transaction(Scope.fleet()) as connection, pytest.raises(NotFound):
        stop(connection, bench.clocks, new_id())


def test_of_many_who_start_the_same_one_does(bench: Bench) -> None:
    def attempt(_: int) -> bool:
        try:
            start_experiment(bench)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(attempt, range(6))) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"variants": TWO[:1]}, "two variants"),
        ({"variants": (Variant("a", 1), Variant("b", 0))}, "weight"),
        ({"alpha": 0.0}, "Alpha"),
        ({"minimum_per_variant": 0}, "minimum"),
    ],
)
def test_what_can_not_be_an_experiment_is_refused(bench: Bench, change: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        start_experiment(bench, **change)


def test_a_studios_own_experiment_goes_before_the_founders_which_no_studio_sees(bench: Bench) -> None:
    studio, other = add_studio(bench.database), add_studio(bench.database)
    founders, own = start_experiment(bench), start_experiment(bench, studio)
    assert running_in(bench, studio) == own
    assert running_in(bench, other) == founders
    assert running_in(bench, other, "rule:price") is None
    with bench.database.transaction(Scope.workspace(other)) as connection:
        assert running_for(connection, other, "rule:trial") is None
    with pytest.raises(Forbidden):
        expose(bench, other, own, ["lead"])
    with pytest.raises(Conflict, match="not running"):
        expose(bench, studio, stop_experiment(bench, own), ["lead"])


def test_a_unit_keeps_the_variant_that_it_met_first(bench: Bench) -> None:
    studio = add_studio(bench.database)
    experiment = start_experiment(bench, studio)
    units = [str(number) for number in range(50)]
    met = expose(bench, studio, experiment, units)
    assert set(met) == {"short", "long"}
    bench.business.advance(timedelta(days=1))
    assert expose(bench, studio, experiment, units) == met
    assert bench.rows("select count(*), min(exposed_at), max(exposed_at) from experiment_exposure") == [
        (50, START, START)
    ]
    with bench.database.transaction(Scope.fleet()) as connection:
        connection.execute(text("update experiment_exposure set variant = 'long'"))
    assert set(expose(bench, studio, experiment, units)) == {"long"}


def test_an_outcome_counts_once_and_only_after_an_exposure_in_what_is_running(bench: Bench) -> None:
    studio, other = add_studio(bench.database), add_studio(bench.database)
    own, founders = start_experiment(bench, studio), start_experiment(bench, subject="rule:price")
    ended = start_experiment(bench, studio, subject="rule:hours")
    other_goal = start_experiment(bench, studio, subject="rule:tone", goal="lead.replied")
    assert reach(bench, studio, "lead") == 0
    for experiment in (own, founders, ended, other_goal):
        expose(bench, studio, experiment, ["lead"])
    expose(bench, other, founders, ["lead"])
    stop_experiment(bench, ended)
    assert reach(bench, studio, "lead") == 2
    assert reach(bench, studio, "lead", "stranger") == 0
    found = bench.rows("select workspace_id, experiment_id, value from experiment_outcome order by experiment_id")
    assert found == [(studio, own.id, 1.0), (studio, founders.id, 1.0)]


def test_where_studios_are_the_units_a_lead_reaches_the_goal_for_its_studio(bench: Bench) -> None:
    studio = add_studio(bench.database)
    experiment = start_experiment(bench, unit="workspace")
    expose(bench, studio, experiment, [str(studio)])
    assert reach(bench, studio, "a lead", "another lead") == 1
    assert bench.rows("select unit_id from experiment_outcome") == [(str(studio),)]


def test_a_booking_is_an_outcome_of_the_lead(bench: Bench) -> None:
    """As the composition root has it, and whoever is killed at any of its commits."""
    studio, lead = add_studio(bench.database), new_id()
    expose(bench, studio, start_experiment(bench), [str(lead)])
    event = Event(
        payload=BookingMade(booking_id=new_id(), lead_id=lead), key="k", aggregate=("booking", "b"), workspace_id=studio
    )
    with bench.database.transaction(Scope.fleet()) as connection:
        emit(connection, bench.clocks, [event], Cause.new())
    settings = Settings(secret_keys=new_key())
    deaths = 0
    for moment in range(1, 4):
        mortal = MortalDatabase(bench.database.url, dies_at=moment, after_commit=moment % 2 == 0)
        app = build_app(settings, database=mortal, clocks=bench.clocks)
        try:
            app.drain("dying").step(Lane.DEFAULT)
        except Killed:
            deaths += 1
        app.close()
        bench.real.advance(timedelta(minutes=5))
    assert deaths > 0
    app = build_app(settings, database=bench.database, clocks=bench.clocks)
    app.drain("living").run_until_idle(bench.real.now() + timedelta(seconds=1))
    assert bench.rows("select workspace_id, unit_id, occurred_at from experiment_outcome") == [
        (studio, str(lead), START)
    ]
    assert bench.one("select count(*) from queue") == 0


@pytest.mark.parametrize(
    ("name", "breach"),
    [
        ("outcomes_follow_exposures", "update experiment_outcome set occurred_at = occurred_at - interval '1 second'"),
        ("exposures_name_a_variant", "update experiment_exposure set variant = 'gone' where unit_id = 'lead'"),
        (
            "exposures_are_in_ones_own_experiments",
            "update experiment set workspace_id = (select min(workspace_id::text)::uuid from workspace)",
        ),
    ],
)
def test_a_broken_promise_is_seen(bench: Bench, name: str, breach: str) -> None:
    add_studio(bench.database)
    studio = add_studio(bench.database)
    experiment = start_experiment(bench, studio)
    expose(bench, studio, experiment, ["lead", "other"])
    reach(bench, studio, "lead")
    for broken in (False, True):
        with bench.database.transaction(Scope.fleet()) as connection:
            if broken:
                connection.execute(text(breach))
            found = {one.name: find_breaches(connection, bench.clocks, one).count > 0 for one in INVARIANTS}
        assert found == {one.name: broken and one.name == name for one in INVARIANTS}

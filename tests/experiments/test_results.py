"""Results on a real database: the same whoever asks, one bad studio alone, and an end when they are clear."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from pilar.database.engine import Scope
from pilar.errors import NotFound
from pilar.experiments.overview import experiment_detail, list_experiments
from pilar.experiments.results import refresh_results
from pilar.workspaces.chunks import in_chunks
from tests.experiments.doing import (
    decided_events,
    fill,
    fleet_refreshed,
    refreshed,
    running_in,
    start_experiment,
    stop_experiment,
)
from tests.fixtures.studios import add_studio
from tests.fixtures.system import Killed, MortalDatabase
from tests.fixtures.work import START, Bench


def test_results_are_of_the_studios_asked_for_and_the_same_whoever_asks(bench: Bench) -> None:
    studio, other, idle = (add_studio(bench.database) for _ in range(3))
    experiment, others = start_experiment(bench, studio), start_experiment(bench, other)
    fill(bench, studio, experiment, {"short": (30, 3), "long": (35, 20)})
    fill(bench, other, others, {"short": (2, 1)})
    assert refreshed(bench, studio, idle) == 3
    told = "select * from analytics.experiment_variant order by variant"
    compared = "select * from analytics.experiment_result"
    assert [row[1:6] for row in bench.rows(told)] == [
        (experiment.id, "long", 1, 35, 20),
        (experiment.id, "short", 1, 30, 3),
    ]
    (row,) = bench.rows(compared)
    assert (row.baseline, row.variant, row.rate_baseline, row.effect) == ("short", "long", 0.1, 20 / 35 - 0.1)
    assert row.low > 0
    assert row.p_value < 0.05 < row.srm_p_value
    assert (row.decision, row.reasons[-1]) == ("adopt:long", "long is better than the baseline.")
    before = [bench.rows(told), bench.rows(compared)]
    assert refreshed(bench, studio) == 3
    assert [bench.rows(told), bench.rows(compared)] == before
    assert refreshed(bench, other) == 3
    assert bench.rows(
        "select effect, p_value from analytics.experiment_result where variant = 'long' and low is null"
    ) == [(None, None)]
    assert running_in(bench, studio) == experiment  # telling ends nothing
    assert refreshed(bench) == refreshed(bench, idle) == 0


def test_a_studio_with_broken_data_fails_alone_and_keeps_its_last_results(bench: Bench) -> None:
    studios = [add_studio(bench.database) for _ in range(5)]
    for studio in studios:
        fill(bench, studio, start_experiment(bench, studio), {"short": (2, 1), "long": (2, 1)})
    refreshed(bench, *studios)
    bad, unreadable = studios[1], studios[3]
    with bench.database.transaction(Scope.fleet()) as connection:
        connection.execute(
            text("update experiment_exposure set variant = 'gone' where workspace_id = :bad"), {"bad": bad}
        )
        connection.execute(
            text("update experiment set variants = '[7]' where workspace_id = :bad"), {"bad": unreadable}
        )
    bench.business.advance(timedelta(hours=1))

    def work(connection: Connection, chunk: Sequence[UUID]) -> int:
        return refresh_results(connection, bench.clocks, chunk).rows

    done = in_chunks(bench.database, studios, work)
    assert sum(done.results) == 9
    assert set(done.failed) == {bad, unreadable}
    assert "gone" in done.failed[bad]
    stale = bench.rows(f"select distinct workspace_id from analytics.experiment_variant where refreshed_at = '{START}'")
    assert {row[0] for row in stale} == {bad, unreadable}
    found = {result.workspace_id: result for result in fleet_refreshed(bench)}
    assert {studio for studio, result in found.items() if result.decision == "broken"} == {bad, unreadable}
    assert len(found) == 5


def test_the_founders_experiment_is_summed_over_all_studios_and_ends_when_it_is_clear(bench: Bench) -> None:
    one, other = add_studio(bench.database), add_studio(bench.database)
    experiment = start_experiment(bench, minimum_per_variant=60)
    fill(bench, one, experiment, {"short": (30, 3), "long": (35, 20)})
    (early,) = fleet_refreshed(bench)
    assert (early.decision, early.decided) == ("keep_running", False)
    assert early.reasons == ("Each variant is to meet 60 units first: short 30, long 35.",)
    fill(bench, other, experiment, {"short": (31, 3), "long": (28, 15)})
    (found,) = fleet_refreshed(bench)
    assert (found.name, found.decision, found.decided) == ("Trial offer", "adopt:long", True)
    rows = bench.rows(
        "select variant, exposed, converted, decision, effect from analytics.fleet_experiment_result order by variant"
    )
    assert [row[:4] for row in rows] == [("long", 63, 35, "adopt:long"), ("short", 61, 6, "adopt:long")]
    assert [row.effect for row in rows] == [pytest.approx(35 / 63 - 6 / 61), None]
    payload = {"experiment_id": str(experiment.id), "subject": "rule:trial", "adopted": "long"}
    assert decided_events(bench) == [(None, payload)]
    assert running_in(bench, one) is None
    (row,) = bench.rows("select state, ended_at, decision from experiment")
    assert row == ("decided", bench.business.now(), {"decision": "adopt:long", "reasons": list(found.reasons)})
    for _ in range(2):
        assert [result.decided for result in fleet_refreshed(bench)] in ([False], [])
    assert len(decided_events(bench)) == 1
    assert stop_experiment(bench, experiment).state == "decided"


def test_a_studios_own_experiment_ends_too_and_a_stopped_one_is_told_to_its_end(bench: Bench) -> None:
    studio, other = add_studio(bench.database), add_studio(bench.database)
    worse, stopped = start_experiment(bench, studio), start_experiment(bench, other)
    fill(bench, studio, worse, {"short": (40, 30), "long": (41, 5)})
    fill(bench, other, stopped, {"short": (5, 1)})
    stop_experiment(bench, stopped)
    found = {result.workspace_id: result for result in fleet_refreshed(bench)}
    assert (found[studio].decision, found[studio].decided) == ("keep_baseline", True)
    assert (found[other].decision, found[other].decided) == ("keep_running", False)
    payload = {"experiment_id": str(worse.id), "subject": "rule:trial", "adopted": None}
    assert decided_events(bench) == [(studio, payload)]
    assert bench.one(f"select state from experiment where workspace_id = '{other}'") == "stopped"
    fleet_refreshed(bench)
    assert fleet_refreshed(bench) == []


def test_uneven_shares_are_told_and_end_nothing(bench: Bench) -> None:
    studio = add_studio(bench.database)
    experiment = start_experiment(bench, studio)
    fill(bench, studio, experiment, {"short": (40, 2), "long": (100, 80)})
    (found,) = fleet_refreshed(bench)
    assert (found.decision, found.decided) == ("broken", False)
    assert running_in(bench, studio) == experiment


@pytest.mark.parametrize("after_commit", [False, True])
def test_who_is_killed_while_ending_an_experiment_ends_it_once(bench: Bench, after_commit: bool) -> None:
    studio = add_studio(bench.database)
    fill(bench, studio, start_experiment(bench), {"short": (40, 2), "long": (40, 30)})
    mortal = MortalDatabase(bench.database.url, dies_at=1, after_commit=after_commit)
    with pytest.raises(Killed):
        fleet_refreshed(Bench(mortal, bench.business, bench.real))
    mortal.close()
    assert len(decided_events(bench)) == after_commit
    fleet_refreshed(bench)
    assert len(decided_events(bench)) == 1


def test_pages_show_what_was_last_told_to_whom_it_concerns(bench: Bench) -> None:
    studio, other = add_studio(bench.database), add_studio(bench.database)
    own, founders = start_experiment(bench, studio), start_experiment(bench, name="Over all")
    with bench.database.transaction(Scope.workspace(studio)) as connection:
        fresh = experiment_detail(connection, own.id)
        assert (fresh.decision, fresh.reasons, fresh.refreshed_at) == ("keep_running", (), None)
        assert [(one.key, one.exposed, one.rate) for one in fresh.variants] == [("short", 0, None), ("long", 0, None)]
    fill(bench, studio, own, {"short": (30, 3), "long": (35, 20)})
    fill(bench, other, founders, {"short": (10, 4), "long": (8, 4)})
    refreshed(bench, studio, other)
    fleet_refreshed(bench)
    with bench.database.transaction(Scope.workspace(studio)) as connection:
        (shown,) = list_experiments(connection, 10)
        assert (shown.id, shown.state, shown.exposed, shown.converted) == (own.id, "decided", 65, 23)
        detail = experiment_detail(connection, own.id)
        with pytest.raises(NotFound):
            experiment_detail(connection, founders.id)
    baseline, variant = detail.variants
    assert (baseline.key, baseline.rate, baseline.effect, baseline.p_value) == ("short", 0.1, None, None)
    assert (variant.key, variant.exposed, variant.effect) == ("long", 35, pytest.approx(20 / 35 - 0.1))
    assert (detail.decision, detail.refreshed_at, detail.experiment.state) == ("adopt:long", START, "decided")
    with bench.database.transaction(Scope.workspace(other)) as connection:
        assert list_experiments(connection, 10) == []
    with bench.database.transaction(Scope.fleet()) as connection:
        assert [one.id for one in list_experiments(connection, 10)] == [founders.id, own.id]
        assert [one.id for one in list_experiments(connection, 1)] == [founders.id]
        detail = experiment_detail(connection, founders.id)
    assert [(one.key, one.exposed, one.converted) for one in detail.variants] == [("short", 10, 4), ("long", 8, 4)]

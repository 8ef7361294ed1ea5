from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import dagster as dg
import pytest

from pilar.ids import new_id
from pilar_pipelines.definitions import defs
from pilar_pipelines.jobs.health import score_every_six_hours
from pilar_pipelines.partitions import range_tags
from tests.pilar_pipelines.fleet import Fleet

SCORE = dg.AssetKey("workspace_health_score")


def _score(instance: dg.DagsterInstance, first: UUID, last: UUID) -> dg.ExecuteInProcessResult:
    job = defs.resolve_job_def("score_all_studios")
    return job.execute_in_process(instance=instance, tags=range_tags(str(first), str(last)))


def _checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}


def _known(instance: dg.DagsterInstance, studios: list[UUID]) -> None:
    instance.add_dynamic_partitions("workspace", [str(studio) for studio in studios])


def test_one_run_scores_a_range_of_studios(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    studios = fleet.add("One", "Two", "Three", "Four")
    _known(instance, studios)
    result = _score(instance, studios[0], studios[2])
    assert instance.get_materialized_partitions(SCORE) == {str(studio) for studio in studios[:3]}
    assert {row.workspace_id for row in fleet.rows("select * from analytics.workspace_health_score")} == set(
        studios[:3]
    )
    first = result.asset_materializations_for_node("workspace_health_score")[0]
    assert first.metadata["scored"].value == 3
    assert all(evaluation.passed for evaluation in _checks(result).values())


def test_a_broken_studio_turns_a_check_red_and_nobody_else_notices(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    studios = fleet.add("One", "Broken", "Three", "Closed", "Five")
    _known(instance, studios)
    _score(instance, studios[0], studios[-1])
    before = dict(
        fleet.rows("select workspace_id, scored_at from analytics.workspace_health_score")  # type: ignore[arg-type]
    )
    fleet.change("delete from health_check where workspace_id = :it", it=studios[1])
    fleet.spoil(studios[1])
    fleet.close(studios[3])
    result = _score(instance, studios[0], studios[-1])

    after = dict(fleet.rows("select workspace_id, scored_at from analytics.workspace_health_score"))  # type: ignore[arg-type]
    assert result.success
    assert {studio for studio in studios if after[studio] > before[studio]} == {studios[0], studios[2], studios[4]}
    check = _checks(result)["every_studio_was_scored"]
    assert not check.passed
    assert str(studios[1]) in str(check.metadata["failed_studios"].value)
    assert (check.metadata["failed"].value, check.metadata["closed"].value) == (1, 1)
    own = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=SCORE, asset_partitions=[str(studios[1])]), limit=1
    ).records[0]
    assert own.asset_materialization is not None
    assert "failed_because" in own.asset_materialization.metadata


def test_an_active_studio_without_a_recent_score_turns_a_check_red(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    scored, forgotten = fleet.add("Scored", "Forgotten")
    fleet.change("update workspace set activated_at = activated_at - interval '1 day'")
    _known(instance, [scored, forgotten])
    check = _checks(_score(instance, scored, scored))["scores_are_fresh"]
    assert not check.passed
    assert check.metadata["stale"].value == 1
    assert str(forgotten) in str(check.metadata["studios"].value)
    assert _checks(_score(instance, scored, forgotten))["scores_are_fresh"].passed


def test_the_schedule_asks_for_all_studios_in_one_run(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    keys = [str(new_id()) for _ in range(12)]
    instance.add_dynamic_partitions("workspace", keys)
    with dg.build_schedule_context(
        instance=instance,
        repository_def=defs.get_repository_def(),
        scheduled_execution_time=datetime(2026, 3, 2, 6, 0, tzinfo=UTC),
    ) as context:
        data = score_every_six_hours.evaluate_tick(context)
    (request,) = data.run_requests or ()
    assert request.tags.items() >= range_tags(keys[0], keys[-1]).items()


@pytest.mark.parametrize("planted", [False, True])
def test_a_breach_of_a_promise_turns_its_check_red(instance: dg.DagsterInstance, fleet: Fleet, planted: bool) -> None:
    if planted:
        fleet.change(
            "insert into queue (position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts,"
            " due_at) values (424242, 'run', 2, :fleet, 'test.lost', 'bulk', 1, 0, 1, now())",
            fleet=UUID(int=0),
        )
    result = defs.resolve_job_def("watch_fleet").execute_in_process(instance=instance)
    checks = _checks(result)
    assert result.success
    assert checks["work_has_its_fact"].passed is not planted
    assert all(evaluation.passed for name, evaluation in checks.items() if name != "work_has_its_fact")
    if planted:
        assert "424242" in str(checks["work_has_its_fact"].metadata["rows"].value)


def test_a_studio_that_can_not_be_looked_at_does_not_keep_the_others_from_it(
    instance: dg.DagsterInstance, fleet: Fleet
) -> None:
    studios = fleet.add("One", "Broken", "Three", state="provisioning")
    fleet.spoil(studios[1])
    checks = _checks(defs.resolve_job_def("watch_fleet").execute_in_process(instance=instance))
    looked_at = {
        row[0] for row in fleet.rows("select distinct workspace_id from health_check where component = 'rate_limits'")
    }
    assert looked_at == {studios[0], studios[2]}
    assert not checks["every_studio_was_looked_at"].passed

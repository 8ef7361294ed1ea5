from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import dagster as dg

from pilar.ids import new_id
from pilar_pipelines.definitions import defs
from pilar_pipelines.jobs.overview import refresh_studios_every_hour
from pilar_pipelines.partitions import range_tags
from tests.pilar_pipelines.fleet import Fleet

STUDIOS = dg.AssetKey("studio_overview")


def _refresh(instance: dg.DagsterInstance, first: UUID, last: UUID) -> dg.ExecuteInProcessResult:
    job = defs.resolve_job_def("refresh_all_studios")
    return job.execute_in_process(instance=instance, tags=range_tags(str(first), str(last)))


def _check(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    (found,) = [one for one in result.get_asset_check_evaluations() if one.check_name == name]
    return found


def _names(fleet: Fleet) -> dict[UUID, str]:
    return dict(fleet.rows("select workspace_id, name from analytics.studio_overview"))  # type: ignore[arg-type]


def test_one_run_refreshes_a_range_of_studios(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    studios = fleet.add("One", "Two", "Three", "Four")
    instance.add_dynamic_partitions("workspace", [str(studio) for studio in studios])
    result = _refresh(instance, studios[0], studios[2])
    assert instance.get_materialized_partitions(STUDIOS) == {str(studio) for studio in studios[:3]}
    assert _names(fleet) == dict(zip(studios, ("One", "Two", "Three"), strict=False))
    first = result.asset_materializations_for_node("studio_overview")[0]
    assert (first.metadata["refreshed"].value, first.metadata["failed"].value) == (3, 0)
    assert _check(result, "every_studio_was_refreshed").passed


def test_a_broken_studio_is_reported_and_keeps_its_row_and_the_others_are_refreshed(
    instance: dg.DagsterInstance, fleet: Fleet
) -> None:
    studios = fleet.add("One", "Broken", "Three", "Closed", "Five")
    instance.add_dynamic_partitions("workspace", [str(studio) for studio in studios])
    _refresh(instance, studios[0], studios[-1])
    fleet.change("update workspace set name = name || ' again'")
    fleet.change("update workspace set state = 'on holiday' where workspace_id = :it", it=studios[1])
    fleet.close(studios[3])
    result = _refresh(instance, studios[0], studios[-1])
    assert result.success
    names = ("One again", "Broken", "Three again", "Closed", "Five again")
    assert _names(fleet) == dict(zip(studios, names, strict=True))
    check = _check(result, "every_studio_was_refreshed")
    assert not check.passed
    assert "on holiday" in str(check.metadata["failed_studios"].value)
    assert [check.metadata[name].value for name in ("refreshed", "failed", "closed")] == [3, 1, 1]
    own = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=STUDIOS, asset_partitions=[str(studios[1])]), limit=1
    ).records[0]
    assert own.asset_materialization is not None
    assert "failed_because" in own.asset_materialization.metadata


def test_the_fleet_is_told_with_studios_that_have_no_partition(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    one, broken, closed = fleet.add("One", "Broken", "Closed")
    fleet.change("update workspace set state = 'on holiday' where workspace_id = :it", it=broken)
    fleet.close(closed)
    job = defs.resolve_job_def("refresh_fleet")
    result = job.execute_in_process(instance=instance)
    assert _names(fleet) == {one: "One", closed: "Closed"}
    (told,) = result.asset_materializations_for_node("fleet_overview")
    assert [told.metadata[name].value for name in ("active", "closed", "overlooked")] == [1, 1, 3]
    check = _check(result, "no_studio_is_overlooked")
    assert not check.passed
    assert str(broken) in str(check.metadata["failed_studios"].value)
    fleet.change("update workspace set state = 'active' where workspace_id = :it", it=broken)
    assert _check(job.execute_in_process(instance=instance), "no_studio_is_overlooked").passed
    assert fleet.rows("select active, closed from analytics.fleet_overview") == [(2, 1)]


def test_the_schedule_asks_for_all_studios_in_one_run(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    keys = [str(new_id()) for _ in range(12)]
    moment = datetime(2026, 3, 2, 6, 20, tzinfo=UTC)
    repository = defs.get_repository_def()
    with dg.build_schedule_context(
        instance=instance, repository_def=repository, scheduled_execution_time=moment
    ) as context:
        assert refresh_studios_every_hour.evaluate_tick(context).run_requests == []
        instance.add_dynamic_partitions("workspace", keys)
        (request,) = refresh_studios_every_hour.evaluate_tick(context).run_requests or ()
    assert request.tags.items() >= range_tags(keys[0], keys[-1]).items()

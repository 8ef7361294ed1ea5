from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import dagster as dg

from pilar.backplane import locks
from pilar.backplane.budgets import reserve, set_limit
from pilar.clocks import Clocks, ManualClock
from pilar.database.engine import Scope
from pilar_pipelines.bookkeeping import NEWEST, Forgotten, Kept, forget
from pilar_pipelines.definitions import defs
from pilar_pipelines.partitions import range_tags, workspaces
from tests.pilar_pipelines.fleet import Fleet

NOTHING = Kept.hours(runs=0, failed_runs=0, runless_events=1)


@dg.asset
def plain() -> None: ...


@dg.asset(partitions_def=workspaces)
def by_studio() -> None: ...


@dg.op
def nothing() -> None: ...


@dg.job
def idle() -> None:
    nothing()


def _materialize(instance: dg.DagsterInstance, asset: dg.AssetsDefinition, *keys: str) -> str:
    job = dg.define_asset_job("make", selection=[asset])
    resolved = dg.Definitions(assets=[asset], jobs=[job]).resolve_job_def("make")
    tags = range_tags(keys[0], keys[-1]) if keys else {}
    return resolved.execute_in_process(instance=instance, tags=tags).run_id


def test_the_newest_runs_of_an_asset_stay(instance: dg.DagsterInstance) -> None:
    made = [_materialize(instance, plain) for _ in range(NEWEST + 2)]
    idle.execute_in_process(instance=instance)
    assert forget(instance, NOTHING) == Forgotten(runs=3, wiped=())
    assert set(instance.get_run_ids()) == set(made[2:])
    assert instance.get_latest_materialization_event(plain.key) is not None
    assert forget(instance, NOTHING) == Forgotten(runs=0, wiped=())


def test_a_run_stays_while_it_is_the_newest_of_any_studio(instance: dg.DagsterInstance) -> None:
    keys = ["a", "b", "c"]
    instance.add_dynamic_partitions("workspace", keys)
    of_all = [_materialize(instance, by_studio, "a", "c") for _ in range(2)]
    of_one = [_materialize(instance, by_studio, "a") for _ in range(NEWEST)]
    assert forget(instance, NOTHING).runs == 1
    assert set(instance.get_run_ids()) == {of_all[1], *of_one}
    assert instance.get_materialized_partitions(by_studio.key) == set(keys)

    # A studio that is closed keeps nothing alive.
    instance.delete_dynamic_partition("workspace", "b")
    instance.delete_dynamic_partition("workspace", "c")
    assert forget(instance, NOTHING).runs == 1
    assert set(instance.get_run_ids()) == set(of_one)


def test_young_runs_stay(instance: dg.DagsterInstance) -> None:
    idle.execute_in_process(instance=instance)
    assert forget(instance, Kept.hours(runs=1, failed_runs=1, runless_events=1)).runs == 0
    assert len(instance.get_run_ids()) == 1


def test_events_without_a_run_are_forgotten_when_the_oldest_is_past_its_time(instance: dg.DagsterInstance) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization("work_drained", metadata={"attempts": 1}))
    assert forget(instance, NOTHING).wiped == ()
    assert forget(instance, Kept.hours(runs=0, failed_runs=0, runless_events=0)).wiped == ("work_drained",)
    assert instance.get_latest_materialization_event(dg.AssetKey("work_drained")) is None


def test_the_nightly_job_cleans_the_product_and_dagster(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    idle.execute_in_process(instance=instance)
    fleet.change("insert into worker_heartbeat values ('dead', now() - interval '3 days', now() - interval '2 days')")
    config = dg.RunConfig(ops={"clean_up_dagster": {"config": {"runs": 0.0}}})
    result = defs.resolve_job_def("clean_up").execute_in_process(instance=instance, run_config=config)
    assert fleet.rows("select * from worker_heartbeat") == []
    assert instance.get_run_ids() == [result.run_id]


def test_what_was_reserved_and_never_settled_is_given_back(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    (studio,) = fleet.add("One")
    yesterday = ManualClock(datetime.now(UTC) - timedelta(days=1))
    with fleet.database.transaction(Scope.fleet()) as connection:
        set_limit(connection, studio, "messages", "day", 10, "queue")
        reserve(connection, Clocks(yesterday, yesterday), studio, "messages", 4, expires_in=timedelta(minutes=5))
    assert _reserved(fleet, studio) == 4
    defs.resolve_job_def("reset_budgets").execute_in_process(instance=instance)
    assert _reserved(fleet, studio) == 0


def test_locks_that_expired_are_removed_and_no_others(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    now = datetime.now(UTC)
    with fleet.database.transaction(Scope.fleet()) as connection:
        for key, ttl in (("past", timedelta(seconds=1)), ("held", timedelta(hours=2))):
            assert locks.acquire(connection, key, holder="me", ttl=ttl, now=now - timedelta(hours=1))
    defs.resolve_job_def("clean_locks").execute_in_process(instance=instance)
    assert fleet.rows("select key from distributed_lock") == [("held",)]


def _reserved(fleet: Fleet, studio: UUID) -> int:
    return int(fleet.rows(f"select sum(reserved) from budget_usage where workspace_id = '{studio}'")[0][0])

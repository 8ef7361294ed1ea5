"""Dagster follows provisioning up, counts it, and has it tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import dagster as dg

from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.provisioning import replacement_store, store
from pilar.provisioning.steps import Done, OutsideStep
from pilar_pipelines.definitions import defs
from pilar_pipelines.resources.pilar import PilarResource
from pilar_pipelines.sensors.provisioning import read, stuck_provisioning, written
from tests.pilar_pipelines.fleet import Fleet

STEPS = [OutsideStep("payment", "Payment", lambda _: Done({})), OutsideStep("review", "Review", lambda _: Done({}))]


def test_waits_are_followed_up_by_dagster_too(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    now, [studio] = datetime.now(UTC), fleet.add("North", state="provisioning")
    job = store.NewJob(new_id(), studio, "sub_1", "cus_1", new_id(), b"hash", b"sealed")
    with fleet.database.transaction(Scope.fleet()) as connection:
        store.create_job(connection, job, [OutsideStep("review", "Review", lambda _: Done({}))], now)
        wait = {
            "status": "waiting", "waits_on": "meta", "wait_reason": "A review.", "wait_round": 1,
            "waits_from": now - timedelta(days=3), "remind_at": now - timedelta(days=1),
            "expires_at": now + timedelta(days=11),
        }  # fmt: skip
        store.set_step(connection, job.id, "review", wait)
    result = defs.resolve_job_def("follow_up_waits").execute_in_process(instance=instance)
    assert result.success
    with fleet.database.transaction(Scope.fleet()) as connection:
        [step] = store.steps_of(connection, job.id)
    assert (step.reminders, step.remind_at) == (1, now + timedelta(days=2))


def test_it_does_so_every_quarter_of_an_hour() -> None:
    schedule = defs.resolve_schedule_def("follow_up_waits_every_quarter_of_an_hour")
    assert (schedule.cron_schedule, schedule.default_status) == ("*/15 * * * *", dg.DefaultScheduleStatus.RUNNING)


def _sign_up(fleet: Fleet, workspace_id: UUID, state: str) -> store.NewJob:
    identity = new_id()
    job = store.NewJob(identity, workspace_id, f"sub_{identity}", "cus_1", new_id(), identity.bytes, b"sealed")
    with fleet.database.transaction(Scope.fleet()) as connection:
        store.create_job(connection, job, STEPS, datetime.now(UTC))
        store.set_job(connection, job.id, {"state": state})
    return job


def test_signups_are_counted_by_dagster_and_a_state_that_nobody_knows_turns_its_check_red(
    instance: dg.DagsterInstance, fleet: Fleet
) -> None:
    first, second = fleet.add("North", "South", state="provisioning")
    _sign_up(fleet, first, "failed")
    job = defs.resolve_job_def("count_provisioning")

    def counted() -> tuple[int, int, bool]:
        result = job.execute_in_process(instance=instance)
        [told] = result.asset_materializations_for_node("provisioning_funnel")
        [check] = result.get_asset_check_evaluations()
        return int(told.metadata["signups"].value), int(told.metadata["failed"].value), check.passed  # type: ignore[arg-type]

    assert counted() == (1, 1, True)
    _sign_up(fleet, second, "on holiday")
    assert counted() == (2, 1, False)
    assert fleet.rows("select signups, failed from analytics.provisioning_funnel") == [(2, 1)]


def test_a_studio_is_provisioned_again_from_a_named_step_by_partition(
    instance: dg.DagsterInstance, fleet: Fleet
) -> None:
    [studio] = fleet.add("North", state="provisioning")
    instance.add_dynamic_partitions("workspace", [str(studio)])
    made = _sign_up(fleet, studio, "completed")
    job = defs.resolve_job_def("provision_studio")

    def again(step: str | None) -> dg.ExecuteInProcessResult:
        config = {"ops": {"reprovision": {"config": {"from_step": step}}}} if step else None
        return job.execute_in_process(
            instance=instance, partition_key=str(studio), run_config=config, raise_on_error=False
        )

    assert again("review").success
    assert fleet.rows("select type from autopilot_job") == [("provisioning.advance",)]
    [(actor, details)] = fleet.rows("select actor, details from audit_log where action = 'provisioning.retried'")
    assert actor.startswith("dagster:")
    assert details == {"from": "review"}
    refused = again("tea")
    assert not refused.success
    [failure] = [event for event in refused.all_events if event.is_step_failure]
    assert "This job has no step 'tea'" in (failure.step_failure_data.user_failure_data.description or "")  # type: ignore[union-attr]
    with fleet.database.transaction(Scope.fleet()) as connection:
        store.set_job(connection, made.id, {"state": "completed"})
    assert not again(None).success  # it is ready, and no step is named


def test_the_sensor_has_stuck_jobs_tried_again_and_overdue_waits_followed_up(
    instance: dg.DagsterInstance, fleet: Fleet
) -> None:
    lost, waiting = fleet.add("Lost", "Waiting", state="provisioning")
    _sign_up(fleet, lost, "running")
    late = _sign_up(fleet, waiting, "waiting")
    now = datetime.now(UTC)
    with fleet.database.transaction(Scope.fleet()) as connection:
        wait = {
            "status": "waiting", "waits_on": "meta", "wait_reason": "A review.", "wait_round": 1, "waits_from": now,
            "look_at": now - timedelta(hours=1), "expires_at": now + timedelta(days=11),
        }  # fmt: skip
        store.set_step(connection, late.id, "review", wait)

    def look(cursor: str | None) -> tuple[dict[str, dg.RunRequest], str]:
        with dg.build_sensor_context(
            instance=instance,
            cursor=cursor,
            repository_def=defs.get_repository_def(),
            resources={"pilar": PilarResource()},
        ) as context:
            result = stuck_provisioning.evaluate_tick(context)
        return {request.job_name or "": request for request in result.run_requests or ()}, result.cursor or ""

    asked, cursor = look(None)
    assert set(asked) == {"resume_provisioning", "follow_up_waits"}
    assert list(read(cursor)) == [str(lost)]
    assert set(look(cursor)[0]) == {"follow_up_waits"}, "what was tried is tried again after an hour"
    for name, request in asked.items():
        config = request.run_config
        assert defs.resolve_job_def(name).execute_in_process(instance=instance, run_config=config).success
    assert fleet.rows("select count(*) from autopilot_job where type = 'provisioning.advance'") == [(2,)]
    asked, same = look(cursor)
    assert asked == {}
    assert same == cursor == written(read(cursor))


def test_channels_are_looked_at_by_dagster_too(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    [studio] = fleet.add("North")
    past = datetime.now(UTC) - timedelta(minutes=1)
    with fleet.database.transaction(Scope.fleet()) as connection:
        replacement_store.keep_look(connection, studio, {"trouble": None}, look_at=past)
    assert defs.resolve_job_def("look_at_channels").execute_in_process(instance=instance).success
    with fleet.database.transaction(Scope.fleet()) as connection:
        found = connection.exec_driver_sql("select type from autopilot_job order by type").scalars().all()
        look = replacement_store.look_of(connection, studio)
    assert list(found) == ["messaging.read_number", "messaging.submit_templates", "provisioning.look_at_channels"]
    assert look is not None
    assert look.look_at > past + timedelta(hours=5)
    schedule = defs.resolve_schedule_def("look_at_channels_every_half_hour")
    assert (schedule.cron_schedule, schedule.default_status) == ("*/30 * * * *", dg.DefaultScheduleStatus.RUNNING)

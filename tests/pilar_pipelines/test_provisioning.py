"""Dagster follows up provisioning that waits, as the worker does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg

from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.provisioning import store
from pilar.provisioning.steps import Done, OutsideStep
from pilar_pipelines.definitions import defs
from tests.pilar_pipelines.fleet import Fleet


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

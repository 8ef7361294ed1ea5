from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from pilar.backplane import heartbeat
from pilar.backplane.backlog import Waiting
from pilar.database.engine import Scope
from pilar.draining import Due
from pilar_pipelines.definitions import defs
from pilar_pipelines.resources.pilar import PilarResource
from pilar_pipelines.sensors.drain import LOST_AFTER, Seen, reason_to_wait, waiting_work
from tests.pilar_pipelines.fleet import Fleet

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
Status = dg.DagsterRunStatus


def _seen(status: dg.DagsterRunStatus, **ago: float) -> Seen:
    return Seen(status, NOW - timedelta(**ago))


SOME = Due((Waiting("default", 3, NOW),), later=0, workers=0)


def test_a_run_is_asked_for_while_something_waits_and_nobody_is_at_it() -> None:
    assert reason_to_wait(SOME, [], NOW) is None
    assert reason_to_wait(Due((), later=1, workers=0), [], NOW) is None
    assert reason_to_wait(SOME, [_seen(Status.SUCCESS, seconds=1)], NOW) is None
    assert "nothing waits" in str(reason_to_wait(Due((), later=0, workers=1), [], NOW))


@pytest.mark.parametrize(
    "status", [Status.QUEUED, Status.NOT_STARTED, Status.STARTING, Status.STARTED, Status.CANCELING]
)
def test_a_run_that_is_at_it_is_waited_for_until_it_is_lost(status: dg.DagsterRunStatus) -> None:
    assert "is at it" in str(reason_to_wait(SOME, [_seen(Status.FAILURE, seconds=1), _seen(status, seconds=30)], NOW))
    assert reason_to_wait(SOME, [Seen(status, NOW - LOST_AFTER)], NOW) is None


def test_runs_that_fail_are_asked_for_ever_more_rarely() -> None:
    once = [_seen(Status.FAILURE, seconds=9), _seen(Status.SUCCESS, seconds=60)]
    assert "failed" in str(reason_to_wait(SOME, once, NOW))
    assert reason_to_wait(SOME, [_seen(Status.FAILURE, seconds=10), _seen(Status.SUCCESS, seconds=60)], NOW) is None
    thrice = [_seen(Status.FAILURE, seconds=39), *[_seen(Status.FAILURE, minutes=5)] * 2]
    assert "failed" in str(reason_to_wait(SOME, thrice, NOW))
    assert reason_to_wait(SOME, [_seen(Status.FAILURE, seconds=40), *thrice[1:]], NOW) is None


def _tick(instance: dg.DagsterInstance) -> dg.RunRequest | dg.SkipReason:
    with dg.build_sensor_context(instance=instance, resources={"pilar": PilarResource()}) as context:
        result = waiting_work(context)
    assert isinstance(result, dg.RunRequest | dg.SkipReason)
    return result


def test_the_sensor_asks_once_and_again_when_the_run_came_to_nothing(
    instance: dg.DagsterInstance, fleet: Fleet
) -> None:
    assert isinstance(_tick(instance), dg.SkipReason)
    fleet.notice("leak")
    asked = _tick(instance)
    assert isinstance(asked, dg.RunRequest)
    assert asked.tags["pilar/waiting"] == "default 1"

    job = defs.resolve_job_def("drain")
    run = instance.create_run_for_job(job, status=Status.NOT_STARTED, tags={**job.run_tags, **asked.tags})
    assert isinstance(_tick(instance), dg.SkipReason)
    instance.report_run_canceled(run)
    assert isinstance(_tick(instance), dg.RunRequest)


def test_fresh_work_is_left_to_a_living_worker(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    fleet.notice("leak")
    with fleet.database.transaction(Scope.fleet()) as connection:
        heartbeat.beat(connection, "worker-1", datetime.now(UTC))
    assert isinstance(_tick(instance), dg.SkipReason)
    fleet.change("update queue set due_at = due_at - interval '6 seconds'")
    assert isinstance(_tick(instance), dg.RunRequest)


def test_a_run_drains_what_waits(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    fleet.notice("leak")
    config = dg.RunConfig(ops={"drain_work": {"config": {"quiet_seconds": 0.0}}})
    result = defs.resolve_job_def("drain").execute_in_process(instance=instance, run_config=config)
    drained = "select distinct worker, type from queue_log where outcome = 'done' order by type"
    assert fleet.rows(drained) == [
        (f"dagster:{result.run_id}", "incident.noted"),
        (f"dagster:{result.run_id}", "incident.requested"),
    ]
    assert fleet.rows("select position from queue") == []
    assert [row.title for row in fleet.rows("select title from incident")] == ["leak"]
    assert [row.title for row in fleet.rows("select title from analytics.open_incident")] == ["leak"]

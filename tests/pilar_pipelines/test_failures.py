from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg

from pilar.app import App
from pilar_pipelines.resources.pilar import PilarResource
from pilar_pipelines.sensors.failures import failed_runs
from tests.pilar_pipelines.fleet import Fleet


@dg.op
def call_lena() -> None:
    raise RuntimeError("no answer from lena.mueller@example.org")


@dg.job
def reminders() -> None:
    call_lena()


def _fail(instance: dg.DagsterInstance) -> None:
    """Let the job fail, and have the sensor told."""
    result = reminders.execute_in_process(instance=instance, raise_on_error=False)
    told = dg.build_run_status_sensor_context(
        sensor_name="failed_runs",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=result.get_run_failure_event(),
        resources={"pilar": PilarResource()},
    )
    with told.for_run_failure() as context:
        failed_runs(context)


def test_a_job_that_fails_again_and_again_is_one_incident(instance: dg.DagsterInstance, fleet: Fleet, app: App) -> None:
    _fail(instance)
    _fail(instance)
    drain = app.drain("worker-1")
    drain.run_until_idle(datetime.now(UTC) + timedelta(seconds=30))
    drain.close()
    (row,) = fleet.rows("select dedupe_key, title, description, occurrences from incident")
    assert (row.dedupe_key, row.title, row.occurrences) == ("dagster:reminders", "The job reminders failed", 2)
    assert "call_lena: RuntimeError: no answer" in row.description
    assert "lena.mueller" not in row.description

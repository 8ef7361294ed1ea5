"""Failed runs become incidents. What belongs here: the request; incidents are kept by the product."""

from __future__ import annotations

import dagster as dg

from pilar_pipelines.resources.pilar import PilarResource


def describe(context: dg.RunFailureSensorContext) -> str:
    """What went wrong, from the first failed step if one is known."""
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        if error:
            # Dagster's wrapper says only that user code failed; the cause says why.
            return f"{event.step_key}: {(error.cause or error).message.strip()}"
    return context.failure_event.message or "the run failed"


@dg.run_failure_sensor(minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING)
def failed_runs(context: dg.RunFailureSensorContext, pilar: PilarResource) -> None:
    """Ask for an incident: one per job while it is open, however often the job fails."""
    from pilar.backplane.facts import Cause, emit
    from pilar.backplane.notices import IncidentRequested, incident
    from pilar.database.engine import Scope
    from pilar.masking import mask_text

    run = context.dagster_run
    request = IncidentRequested(
        dedupe_key=f"dagster:{run.job_name}",
        title=f"The job {run.job_name} failed",
        description=f"Run {run.run_id}. {mask_text(describe(context))[:1_000]}",
        severity="high",
        component="pipelines",
    )
    with pilar.database.transaction(Scope.fleet()) as connection:
        emit(connection, pilar.clocks, [incident(request, key=f"dagster_run:{run.run_id}")], Cause.new())

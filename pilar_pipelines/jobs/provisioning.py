"""Provisioning that waits. What belongs here: the job that follows it up; the rules are provisioning's own."""

# Without `from __future__ import annotations`: Dagster compares what `context` is annotated with to its classes.

import dagster as dg

from pilar_pipelines.policies import executor, longest, retries
from pilar_pipelines.resources.pilar import PilarResource

LONGEST_SECONDS = 240
"""What is left over then is the next run's; the worker does the same beside it."""


@dg.op(retry_policy=retries)
def remind_and_expire(context: dg.OpExecutionContext, pilar: PilarResource) -> None:
    """Reminders that are due, waits that are over, and a look where a wake-up may have been lost."""
    from dataclasses import asdict
    from datetime import timedelta

    from pilar.provisioning.following import follow_up

    deadline = pilar.clocks.real.now() + timedelta(seconds=LONGEST_SECONDS)
    context.add_output_metadata(asdict(follow_up(pilar.database, pilar.clocks, deadline=deadline)))


@dg.job(executor_def=executor, tags=longest(300))
def follow_up_waits() -> None:
    """Follow up provisioning steps that wait on somebody."""
    remind_and_expire()


every_quarter_of_an_hour = dg.ScheduleDefinition(
    name="follow_up_waits_every_quarter_of_an_hour",
    job=follow_up_waits,
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

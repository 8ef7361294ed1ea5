"""Channels that heal themselves. What belongs here: the job that has them looked at; the rules are provisioning's."""

# Without `from __future__ import annotations`: Dagster compares what `context` is annotated with to its classes.

import dagster as dg

from pilar_pipelines.policies import executor, longest, retries
from pilar_pipelines.resources.pilar import PilarResource

PORTION = 1_000
"""Studios that one run asks for; the worker asks for more beside it."""


@dg.op(retry_policy=retries)
def ask_for_looks(context: dg.OpExecutionContext, pilar: PilarResource) -> None:
    """Have numbers, webhooks and templates of those studios looked at whose turn it is."""
    from pilar.provisioning.channel_look import look_at_all

    context.add_output_metadata({"asked_for": look_at_all(pilar.database, pilar.clocks, portion=PORTION)})


@dg.job(executor_def=executor, tags=longest(300))
def look_at_channels() -> None:
    """Look at studios' channels, so that what a lost webhook left wrong heals."""
    ask_for_looks()


channels_every_half_hour = dg.ScheduleDefinition(
    name="look_at_channels_every_half_hour",
    job=look_at_channels,
    cron_schedule="*/30 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

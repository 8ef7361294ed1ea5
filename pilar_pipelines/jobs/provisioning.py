"""Provisioning. What belongs here: the jobs that follow it up, try it again and count it; the rules are its own."""

# Without `from __future__ import annotations`: Dagster compares what `context` is annotated with to its classes.

import dagster as dg

from pilar_pipelines.assets.provisioning import provisioning_funnel
from pilar_pipelines.partitions import workspaces
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


class Studios(dg.Config):
    """Which studios are meant."""

    workspaces: list[str]


@dg.op(retry_policy=retries)
def try_stuck_again(context: dg.OpExecutionContext, config: Studios, pilar: PilarResource) -> None:
    """Each from the step it stands at; one that has gone on meanwhile is left alone."""
    from uuid import UUID

    from pilar.provisioning.stuck import try_again

    try:
        studios = [UUID(one) for one in config.workspaces]
    except ValueError as error:
        wrong = f"{config.workspaces} are not all ids of studios: name each as its page's address does."
        raise dg.Failure(description=wrong, allow_retries=False) from error
    told = try_again(pilar.database, pilar.clocks, studios)
    context.add_output_metadata({"studios": len(told), "stands_at": dg.MetadataValue.json(told)})


@dg.job(executor_def=executor, tags=longest(300))
def resume_provisioning() -> None:
    """Have provisioning that failed or was lost tried again; the sensor names the studios."""
    try_stuck_again()


class Again(dg.Config):
    """From where on."""

    from_step: str | None = None
    """Run this step and all after it again; none: what failed or waited in vain."""


@dg.op
def reprovision(context: dg.OpExecutionContext, config: Again, pilar: PilarResource) -> None:
    """The same as `POST /api/autopilot/reprovision`, asked for by whoever may launch runs: the founder."""
    from uuid import UUID

    from pilar.database.engine import Scope
    from pilar.errors import Permanent
    from pilar.provisioning.retry import retry

    actor = f"dagster:{context.run_id}"
    try:
        with pilar.database.transaction(Scope.fleet()) as connection:
            retry(connection, pilar.clocks, UUID(context.partition_key), actor, from_step=config.from_step)
    except Permanent as error:
        raise dg.Failure(description=error.message, allow_retries=False) from error


@dg.job(partitions_def=workspaces, executor_def=executor, tags=longest(120))
def provision_studio() -> None:
    """Run a studio's provisioning again, from where it stands or from a named step; nothing is had twice."""
    reprovision()


count_provisioning = dg.define_asset_job(
    "count_provisioning",
    selection=dg.AssetSelection.assets(provisioning_funnel),
    executor_def=executor,
    run_tags=longest(300),
    description="Count how far signups have come, how long each step takes, and who waits on whom.",
)

count_every_quarter_of_an_hour = dg.ScheduleDefinition(
    name="count_provisioning_every_quarter_of_an_hour",
    job=count_provisioning,
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

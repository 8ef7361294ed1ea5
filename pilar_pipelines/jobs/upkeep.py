"""Housekeeping. What belongs here: its jobs and their schedules; what is forgotten when is decided elsewhere."""

# Without `from __future__ import annotations`: Dagster compares what `context` is annotated with to its classes.

import dagster as dg

from pilar_pipelines.bookkeeping import Kept, forget
from pilar_pipelines.policies import executor, longest, retries
from pilar_pipelines.resources.pilar import PilarResource

CLEANING_SECONDS = 2_400
"""The product's part of a night's clean-up; what is left over goes the next night."""


@dg.op(retry_policy=retries)
def give_back_reservations(context: dg.OpExecutionContext, pilar: PilarResource) -> None:
    """Give back what was reserved and never settled; windows begin anew by themselves."""
    from pilar.backplane.budgets import expire_reservations
    from pilar.database.engine import Scope

    with pilar.database.transaction(Scope.fleet()) as connection:
        given_back = expire_reservations(connection, pilar.clocks.real.now())
    context.add_output_metadata({"given_back": given_back})


@dg.op(retry_policy=retries)
def clean_up_product(context: dg.OpExecutionContext, pilar: PilarResource) -> None:
    """Make partitions of the log ahead, and forget what is past its time."""
    from datetime import timedelta

    from pilar.upkeep import clean_up as clean

    deadline = pilar.clocks.real.now() + timedelta(seconds=CLEANING_SECONDS)
    context.add_output_metadata(clean(pilar.app, deadline))


@dg.op(retry_policy=retries)
def read_subscriptions_again(context: dg.OpExecutionContext, pilar: PilarResource) -> None:
    """Ask Stripe about subscriptions that it has not told of for a day."""
    from pilar.provisioning.erasing import read_again

    context.add_output_metadata({"asked_for": read_again(pilar.database, pilar.clocks)})


@dg.op(retry_policy=retries)
def erase_closed_studios(context: dg.OpExecutionContext, pilar: PilarResource) -> None:
    """Erase the data of studios that were closed long enough ago."""
    from datetime import timedelta

    from pilar.provisioning.erasing import erase_closed

    deadline = pilar.clocks.real.now() + timedelta(seconds=CLEANING_SECONDS)
    context.add_output_metadata({"erased": erase_closed(pilar.database, pilar.clocks, deadline=deadline)})


@dg.op(retry_policy=retries)
def remove_expired_locks(context: dg.OpExecutionContext, pilar: PilarResource) -> None:
    """Delete locks that nobody holds any more; who waits for one need not wait for this."""
    from pilar.backplane.locks import remove_expired
    from pilar.database.engine import Scope

    with pilar.database.transaction(Scope.fleet()) as connection:
        removed = remove_expired(connection, pilar.clocks.real.now())
    context.add_output_metadata({"removed": removed})


class KeptHours(dg.Config):
    """How long Dagster's own records are kept, in hours."""

    runs: float = 24.0
    failed_runs: float = 7 * 24.0
    runless_events: float = 7 * 24.0


@dg.op
def clean_up_dagster(context: dg.OpExecutionContext, config: KeptHours) -> None:
    """Forget superseded runs; old ticks are forgotten by the daemon, as `dagster.yaml` says."""
    kept = Kept.hours(runs=config.runs, failed_runs=config.failed_runs, runless_events=config.runless_events)
    forgotten = forget(context.instance, kept)
    context.add_output_metadata({"runs": forgotten.runs, "wiped_assets": ", ".join(forgotten.wiped)})


@dg.job(executor_def=executor, tags=longest(900))
def reset_budgets() -> None:
    """Budgets at midnight UTC."""
    give_back_reservations()


@dg.job(executor_def=executor, tags=longest(300))
def clean_locks() -> None:
    """Forget locks that have expired."""
    remove_expired_locks()


@dg.job(executor_def=executor, tags=longest(3_600))
def clean_up() -> None:
    """Forget what is past its time, in the product and in Dagster."""
    clean_up_product()
    clean_up_dagster()
    erase_closed_studios()


@dg.job(executor_def=executor, tags=longest(300))
def read_subscriptions() -> None:
    """Make up for Stripe's webhooks that were lost."""
    read_subscriptions_again()


every_five_minutes = dg.ScheduleDefinition(
    name="clean_locks_every_five_minutes",
    job=clean_locks,
    cron_schedule="*/5 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

hourly = dg.ScheduleDefinition(
    name="read_subscriptions_hourly",
    job=read_subscriptions,
    cron_schedule="17 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

at_midnight = dg.ScheduleDefinition(
    name="reset_budgets_at_midnight",
    job=reset_budgets,
    cron_schedule="0 0 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

at_two = dg.ScheduleDefinition(
    name="clean_up_at_two",
    job=clean_up,
    cron_schedule="0 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

"""Keeping the affiliates' books. What belongs here: the jobs over their assets, and when they run."""

from __future__ import annotations

import dagster as dg

from pilar_pipelines.assets.affiliates import affiliate_balances, commissions
from pilar_pipelines.partitions import all_studios
from pilar_pipelines.policies import executor, longest

book_commissions = dg.define_asset_job(
    "book_commissions",
    selection=dg.AssetSelection.assets(commissions),
    executor_def=executor,
    run_tags=longest(1800),
    description="Make payable what has been held for long enough, for a range of studios.",
)

balance_affiliates = dg.define_asset_job(
    "balance_affiliates",
    selection=dg.AssetSelection.assets(affiliate_balances),
    executor_def=executor,
    run_tags=longest(900),
    description="Make what each affiliate is owed anew.",
)

balance_affiliates_every_six_hours = dg.ScheduleDefinition(
    name="balance_affiliates_every_six_hours",
    job=balance_affiliates,
    cron_schedule="25 3-23/6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


@dg.schedule(
    job=book_commissions,
    cron_schedule="15 3-23/6 * * *",  # a holding period is told in days
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def book_commissions_every_six_hours(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """All studios, in as few runs as may be."""
    return all_studios(context)

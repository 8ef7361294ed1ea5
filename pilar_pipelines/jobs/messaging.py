"""Messages and rules in figures. What belongs here: the job over their assets, and when it runs."""

from __future__ import annotations

import dagster as dg

from pilar_pipelines.assets.agents import rule_performance
from pilar_pipelines.assets.messaging import messaging_activity, messaging_cost
from pilar_pipelines.partitions import all_studios
from pilar_pipelines.policies import executor, longest

count_messages = dg.define_asset_job(
    "count_messages",
    selection=dg.AssetSelection.assets(messaging_activity, messaging_cost, rule_performance),
    executor_def=executor,
    run_tags=longest(1800),
    description="Make the figures of messages and rules of a range of studios anew.",
)


@dg.schedule(
    job=count_messages,
    cron_schedule="5 * * * *",  # after the full hour that the figures are about
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def count_messages_every_hour(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """All studios, in as few runs as may be."""
    return all_studios(context)

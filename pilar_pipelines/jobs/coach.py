"""Coaching. What belongs here: the jobs over the coach's assets, and when they run."""

from __future__ import annotations

import dagster as dg

from pilar_pipelines.assets.coach import coach_activity, coach_dispatch, lead_engagement
from pilar_pipelines.partitions import all_studios
from pilar_pipelines.policies import executor, longest

plan_coaching = dg.define_asset_job(
    "plan_coaching",
    selection=dg.AssetSelection.assets(coach_dispatch),
    executor_def=executor,
    run_tags=longest(1_800),
    description="Plan what the coached leads of a range of studios get: the schedule's, or what the founder asks for.",
)

count_coaching = dg.define_asset_job(
    "count_coaching",
    selection=dg.AssetSelection.assets(coach_activity),
    executor_def=executor,
    run_tags=longest(1_800),
    description="Make the figures of the coaching of a range of studios anew.",
)

score_engagement = dg.define_asset_job(
    "score_engagement",
    selection=dg.AssetSelection.assets(lead_engagement),
    executor_def=executor,
    run_tags=longest(1_800),
    description="Score the coached leads of a range of studios, and write less often to who does not answer.",
)


@dg.schedule(
    job=plan_coaching,
    cron_schedule="50 * * * *",  # before the full hour, for which most nudges are scheduled
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def plan_coaching_every_hour(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """All studios, in as few runs as may be."""
    return all_studios(context)


@dg.schedule(
    job=count_coaching,
    cron_schedule="35 * * * *",  # when most of what the full hour has sent has its status
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def count_coaching_every_hour(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """All studios, in as few runs as may be."""
    return all_studios(context)


@dg.schedule(
    job=score_engagement,
    cron_schedule="40 * * * *",  # before what the next plan looks at
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def score_engagement_every_hour(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """All studios, in as few runs as may be."""
    return all_studios(context)

"""Looking at the fleet. What belongs here: the jobs over the health assets, and when they run."""

from __future__ import annotations

import dagster as dg

from pilar_pipelines.assets.health import fleet_health, workspace_health_score
from pilar_pipelines.partitions import all_studios
from pilar_pipelines.policies import executor, longest

watch_fleet = dg.define_asset_job(
    "watch_fleet",
    selection=dg.AssetSelection.assets(fleet_health),
    executor_def=executor,
    run_tags=longest(900),
    description="Look at every part of every studio, and put the system's promises to the test.",
)

score_all_studios = dg.define_asset_job(
    "score_all_studios",
    selection=dg.AssetSelection.assets(workspace_health_score),
    executor_def=executor,
    run_tags=longest(3_600),
    description="Score a range of studios in one run: the schedule's, or what the founder asks for.",
)

every_five_minutes = dg.ScheduleDefinition(
    name="watch_fleet_every_five_minutes",
    job=watch_fleet,
    cron_schedule="*/5 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


@dg.schedule(
    job=score_all_studios,
    cron_schedule="0 */6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def score_every_six_hours(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """All studios, in as few runs as may be."""
    return all_studios(context)

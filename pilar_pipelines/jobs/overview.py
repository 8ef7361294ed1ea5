"""Keeping the overview. What belongs here: the jobs over its assets, and when they run."""

from __future__ import annotations

import dagster as dg

from pilar_pipelines.assets.overview import fleet_overview, studio_overview
from pilar_pipelines.partitions import all_studios
from pilar_pipelines.policies import executor, longest

refresh_all_studios = dg.define_asset_job(
    "refresh_all_studios",
    selection=dg.AssetSelection.assets(studio_overview),
    executor_def=executor,
    run_tags=longest(1_800),
    description="Make the overview's rows of a range of studios anew: the schedule's, or what the founder asks for.",
)

refresh_fleet = dg.define_asset_job(
    "refresh_fleet",
    selection=dg.AssetSelection.assets(fleet_overview),
    executor_def=executor,
    run_tags=longest(300),
    description="Make the fleet's figures and the list of open incidents anew.",
)

fleet_every_five_minutes = dg.ScheduleDefinition(
    name="refresh_fleet_every_five_minutes",
    job=refresh_fleet,
    cron_schedule="*/5 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


@dg.schedule(
    job=refresh_all_studios,
    cron_schedule="20 * * * *",  # not at the full hour, when other schedules begin
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def refresh_studios_every_hour(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """All studios, in as few runs as may be."""
    return all_studios(context)

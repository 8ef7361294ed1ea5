"""Judging experiments. What belongs here: the jobs over their assets, and when they run."""

from __future__ import annotations

import dagster as dg

from pilar_pipelines.assets.experiments import experiment_results, fleet_experiment_results
from pilar_pipelines.partitions import all_studios
from pilar_pipelines.policies import executor, longest

judge_experiments = dg.define_asset_job(
    "judge_experiments",
    selection=dg.AssetSelection.assets(experiment_results),
    executor_def=executor,
    run_tags=longest(1800),
    description="Judge the own experiments of a range of studios.",
)

judge_fleet_experiments = dg.define_asset_job(
    "judge_fleet_experiments",
    selection=dg.AssetSelection.assets(fleet_experiment_results),
    executor_def=executor,
    run_tags=longest(900),
    description="Judge all experiments over all studios, and end those that are decided.",
)

judge_fleet_experiments_every_hour = dg.ScheduleDefinition(
    name="judge_fleet_experiments_every_hour",
    job=judge_fleet_experiments,
    cron_schedule="45 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


@dg.schedule(
    job=judge_experiments,
    cron_schedule="40 * * * *",  # apart from the other hourly runs
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def judge_experiments_every_hour(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """All studios, in as few runs as may be."""
    return all_studios(context)

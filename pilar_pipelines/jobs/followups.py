"""Follow-ups, session windows and templates. What belongs here: the jobs over their assets, and when they run."""

from __future__ import annotations

import dagster as dg

from pilar_pipelines.assets.followups import (
    followup_activity,
    followup_dispatch,
    session_windows,
    template_usage,
    whatsapp_templates,
)
from pilar_pipelines.partitions import all_studios
from pilar_pipelines.policies import executor, longest

follow_up = dg.define_asset_job(
    "follow_up",
    selection=dg.AssetSelection.assets(followup_dispatch, session_windows),
    executor_def=executor,
    run_tags=longest(900),
    description="Plan what silent leads of a range of studios get, and tell of session windows that close.",
)

sync_templates = dg.define_asset_job(
    "sync_templates",
    selection=dg.AssetSelection.assets(whatsapp_templates),
    executor_def=executor,
    run_tags=longest(1_800),
    description="Have the templates of a range of studios read at WhatsApp.",
)

count_followups = dg.define_asset_job(
    "count_followups",
    selection=dg.AssetSelection.assets(template_usage, followup_activity),
    executor_def=executor,
    run_tags=longest(1_800),
    description="Make the figures of templates and follow-ups of a range of studios anew.",
)


@dg.schedule(
    job=follow_up,
    cron_schedule="10,25,40,55 * * * *",  # between the jobs of the full hour
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def follow_up_every_quarter(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """All studios, in as few runs as may be."""
    return all_studios(context)


@dg.schedule(
    job=sync_templates,
    cron_schedule="20 2 * * *",  # when little is sent
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def sync_templates_every_night(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """All studios, in as few runs as may be."""
    return all_studios(context)


@dg.schedule(
    job=count_followups,
    cron_schedule="45 * * * *",  # after coaching is counted
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def count_followups_every_hour(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """All studios, in as few runs as may be."""
    return all_studios(context)

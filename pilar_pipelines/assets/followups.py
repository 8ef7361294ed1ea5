"""Follow-ups, session windows and templates. What belongs here: what a run tells; the rules are the rooms'."""

# Without `from __future__ import annotations`: Dagster compares what `context` is annotated with to its classes.

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import dagster as dg

from pilar_pipelines.partitions import workspace_asset
from pilar_pipelines.resources.pilar import PilarResource
from pilar_pipelines.studios import materialize_studios, take_studios, tell_studios

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pilar.followups.planning import Planned
    from pilar.messaging.windows import Watched


@workspace_asset(
    group_name="followups",
    kinds={"postgres"},
    check_specs=[
        dg.AssetCheckSpec(
            "every_studios_followups_were_planned",
            asset="followup_dispatch",
            description="No studio of the run failed; what was planned before for one that did goes out all the same.",
        )
    ],
)
def followup_dispatch(context: dg.AssetExecutionContext, pilar: PilarResource) -> dg.MaterializeResult:
    """What silent leads get in the next hours, with the work that sends it when it is due; needless steps called off.

    A run takes a range of studios; planning again plans nothing twice.
    """
    from pilar.followups.planning import plan

    clocks = pilar.clocks

    def work(connection: "Connection", chunk: Sequence[UUID]) -> "Planned":
        return plan(connection, clocks, chunk)

    taken = take_studios(context, pilar, work)
    counts = {
        "planned": sum(planned.planned for planned in taken.results),
        "stopped": sum(planned.stopped for planned in taken.results),
    }
    return tell_studios(context, "every_studios_followups_were_planned", taken, counts)


@workspace_asset(
    group_name="followups",
    kinds={"postgres"},
    check_specs=[
        dg.AssetCheckSpec(
            "every_studios_windows_were_watched",
            asset="session_windows",
            description="No studio of the run failed; windows of one that did are told of by the next run.",
        )
    ],
)
def session_windows(context: dg.AssetExecutionContext, pilar: PilarResource) -> dg.MaterializeResult:
    """The 24-hour windows that close on leads who wait, each told once as closing and once as closed."""
    from pilar.messaging.windows import watch

    clocks = pilar.clocks

    def work(connection: "Connection", chunk: Sequence[UUID]) -> "Watched":
        return watch(connection, clocks, chunk)

    taken = take_studios(context, pilar, work)
    counts = {
        "closing": sum(watched.closing for watched in taken.results),
        "closed": sum(watched.closed for watched in taken.results),
        "last_texts": sum(watched.texts for watched in taken.results),
    }
    return tell_studios(context, "every_studios_windows_were_watched", taken, counts)


@workspace_asset(
    group_name="followups",
    kinds={"postgres"},
    check_specs=[
        dg.AssetCheckSpec(
            "every_studios_templates_were_asked_for",
            asset="whatsapp_templates",
            description="No studio of the run failed; templates of one that did stay as they were read last.",
        )
    ],
)
def whatsapp_templates(context: dg.AssetExecutionContext, pilar: PilarResource) -> dg.MaterializeResult:
    """The work that reads each studio's templates at WhatsApp once a day: states, quality, what is new or gone."""
    from pilar.messaging.template_sync import ask_for_all

    clocks = pilar.clocks

    def work(connection: "Connection", chunk: Sequence[UUID]) -> int:
        return ask_for_all(connection, clocks, chunk)

    return materialize_studios(context, pilar, "every_studios_templates_were_asked_for", work, counted="asked_for")


@workspace_asset(
    group_name="followups",
    kinds={"postgres"},
    check_specs=[
        dg.AssetCheckSpec(
            "every_studios_templates_were_counted",
            asset="template_usage",
            description="No studio of the run failed; one that did keeps its last good figures.",
        )
    ],
)
def template_usage(context: dg.AssetExecutionContext, pilar: PilarResource) -> dg.MaterializeResult:
    """What came of each template, by day, in `analytics.template_day`."""
    from pilar.messaging.template_overview import refresh_usage

    clocks = pilar.clocks

    def work(connection: "Connection", chunk: Sequence[UUID]) -> int:
        return refresh_usage(connection, clocks, chunk)

    return materialize_studios(context, pilar, "every_studios_templates_were_counted", work, counted="rows")


@workspace_asset(
    group_name="followups",
    kinds={"postgres"},
    deps=[followup_dispatch],
    check_specs=[
        dg.AssetCheckSpec(
            "every_studios_followups_were_counted",
            asset="followup_activity",
            description="No studio of the run failed; one that did keeps its last good figures.",
        )
    ],
)
def followup_activity(context: dg.AssetExecutionContext, pilar: PilarResource) -> dg.MaterializeResult:
    """What came of the follow-ups, by day and name, in `analytics.followup_day`."""
    from pilar.followups.activity import refresh_followups

    clocks = pilar.clocks

    def work(connection: "Connection", chunk: Sequence[UUID]) -> int:
        return refresh_followups(connection, clocks, chunk)

    return materialize_studios(context, pilar, "every_studios_followups_were_counted", work, counted="rows")

"""Coaching. What belongs here: what a run tells; who is written to when is the coach's room's."""

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

    from pilar.coach.analysing import Analysed
    from pilar.coach.planning import Planned


@workspace_asset(
    group_name="coach",
    kinds={"postgres"},
    check_specs=[
        dg.AssetCheckSpec(
            "every_studio_was_planned",
            asset="coach_dispatch",
            description="No studio of the run failed; what was planned before for one that did goes out all the same.",
        )
    ],
)
def coach_dispatch(context: dg.AssetExecutionContext, pilar: PilarResource) -> dg.MaterializeResult:
    """What coached leads get in the next day, each on their own local time, with the work that sends it when it is due.

    A run takes a range of studios; planning again plans nothing twice.
    """
    from pilar.coach.planning import plan

    clocks = pilar.clocks

    def work(connection: "Connection", chunk: Sequence[UUID]) -> "Planned":
        return plan(connection, clocks, chunk)

    taken = take_studios(context, pilar, work)
    counts = {
        "nudges": sum(planned.nudges for planned in taken.results),
        "coaching": sum(planned.studios for planned in taken.results),
        "kept_back": sum(planned.kept_back for planned in taken.results),
    }
    return tell_studios(context, "every_studio_was_planned", taken, counts)


@workspace_asset(
    group_name="coach",
    kinds={"postgres"},
    deps=[coach_dispatch],
    check_specs=[
        dg.AssetCheckSpec(
            "every_studios_coaching_was_counted",
            asset="coach_activity",
            description="No studio of the run failed; one that did keeps its last good figures.",
        )
    ],
)
def coach_activity(context: dg.AssetExecutionContext, pilar: PilarResource) -> dg.MaterializeResult:
    """What came of the coaching, by day and type, in `analytics.coach_activity` and `analytics.coach_refusal`."""
    from pilar.coach.activity import refresh_coach_activity

    clocks = pilar.clocks

    def work(connection: "Connection", chunk: Sequence[UUID]) -> int:
        return refresh_coach_activity(connection, clocks, chunk)

    return materialize_studios(context, pilar, "every_studios_coaching_was_counted", work, counted="rows")


@workspace_asset(
    group_name="coach",
    kinds={"postgres", "pandas"},
    deps=[coach_activity],
    check_specs=[
        dg.AssetCheckSpec(
            "every_studios_leads_were_scored",
            asset="lead_engagement",
            description="No studio of the run failed; the leads of one that did keep their last score and pace.",
        )
    ],
)
def lead_engagement(context: dg.AssetExecutionContext, pilar: PilarResource) -> dg.MaterializeResult:
    """How coached leads take part, in `analytics.lead_engagement`, and how often each is written to because of it.

    Whose pace is another now is planned for anew; looking again changes nothing more.
    """
    from pilar.coach.analysing import analyse

    clocks = pilar.clocks

    def work(connection: "Connection", chunk: Sequence[UUID]) -> "Analysed":
        return analyse(connection, clocks, chunk)

    taken = take_studios(context, pilar, work)
    counts = {
        "leads": sum(analysed.leads for analysed in taken.results),
        "paces": sum(analysed.paces for analysed in taken.results),
    }
    return tell_studios(context, "every_studios_leads_were_scored", taken, counts)

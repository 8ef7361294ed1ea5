"""Messages in figures. What belongs here: what a run tells; counting is messaging's."""

# Without `from __future__ import annotations`: Dagster compares what `context` is annotated with to its classes.

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import dagster as dg

from pilar_pipelines.partitions import workspace_asset
from pilar_pipelines.resources.pilar import PilarResource
from pilar_pipelines.studios import materialize_studios

if TYPE_CHECKING:
    from sqlalchemy import Connection


@workspace_asset(
    group_name="messaging",
    kinds={"postgres"},
    check_specs=[
        dg.AssetCheckSpec(
            "every_studios_messages_were_counted",
            asset="messaging_activity",
            description="No studio of the run failed; one that did keeps its last good figures.",
        )
    ],
)
def messaging_activity(context: dg.AssetExecutionContext, pilar: PilarResource) -> dg.MaterializeResult:
    """Each studio's messages of the last days, with how fast leads were answered, in `analytics.messaging_day`."""
    from pilar.messaging.activity import refresh_activity

    clocks = pilar.clocks

    def work(connection: "Connection", chunk: Sequence[UUID]) -> int:
        return refresh_activity(connection, clocks, chunk)

    return materialize_studios(context, pilar, "every_studios_messages_were_counted", work, counted="rows")


@workspace_asset(
    group_name="messaging",
    kinds={"postgres"},
    check_specs=[
        dg.AssetCheckSpec(
            "every_studios_costs_were_counted",
            asset="messaging_cost",
            description="No studio of the run failed; one that did keeps its last good figures.",
        )
    ],
)
def messaging_cost(context: dg.AssetExecutionContext, pilar: PilarResource) -> dg.MaterializeResult:
    """What each studio's messages cost by month, beside what its plan brings, in `analytics.messaging_cost`."""
    from pilar.messaging.costs import refresh_costs

    clocks = pilar.clocks

    def work(connection: "Connection", chunk: Sequence[UUID]) -> int:
        return refresh_costs(connection, clocks, chunk)

    return materialize_studios(context, pilar, "every_studios_costs_were_counted", work, counted="rows")

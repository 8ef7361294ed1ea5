"""The founder's overview. What belongs here: what a run tells; the rows are the operator's room's.

The worker refreshes a studio within a second of an event. These assets make the same rows by the same functions,
also where no event came.
"""

# Without `from __future__ import annotations`: Dagster compares what `context` is annotated with to its classes.

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import dagster as dg

from pilar_pipelines.policies import KEYS_PER_TRANSACTION, retries
from pilar_pipelines.resources.pilar import PilarResource
from pilar_pipelines.studios import failures, studio_asset

if TYPE_CHECKING:
    from sqlalchemy import Connection


studio_overview = studio_asset(
    "studio_overview",
    "pilar.operator.projection:refresh_studios",
    group_name="overview",
    check="every_studio_was_refreshed",
    promises="No studio of the run failed; one that did keeps its last good row.",
    description=(
        "Each studio at a glance, in `analytics.studio_overview` and `analytics.studio_step`; a run takes a range."
    ),
    counted="refreshed",
)


@dg.asset(
    deps=[studio_overview],
    retry_policy=retries,
    group_name="overview",
    kinds={"postgres"},
    check_specs=[
        dg.AssetCheckSpec(
            "no_studio_is_overlooked",
            asset="fleet_overview",
            description="Studios without a partition (not made yet, or just closed) could be refreshed too.",
        )
    ],
)
def fleet_overview(pilar: PilarResource) -> dg.MaterializeResult:
    """The whole fleet in figures, in `analytics.fleet_overview`, and what is the matter, in `analytics.open_incident`.

    Studios that no partition stands for are refreshed on the way.
    """
    from pilar.database.engine import Scope
    from pilar.operator import projection
    from pilar.workspaces.chunks import in_chunks

    clocks, database = pilar.clocks, pilar.database
    with database.transaction(Scope.fleet()) as connection:
        overlooked = projection.overlooked_studios(connection)

    def work(connection: "Connection", chunk: Sequence[UUID]) -> int:
        return projection.refresh_studios(connection, clocks, chunk)

    done = in_chunks(database, overlooked, work, size=KEYS_PER_TRANSACTION)
    with database.transaction(Scope.fleet()) as connection:
        figures = projection.refresh_fleet(connection, clocks)
    return dg.MaterializeResult(
        metadata={**figures, "overlooked": len(overlooked)},
        check_results=[
            dg.AssetCheckResult(
                check_name="no_studio_is_overlooked", passed=not done.failed, metadata=failures(done.failed)
            )
        ],
    )

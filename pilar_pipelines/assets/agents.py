"""Rules in figures. What belongs here: what a run tells; what a rule is worth is the agents' room's."""

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
    group_name="agents",
    kinds={"postgres", "pandas"},
    check_specs=[
        dg.AssetCheckSpec(
            "every_studios_rules_were_judged",
            asset="rule_performance",
            description="No studio of the run failed; one that did keeps its last good figures.",
        )
    ],
)
def rule_performance(context: dg.AssetExecutionContext, pilar: PilarResource) -> dg.MaterializeResult:
    """How often each rule answered and what came of it, in `analytics.rule_performance`."""
    from pilar.agents.analytics_store import refresh_rule_performance

    clocks = pilar.clocks

    def work(connection: "Connection", chunk: Sequence[UUID]) -> int:
        return refresh_rule_performance(connection, clocks, chunk)

    return materialize_studios(context, pilar, "every_studios_rules_were_judged", work, counted="rows")

"""Experiments. What belongs here: what a run tells; statistics and decisions are the experiments' room's."""

# Without `from __future__ import annotations`: Dagster compares what `context` is annotated with to its classes.

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import dagster as dg

from pilar_pipelines.markdown import table
from pilar_pipelines.partitions import workspace_asset
from pilar_pipelines.policies import retries
from pilar_pipelines.resources.pilar import PilarResource
from pilar_pipelines.studios import materialize_studios

if TYPE_CHECKING:
    from sqlalchemy import Connection


@workspace_asset(
    group_name="experiments",
    kinds={"postgres", "pandas"},
    check_specs=[
        dg.AssetCheckSpec(
            "every_studios_experiments_were_judged",
            asset="experiment_results",
            description="No studio of the run failed; one that did keeps its last good figures.",
        )
    ],
)
def experiment_results(context: dg.AssetExecutionContext, pilar: PilarResource) -> dg.MaterializeResult:
    """Each studio's own experiments, in `analytics.experiment_variant` and `analytics.experiment_result`."""
    from pilar.experiments.results import refresh_results

    clocks = pilar.clocks

    def work(connection: "Connection", chunk: Sequence[UUID]) -> int:
        return refresh_results(connection, clocks, chunk).rows

    return materialize_studios(context, pilar, "every_studios_experiments_were_judged", work, counted="rows")


@dg.asset(
    retry_policy=retries,
    group_name="experiments",
    kinds={"postgres", "pandas"},
    deps=[experiment_results],
    check_specs=[
        dg.AssetCheckSpec(
            "no_experiment_is_broken",
            asset="fleet_experiment_results",
            description="Every experiment deals its units as it is meant to, and its data can be read.",
        )
    ],
)
def fleet_experiment_results(pilar: PilarResource) -> dg.MaterializeResult:
    """All experiments over all studios, in `analytics.fleet_experiment_result`; those that can be decided are."""
    from pilar.database.engine import Scope
    from pilar.experiments.results import refresh_fleet_results

    with pilar.database.transaction(Scope.fleet()) as connection:
        results = refresh_fleet_results(connection, pilar.clocks)
    rows = [(one.name, one.decision, " ".join(one.reasons)) for one in results]
    broken = sum(one.decision == "broken" for one in results)
    told = {"experiments": len(results), "decided": sum(one.decided for one in results), "broken": broken}
    return dg.MaterializeResult(
        metadata={**told, "results": dg.MetadataValue.md(table(("experiment", "decision", "why"), rows))},
        check_results=[dg.AssetCheckResult(check_name="no_experiment_is_broken", passed=not broken, metadata=told)],
    )

"""Experiments. What belongs here: what a run tells; statistics and decisions are the experiments' room's."""

# Without `from __future__ import annotations`: Dagster compares what `context` is annotated with to its classes.

import dagster as dg

from pilar_pipelines.markdown import table
from pilar_pipelines.policies import retries
from pilar_pipelines.resources.pilar import PilarResource
from pilar_pipelines.studios import studio_asset

experiment_results = studio_asset(
    "experiment_results",
    "pilar.experiments.results:refresh_results",
    group_name="experiments",
    kinds={"postgres", "pandas"},
    check="every_studios_experiments_were_judged",
    promises="No studio of the run failed; one that did keeps its last good figures.",
    description="Each studio's own experiments, in `analytics.experiment_variant` and `analytics.experiment_result`.",
    counted=("rows",),
)


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

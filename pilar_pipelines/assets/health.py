"""The fleet's health. What belongs here: what a run tells; the rules are elsewhere."""

# Without `from __future__ import annotations`: Dagster compares what `context` is annotated with to its classes.

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import dagster as dg

from pilar_pipelines.markdown import table
from pilar_pipelines.partitions import workspace_asset
from pilar_pipelines.policies import KEYS_PER_TRANSACTION, retries
from pilar_pipelines.resources.pilar import PilarResource
from pilar_pipelines.studios import SHOWN, failures, take_studios, tell_studios

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pilar.health.score_store import Scored


@workspace_asset(
    group_name="health",
    kinds={"postgres", "pandas"},
    check_specs=[
        dg.AssetCheckSpec(
            "every_studio_was_scored",
            asset="workspace_health_score",
            description="No studio of the run failed; one that did keeps its last good score.",
        )
    ],
)
def workspace_health_score(context: dg.AssetExecutionContext, pilar: PilarResource) -> dg.MaterializeResult:
    """One number from 0 to 100 per studio, in `analytics.workspace_health_score`; a run takes a range of studios."""
    from pilar.database.engine import Scope
    from pilar.health.score_store import score_studios
    from pilar.health.score_watch import weakest

    clocks = pilar.clocks

    def work(connection: "Connection", chunk: Sequence[UUID]) -> "Scored":
        return score_studios(connection, clocks, chunk)

    taken = take_studios(context, pilar, work)
    scores = [score for chunk in taken.results for score in chunk.scores.values()]
    unscored = {studio: reason for chunk in taken.results for studio, reason in chunk.failed.items()}
    with pilar.database.transaction(Scope.fleet()) as connection:
        low = [(str(weak.workspace_id), weak.score, weak.weakest) for weak in weakest(connection, SHOWN)]
    counts = {"scored": len(scores)}
    if scores:
        counts |= {"mean_score": round(sum(scores) / len(scores)), "minimum_score": min(scores)}
    return tell_studios(
        context,
        "every_studio_was_scored",
        replace(taken, failed={**taken.failed, **unscored}),
        counts,
        {"weakest_studios": dg.MetadataValue.md(table(("studio", "score", "weakest part"), low))},
    )


@dg.asset(
    retry_policy=retries,
    group_name="health",
    kinds={"postgres"},
    check_specs=[
        dg.AssetCheckSpec(
            "every_studio_was_looked_at", asset="fleet_health", description="No studio's health check failed to run."
        )
    ],
)
def fleet_health(pilar: PilarResource) -> dg.MaterializeResult:
    """How each part of each studio is, looked at every five minutes; the promises of the system are its checks."""
    from pilar.database.engine import Scope
    from pilar.health.checks import run_checks
    from pilar.workspaces.chunks import in_chunks
    from pilar.workspaces.fleet import open_workspaces

    clocks, database = pilar.clocks, pilar.database
    with database.transaction(Scope.fleet()) as connection:
        studios = open_workspaces(connection)

    def work(connection: "Connection", chunk: Sequence[UUID]) -> dict[str, int]:
        return run_checks(connection, clocks, chunk)

    done = in_chunks(database, studios, work, size=KEYS_PER_TRANSACTION)
    parts: Counter[str] = Counter()
    for result in done.results:
        parts.update(result)
    return dg.MaterializeResult(
        metadata={"studios": len(studios), "failed": len(done.failed), **{f"parts/{k}": n for k, n in parts.items()}},
        check_results=[
            dg.AssetCheckResult(
                check_name="every_studio_was_looked_at", passed=not done.failed, metadata=failures(done.failed)
            )
        ],
    )

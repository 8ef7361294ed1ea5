"""Whether the scores are kept up. What belongs here: the check on their age; failures are told by the asset."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

from pilar_pipelines.assets.health import workspace_health_score
from pilar_pipelines.markdown import table
from pilar_pipelines.resources.pilar import PilarResource
from pilar_pipelines.studios import SHOWN

FRESH_FOR = timedelta(hours=7)
"""Scores are made every six hours."""


@dg.asset_check(asset=workspace_health_score, description="Each active studio has a score of the last seven hours.")
def scores_are_fresh(pilar: PilarResource) -> dg.AssetCheckResult:
    """Each studio that has been active for long enough has a recent score."""
    from pilar.database.engine import Scope
    from pilar.health.score_watch import stale_scores

    with pilar.database.transaction(Scope.fleet()) as connection:
        stale = stale_scores(connection, pilar.clocks.business.now() - FRESH_FOR)
    shown = [(str(studio),) for studio in stale[:SHOWN]]
    return dg.AssetCheckResult(
        passed=not stale, metadata={"stale": len(stale), "studios": dg.MetadataValue.md(table(("studio",), shown))}
    )

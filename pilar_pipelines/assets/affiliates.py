"""Commissions. What belongs here: what a run tells; the books are the affiliates' room's."""

# Without `from __future__ import annotations`: Dagster compares what `context` is annotated with to its classes.

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import dagster as dg

from pilar_pipelines.partitions import workspace_asset
from pilar_pipelines.policies import retries
from pilar_pipelines.resources.pilar import PilarResource
from pilar_pipelines.studios import take_studios, tell_studios

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pilar.affiliates.maturing import Refreshed


@workspace_asset(
    group_name="affiliates",
    kinds={"postgres"},
    check_specs=[
        dg.AssetCheckSpec(
            "every_studios_commissions_were_booked",
            asset="commissions",
            description="No studio of the run failed; what is held for one that did stays held.",
        )
    ],
)
def commissions(context: dg.AssetExecutionContext, pilar: PilarResource) -> dg.MaterializeResult:
    """What each studio's payments owe, in `analytics.workspace_commission`; what was held long enough is payable."""
    from pilar.affiliates.maturing import refresh_commissions

    clocks = pilar.clocks

    def work(connection: "Connection", chunk: Sequence[UUID]) -> "Refreshed":
        return refresh_commissions(connection, clocks, chunk)

    taken = take_studios(context, pilar, work)
    counts = {
        "matured": sum(refreshed.matured for refreshed in taken.results),
        "rows": sum(refreshed.rows for refreshed in taken.results),
    }
    return tell_studios(context, "every_studios_commissions_were_booked", taken, counts)


@dg.asset(retry_policy=retries, group_name="affiliates", kinds={"postgres"}, deps=[commissions])
def affiliate_balances(pilar: PilarResource) -> dg.MaterializeResult:
    """What each affiliate has brought and is owed, in `analytics.affiliate_balance`."""
    from pilar.affiliates.maturing import refresh_balances
    from pilar.database.engine import Scope

    with pilar.database.transaction(Scope.fleet()) as connection:
        rows = refresh_balances(connection, pilar.clocks)
    return dg.MaterializeResult(metadata={"rows": rows})

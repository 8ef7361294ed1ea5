"""Commissions. What belongs here: what a run tells; the books are the affiliates' room's."""

# Without `from __future__ import annotations`: Dagster compares what `context` is annotated with to its classes.

import dagster as dg

from pilar_pipelines.policies import retries
from pilar_pipelines.resources.pilar import PilarResource
from pilar_pipelines.studios import studio_asset

commissions = studio_asset(
    "commissions",
    "pilar.affiliates.maturing:refresh_commissions",
    group_name="affiliates",
    check="every_studios_commissions_were_booked",
    promises="No studio of the run failed; what is held for one that did stays held.",
    description=(
        "What each studio's payments owe, in `analytics.workspace_commission`; what was held long enough is payable."
    ),
    counted=("matured", "rows"),
)


@dg.asset(retry_policy=retries, group_name="affiliates", kinds={"postgres"}, deps=[commissions])
def affiliate_balances(pilar: PilarResource) -> dg.MaterializeResult:
    """What each affiliate has brought and is owed, in `analytics.affiliate_balance`."""
    from pilar.affiliates.maturing import refresh_balances
    from pilar.database.engine import Scope

    with pilar.database.transaction(Scope.fleet()) as connection:
        rows = refresh_balances(connection, pilar.clocks)
    return dg.MaterializeResult(metadata={"rows": rows})

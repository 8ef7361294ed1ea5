"""Provisioning as numbers. What belongs here: what a run tells; the statements are provisioning's own."""

# Without `from __future__ import annotations`: Dagster compares what `context` is annotated with to its classes.

import dagster as dg

from pilar_pipelines.policies import retries
from pilar_pipelines.resources.pilar import PilarResource


@dg.asset(
    retry_policy=retries,
    group_name="provisioning",
    kinds={"postgres"},
    check_specs=[
        dg.AssetCheckSpec(
            "each_signup_is_counted_once",
            asset="provisioning_funnel",
            description="Each signup has opened, is being made, waits, failed, waited in vain or was taken back.",
        )
    ],
)
def provisioning_funnel(pilar: PilarResource) -> dg.MaterializeResult:
    """How far each day's signups have come, in `analytics.provisioning_funnel`; with it how long steps take, and waits.

    The other two tables are `analytics.provisioning_step_time` and `analytics.provisioning_wait`.
    """
    from pilar.database.engine import Scope
    from pilar.provisioning.funnel import refresh_funnel

    with pilar.database.transaction(Scope.fleet()) as connection:
        found = refresh_funnel(connection, pilar.clocks)
    return dg.MaterializeResult(
        metadata=dict(found.figures()),
        check_results=[
            dg.AssetCheckResult(
                check_name="each_signup_is_counted_once",
                passed=not found.uncounted,
                metadata={"uncounted": found.uncounted},
            )
        ],
    )

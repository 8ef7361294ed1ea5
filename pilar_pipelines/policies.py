"""How everything runs. What belongs here: retries, executor, tags and bounds that more than one definition uses."""

from __future__ import annotations

import dagster as dg

KEYS_PER_RUN = 10_000
KEYS_PER_TRANSACTION = 1_000

backfill = dg.BackfillPolicy.multi_run(max_partitions_per_run=KEYS_PER_RUN)

retries = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL)
"""For the database being away; what is wrong with one studio is never raised."""

executor = dg.in_process_executor
"""Short work: a process per step would cost more than the step."""

DRAIN_TAG = "pilar/drain"
"""On each run that drains; `dagster.yaml` bounds how many there are at once."""


def longest(seconds: int) -> dict[str, str]:
    """The tag of a run that is given up after so long."""
    return {"dagster/max_runtime": str(seconds)}

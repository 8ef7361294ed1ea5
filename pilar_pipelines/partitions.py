"""Studios as partitions. What belongs here: the one partitions definition, and ranges of its keys.

Never crossed with days, and never one run per studio: a run takes a range of keys.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from pilar_pipelines.policies import KEYS_PER_RUN, backfill, retries

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

WORKSPACE = "workspace"
"""What the partitions are called in Dagster's storage."""

workspaces = dg.DynamicPartitionsDefinition(name=WORKSPACE)


def workspace_asset(**given: Any) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """`dg.asset` for an asset with one partition per studio, of which a run takes a range."""
    with warnings.catch_warnings():
        # The parameter `backfill_policy` calls itself beta; the version is pinned, and without it a run takes one key.
        warnings.simplefilter("ignore", dg.BetaWarning)
        made: Callable[[Callable[..., Any]], dg.AssetsDefinition] = dg.asset(
            partitions_def=workspaces, backfill_policy=backfill, retry_policy=retries, **given
        )
    return made


def range_tags(first: str, last: str) -> dict[str, str]:
    """The tags of a run that takes all studios from one key to another."""
    return {RANGE_START: first, RANGE_END: last}


def ranges(keys: Sequence[str], size: int) -> list[tuple[str, str]]:
    """Cut keys, in their order, into ranges of at most `size`: the first and the last key of each."""
    return [(keys[start], keys[min(start + size, len(keys)) - 1]) for start in range(0, len(keys), size)]


def all_studios(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """What a schedule asks for: runs over all studios, as few as the bound on keys per run allows."""
    keys = context.instance.get_dynamic_partitions(WORKSPACE)
    if not keys:
        return dg.SkipReason("there is no studio yet")
    return [
        dg.RunRequest(run_key=f"{context.scheduled_execution_time.isoformat()}/{first}", tags=range_tags(first, last))
        for first, last in ranges(keys, KEYS_PER_RUN)
    ]

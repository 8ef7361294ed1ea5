"""Keeps the partitions in step with the studios. What belongs here: the difference, and making it.

The sensor changes the partitions itself, in bulk: for a request in its result the daemon would look for each key on
its own over a connection of its own, which takes minutes for ten thousand studios and holds up every other tick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from pilar_pipelines.partitions import WORKSPACE
from pilar_pipelines.resources.pilar import PilarResource

ADDED_AT_ONCE = 10_000
"""In one statement, less than a second; what is beyond waits for the next tick."""
REMOVED_AT_ONCE = 100
"""Dagster removes them one by one."""


@dataclass(frozen=True)
class Difference:
    """Which keys are to be added and which to be removed."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


def difference(
    existing: Sequence[str], wanted: Sequence[str], *, added: int = ADDED_AT_ONCE, removed: int = REMOVED_AT_ONCE
) -> Difference:
    """What turns the existing keys into the wanted ones, in their order, and at most so many of each kind."""
    there, here = set(existing), set(wanted)
    return Difference(
        tuple([key for key in wanted if key not in there][:added]),
        tuple([key for key in existing if key not in here][:removed]),
    )


@dg.sensor(minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def workspace_partitions(context: dg.SensorEvaluationContext, pilar: PilarResource) -> dg.SkipReason:
    """One partition for each studio that is not closed."""
    from pilar.database.engine import Scope
    from pilar.workspaces.fleet import open_workspaces

    with pilar.database.transaction(Scope.fleet()) as connection:
        wanted = [str(workspace_id) for workspace_id in open_workspaces(connection)]
    change = difference(context.instance.get_dynamic_partitions(WORKSPACE), wanted)
    if change.added:
        context.instance.add_dynamic_partitions(WORKSPACE, change.added)
    for key in change.removed:
        context.instance.delete_dynamic_partition(WORKSPACE, key)
    return dg.SkipReason(
        f"{len(wanted)} studios; {len(change.added)} partitions added, {len(change.removed)} removed; no run is needed"
    )

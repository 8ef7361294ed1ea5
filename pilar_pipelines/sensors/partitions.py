"""Keeps the partitions in step with the studios. What belongs here: the difference, and asking for it in bulk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from pilar_pipelines.partitions import workspaces
from pilar_pipelines.resources.pilar import PilarResource

AT_ONCE = 10_000
"""Keys changed by one tick; what is beyond waits for the next."""


@dataclass(frozen=True)
class Difference:
    """Which keys are to be added and which to be removed."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


def difference(existing: Sequence[str], wanted: Sequence[str], at_once: int = AT_ONCE) -> Difference:
    """What turns the existing keys into the wanted ones, in their order, and at most so many changes."""
    there, here = set(existing), set(wanted)
    added = [key for key in wanted if key not in there][:at_once]
    removed = [key for key in existing if key not in here][: at_once - len(added)]
    return Difference(tuple(added), tuple(removed))


@dg.sensor(minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def workspace_partitions(
    context: dg.SensorEvaluationContext, pilar: PilarResource
) -> dg.SensorResult | dg.SkipReason:
    """One partition for each studio that is not closed."""
    from pilar.database.engine import Scope
    from pilar.workspaces.fleet import open_workspaces

    with pilar.database.transaction(Scope.fleet()) as connection:
        wanted = [str(workspace_id) for workspace_id in open_workspaces(connection)]
    change = difference(context.instance.get_dynamic_partitions(workspaces.name), wanted)
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if change.added:
        requests.append(workspaces.build_add_request(list(change.added)))
    if change.removed:
        requests.append(workspaces.build_delete_request(list(change.removed)))
    if not requests:
        return dg.SkipReason(f"{len(wanted)} studios, each with its partition")
    return dg.SensorResult(dynamic_partitions_requests=requests)

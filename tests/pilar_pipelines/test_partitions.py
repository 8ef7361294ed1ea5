from __future__ import annotations

from datetime import timedelta

import dagster as dg

from pilar_pipelines.partitions import ranges
from pilar_pipelines.resources.pilar import PilarResource
from pilar_pipelines.sensors.partitions import Difference, difference, workspace_partitions
from tests.pilar_pipelines.fleet import Fleet


def _tick(instance: dg.DagsterInstance) -> dg.SensorResult | dg.SkipReason:
    """One tick of the sensor, and what the daemon does with its result."""
    with dg.build_sensor_context(instance=instance, resources={"pilar": PilarResource()}) as context:
        result = workspace_partitions(context)
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    for request in (result.dynamic_partitions_requests or ()) if isinstance(result, dg.SensorResult) else ():
        if isinstance(request, dg.AddDynamicPartitionsRequest):
            instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
        else:
            for key in request.partition_keys:
                instance.delete_dynamic_partition(request.partitions_def_name, key)
    return result


def test_the_difference_keeps_the_order_of_what_is_wanted() -> None:
    assert difference(["a", "b", "c"], ["d", "c", "a", "e"]) == Difference(added=("d", "e"), removed=("b",))
    assert difference(["a"], ["a"]) == Difference((), ())
    assert difference([], []) == Difference((), ())


def test_a_tick_changes_only_so_many_keys() -> None:
    assert difference(["x", "y", "z"], ["a", "b"], at_once=3) == Difference(("a", "b"), ("x",))
    assert difference(["x"], ["a", "b"], at_once=1) == Difference(("a",), ())


def test_ranges_cover_all_keys_once() -> None:
    assert ranges(["a", "b", "c", "d", "e"], 2) == [("a", "b"), ("c", "d"), ("e", "e")]
    assert ranges(["a", "b"], 10) == [("a", "b")]
    assert ranges([], 10) == []


def test_partitions_follow_the_studios(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    (old,) = fleet.add("Old", age=timedelta(days=2))
    (new,) = fleet.add("New", state="provisioning")
    fleet.add("Gone", state="closed")
    _tick(instance)
    assert instance.get_dynamic_partitions("workspace") == [str(old), str(new)]
    assert isinstance(_tick(instance), dg.SkipReason)

    fleet.close(old)
    (newest,) = fleet.add("Newest")
    _tick(instance)
    assert instance.get_dynamic_partitions("workspace") == [str(new), str(newest)]

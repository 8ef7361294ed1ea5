from __future__ import annotations

from datetime import timedelta

import dagster as dg

from pilar_pipelines.partitions import ranges
from pilar_pipelines.resources.pilar import PilarResource
from pilar_pipelines.sensors.partitions import Difference, difference, workspace_partitions
from tests.pilar_pipelines.fleet import Fleet


def _tick(instance: dg.DagsterInstance) -> None:
    with dg.build_sensor_context(instance=instance, resources={"pilar": PilarResource()}) as context:
        assert isinstance(workspace_partitions(context), dg.SkipReason)


def test_the_difference_keeps_the_order_of_what_is_wanted() -> None:
    assert difference(["a", "b", "c"], ["d", "c", "a", "e"]) == Difference(added=("d", "e"), removed=("b",))
    assert difference(["a"], ["a"]) == Difference((), ())
    assert difference([], []) == Difference((), ())


def test_a_tick_changes_only_so_many_keys() -> None:
    assert difference(["x", "y"], ["a", "b", "c"], added=2, removed=1) == Difference(("a", "b"), ("x",))


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

    fleet.close(old)
    (newest,) = fleet.add("Newest")
    _tick(instance)
    assert instance.get_dynamic_partitions("workspace") == [str(new), str(newest)]


def test_ten_thousand_studios_become_partitions_in_one_tick(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    fleet.add(*(f"Studio {number}" for number in range(10_000)))
    _tick(instance)
    assert len(instance.get_dynamic_partitions("workspace")) == 10_000

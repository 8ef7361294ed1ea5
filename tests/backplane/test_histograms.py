"""How long work waits and runs, read off the log."""

from __future__ import annotations

import math
from bisect import bisect_right
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilar.backplane.cancelling import cancel
from pilar.backplane.facts import Lane
from pilar.backplane.handlers import Work
from pilar.backplane.histograms import BOUNDS, Histogram, Rate, WorkHistogram, rates, wait_and_run
from pilar.backplane.work import list_jobs
from pilar.database.engine import Scope
from pilar.errors import Transient
from tests.fixtures.work import START, Bench


def _histogram(seconds: list[float]) -> Histogram:
    counts = [0] * (len(BOUNDS) + 1)
    for one in seconds:
        counts[bisect_right(BOUNDS, one)] += 1
    return Histogram(tuple(counts), max(seconds, default=0.0))


@given(
    st.lists(st.floats(min_value=0.001, max_value=90_000), min_size=1, max_size=200),
    st.floats(min_value=0.01, max_value=1),
)
def test_a_percentile_lies_in_the_bucket_of_the_true_one(seconds: list[float], part: float) -> None:
    true = sorted(seconds)[math.ceil(part * len(seconds)) - 1]
    bucket = bisect_right(BOUNDS, true)
    found = _histogram(seconds).percentile(part)
    assert found <= max(seconds)
    assert BOUNDS[bucket - 1] <= found * (1 + 1e-9)
    assert found <= BOUNDS[bucket] * (1 + 1e-9)


def test_of_nothing_there_is_nothing_to_tell(bench: Bench) -> None:
    assert (_histogram([]).p50, _histogram([]).p99) == (0, 0)
    assert _read(bench) == []
    with bench.database.transaction(Scope.fleet()) as connection:
        assert rates(connection, START, START + timedelta(hours=1)) == []


def _read(bench: Bench, **options: Any) -> list[WorkHistogram]:
    with bench.database.transaction(Scope.fleet()) as connection:
        return wait_and_run(connection, START - timedelta(seconds=1), START + timedelta(hours=1), **options)


def test_wait_and_run_are_told_apart_by_lane_and_type(bench: Bench) -> None:
    def run(work: Work[Any]) -> None:
        bench.real.advance(timedelta(seconds=float(work.content.name)))
        if work.attempts == 1 and work.content.name == "3":
            raise Transient

    bench.on_chore(run, outside=True)
    bench.ask("2")
    bench.ask("3", lane=Lane.BULK)
    bench.ask("5")
    with bench.database.transaction(Scope.fleet()) as connection:
        cancel(connection, bench.clocks, list_jobs(connection)[0].id, actor="owner:bo")
    bench.real.advance(timedelta(seconds=30))
    bench.run()
    bench.run(lane=Lane.BULK)
    bulk, default = _read(bench)
    assert (bulk.subject, default.subject) == ("bulk", "default")
    assert (default.count, default.wait.longest, default.run.longest) == (1, 30, 2)
    assert (bulk.count, bulk.wait.longest, bulk.run.longest) == (1, 32, 3)
    assert default.wait == _histogram([30.0])
    assert default.run == _histogram([2.0])
    (chore,) = _read(bench, by="type")
    assert (chore.subject, chore.count) == ("test.chore", 2)
    assert chore.run == _histogram([2.0, 3.0])
    assert chore.wait.p50 == pytest.approx(30, rel=0.3)
    with bench.database.transaction(Scope.fleet()) as connection:
        assert rates(connection, START, START + timedelta(hours=1)) == [
            Rate("bulk", START, done=0, put_off=1, dead=0),
            Rate("default", START, done=1, put_off=0, dead=0),
        ]

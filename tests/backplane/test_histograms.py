"""How long work waits and runs, read off the log."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilar.backplane import tallies
from pilar.backplane.cancelling import cancel
from pilar.backplane.facts import Lane
from pilar.backplane.handlers import Snooze, Work
from pilar.backplane.histograms import BOUNDS, Histogram, Rate, WorkHistogram, rates, wait_and_run
from pilar.backplane.notices import IncidentRequested
from pilar.backplane.work import list_jobs
from pilar.database.engine import Scope
from pilar.errors import Permanent, Transient
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


def _read(bench: Bench) -> list[WorkHistogram]:
    with bench.database.transaction(Scope.fleet()) as connection:
        return wait_and_run(connection, START - timedelta(seconds=1), START + timedelta(hours=1))


def test_wait_and_run_are_told_apart_by_lane(bench: Bench) -> None:
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
    assert default.wait.p50 == pytest.approx(30, rel=0.3)
    with bench.database.transaction(Scope.fleet()) as connection:
        assert rates(connection, START, START + timedelta(hours=1)) == [
            Rate("bulk", START, done=0, put_off=1, dead=0),
            Rate("default", START, done=1, put_off=0, dead=0),
        ]


def _of_log(bench: Bench, since: timedelta) -> list[tuple[Any, ...]]:
    """What there is to tell, counted in the log."""
    log = bench.rows(
        "select lane, outcome, finished_at, extract(epoch from claimed_at - due_at)::float,"
        " extract(epoch from finished_at - claimed_at)::float from queue_log"
        f" where finished_at >= '{START + since}' and outcome in ('done', 'retry', 'snoozed', 'dead') order by lane"
    )
    lanes = sorted({row[0] for row in log})
    return [
        (lane, _histogram([max(row[3], 0.0) for row in log if row[0] == lane]),
         _histogram([max(row[4], 0.0) for row in log if row[0] == lane]),
         sorted((row[2].replace(second=0, microsecond=0), row[1]) for row in log if row[0] == lane))
        for lane in lanes
    ]  # fmt: skip


def _told(bench: Bench, since: timedelta) -> list[tuple[Any, ...]]:
    with bench.database.transaction(Scope.fleet()) as connection:
        begin, end = START + since, bench.real.now()
        spans = wait_and_run(connection, begin, end)
        by_minute = rates(connection, begin, end)
    return [
        (one.subject, one.wait, one.run, {(r.minute, r.done, r.put_off, r.dead) for r in by_minute if r.lane == one.subject})
        for one in spans
    ]  # fmt: skip


def test_what_is_told_is_what_counting_the_log_tells_before_and_after_it_is_added_up(bench: Bench) -> None:
    chance = random.Random(7)

    def run(work: Work[Any]) -> None:
        bench.real.advance(timedelta(seconds=chance.choice([0, 0.02, 3, 70])))
        raise_one = chance.choice([None, None, Transient(), Permanent("no"), Snooze(timedelta(seconds=20))])
        if raise_one is not None:
            raise raise_one

    bench.on_chore(run, outside=True)
    bench.registry.know_event(IncidentRequested)
    for turn in range(3):
        for lane in (Lane.BULK, Lane.DEFAULT):
            bench.ask(*(f"{turn}:{lane}:{number}" for number in range(4)), lane=lane)
        bench.real.advance(timedelta(seconds=chance.randrange(90)))
        while bench.run() or bench.run(lane=Lane.BULK):
            pass
        for since in (timedelta(0), timedelta(minutes=2)):
            for _ in range(2):
                counted, told = _of_log(bench, since), _told(bench, since)
                assert [one[:3] for one in told] == [one[:3] for one in counted]
                for (*_, minutes), (*_, ended) in zip(told, counted, strict=True):
                    assert minutes == {
                        (minute, *(sum(one == (minute, what) for one in ended for what in whats)
                                   for whats in (("done",), ("retry", "snoozed"), ("dead",))))
                        for minute, _ in ended
                    }  # fmt: skip
                with bench.database.transaction(Scope.fleet()) as connection:
                    tallies.add_up(connection, bench.real.now())
    assert bench.one("select count(*) from queue_tally where not is_sum") <= 8
    with bench.database.transaction(Scope.fleet()) as connection:
        assert tallies.forget_old(connection, bench.real.now() + timedelta(days=1)) > 0
    assert _told(bench, timedelta(0)) == []

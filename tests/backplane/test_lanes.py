"""How lanes stand: every piece of work is counted in one place, and figures are those of the span."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pilar.backplane import heartbeat, pauses
from pilar.backplane.breakers import Breakers, State
from pilar.backplane.facts import Concurrency, Lane
from pilar.backplane.lanes import LaneState, count_work, list_lanes
from pilar.backplane.notices import IncidentRequested
from pilar.database.engine import Scope
from tests.fixtures.work import START, Bench, Chore


def _lanes(bench: Bench, span: timedelta = timedelta(hours=1)) -> dict[Lane, LaneState]:
    now = bench.real.now()
    with bench.database.transaction(Scope.fleet()) as connection:
        return {one.lane: one for one in list_lanes(connection, count_work(connection, now), now, now - span)}


def _counts(state: LaneState) -> dict[str, Any]:
    names = ("waiting", "in_progress", "parked", "scheduled", "dead", "ended")
    return {name: getattr(state, name) for name in names if getattr(state, name)}


def test_an_empty_lane_is_told_too(bench: Bench) -> None:
    lanes = _lanes(bench)
    assert list(lanes) == list(Lane)
    for one in lanes.values():
        assert (_counts(one), one.oldest, one.rates, one.wait.p95) == ({}, None, (), 0)


def test_work_is_counted_where_it_is(bench: Bench) -> None:
    bench.registry.know_event(IncidentRequested)
    bench.ask("dies")
    while bench.run():
        pass
    bench.registry.payloads.clear()
    bench.registry.handlers.clear()
    bench.on_chore(lambda connection, work: None)
    assert bench.one("select count(*) from queue") == 0
    bench.ask("done", lane=Lane.REPLY)
    bench.real.advance(timedelta(seconds=2))
    assert bench.run(lane=Lane.REPLY) == 1
    bench.ask("later", due_at=START + timedelta(days=1))
    bench.ask("first", "second", concurrency=Concurrency("one at a time"), lane=Lane.BULK)
    bench.ask("waits", "waits too")
    bench.real.advance(timedelta(seconds=3))
    told = _lanes(bench)
    assert _counts(told[Lane.REPLY]) == {"ended": 1}
    assert 1.5 <= told[Lane.REPLY].wait.longest <= 2.5
    assert [(rate.done, rate.dead) for rate in told[Lane.REPLY].rates] == [(1, 0)]
    default = _counts(told[Lane.DEFAULT])
    assert {name: default[name] for name in ("waiting", "scheduled", "dead")} == {
        "waiting": 2, "scheduled": 1, "dead": 1,
    }  # fmt: skip
    assert told[Lane.DEFAULT].oldest == bench.real.now() - timedelta(seconds=3)
    assert _counts(told[Lane.BULK])["parked"] >= 1
    held = sum(sum(_counts(one).get(name, 0) for name in ("waiting", "in_progress", "parked")) for one in told.values())
    assert held == 4, "each piece is in one place"
    bench.claim(bench.drain())
    assert _counts(_lanes(bench)[Lane.DEFAULT])["in_progress"] == 2
    bench.real.advance(timedelta(minutes=1))
    told = _lanes(bench)
    assert "in_progress" not in _counts(told[Lane.DEFAULT]), "a lease that has run out is nobody's"
    assert told[Lane.DEFAULT].waiting == 2
    bench.real.advance(timedelta(hours=1))
    assert "ended" not in _counts(_lanes(bench)[Lane.REPLY])


def test_what_a_pause_holds_back_is_told_as_held_back(bench: Bench) -> None:
    bench.on_chore(lambda connection, work: None)
    with bench.database.transaction(Scope.fleet()) as connection:
        pauses.pause(connection, "type", Chore.type_name, actor="a", reason="r", now=bench.real.now())
    bench.ask("held")
    bench.run()
    assert _counts(_lanes(bench)[Lane.DEFAULT]) == {"parked": 1}


def test_a_heartbeat_tells_of_breakers_and_of_an_older_release_none(bench: Bench) -> None:
    breakers = Breakers(bench.real)
    for _ in range(5):
        breakers.of("twilio").failed(0)
    breakers.of("meta")
    with bench.database.transaction(Scope.fleet()) as connection:
        heartbeat.beat(connection, "w2", bench.real.now(), breakers.snapshot())
        heartbeat.beat(connection, "w1", bench.real.now())
        connection.exec_driver_sql("update worker_heartbeat set breakers = null where worker = 'w1'")
        first, second = heartbeat.list_live(connection, bench.real.now())
        assert (first.name, first.breakers) == ("w1", ())
        assert [(one.name, one.state) for one in second.breakers] == [("meta", State.CLOSED), ("twilio", State.OPEN)]
        assert list(second.breakers) == breakers.snapshot()
        heartbeat.beat(connection, "w2", bench.real.now())
        assert heartbeat.list_live(connection, bench.real.now())[1].breakers == ()
        assert heartbeat.list_live(connection, bench.real.now() + heartbeat.LIVE_FOR) == []

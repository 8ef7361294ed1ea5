"""What a lease promises: work is its holder's while it lasts, another's after that, and never both's."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any, ClassVar

from pilar.backplane.facts import Cause, Job, Lane, enqueue
from pilar.backplane.handlers import Outside, Transactional, Work
from pilar.database.engine import Scope
from pilar.ids import new_id
from tests.backplane.ran import count, counted, note, ran
from tests.fixtures.work import Bench, Chore, Happened


class Errand(Chore):
    """Work of another type, for outside."""

    type_name: ClassVar[str] = "test.errand"


def test_work_whose_worker_died_is_done_by_another_and_the_dead_ones_result_is_refused(bench: Bench) -> None:
    bench.on_chore(note)
    bench.ask("a")
    dead = bench.drain("dead")
    (row,) = bench.claim(dead)
    assert bench.run(bench.drain("alive")) == 0, "while the lease lasts, it is the dead worker's"
    bench.real.advance(timedelta(seconds=31))
    assert bench.run(bench.drain("alive")) == 1
    bench.run_claimed(dead, [row])
    assert ran(bench) == ["a"]
    assert bench.rows("select worker, attempts from queue_log") == [("alive", 2)]


def test_work_that_kills_its_workers_is_buried(bench: Bench) -> None:
    bench.on_chore(note)
    bench.ask("killer", max_attempts=2)
    for name in ("first", "second"):
        assert len(bench.claim(bench.drain(name))) == 1, "and then the worker dies"
        bench.real.advance(timedelta(seconds=31))
    bench.run()
    assert ran(bench) == []
    assert bench.rows("select error_code, error from dead_letter") == [
        ("worker_died", "Whoever worked on this died 2 times.")
    ]


def test_a_renewed_lease_keeps_long_work_to_its_worker(bench: Bench) -> None:
    other: list[int] = []

    def long(work: Work[Any]) -> None:
        bench.real.advance(timedelta(seconds=20))
        drain.renew_leases()
        bench.real.advance(timedelta(seconds=20))
        other.append(bench.drain("other").step(Lane.DEFAULT))

    bench.on_chore(long, outside=True)
    bench.ask("a")
    drain = bench.drain("first")
    bench.run(drain)
    assert other == [0]
    assert bench.rows("select worker, outcome from queue_log") == [("first", "done")]


def test_a_worker_that_lost_its_lease_fans_no_event_out_again(bench: Bench) -> None:
    bench.registry.on_event(Happened, "first", Transactional(note))
    bench.registry.on_event(Happened, "second", Transactional(lambda connection, work: None))
    bench.tell("a")
    slow = bench.drain("slow")
    rows = bench.claim(slow)
    bench.real.advance(timedelta(seconds=31))
    for _ in range(2):
        bench.run(bench.drain("quick"))
    bench.run_claimed(slow, rows)
    bench.run(bench.drain("quick"))
    assert ran(bench) == ["a"]
    assert bench.one("select count(*) from queue_log") == 3


def test_studios_whose_work_is_all_leased_hide_no_other(bench: Bench) -> None:
    bench.on_chore(note)
    for studio in range(60):
        bench.ask(f"{studio}", workspace_id=new_id())
    bench.claim(bench.drain("slow", batch=50))
    quick = bench.drain("quick", batch=10)
    assert quick.step(Lane.DEFAULT) == 10, "the first walk meets only what is leased"
    quick.close()


def test_what_a_batch_did_for_a_lost_piece_is_undone_and_its_neighbours_are_done_once(bench: Bench) -> None:
    bench.on_chore(lambda connection, work: count(connection, work.content.name))
    bench.ask("a", "b", "c")
    slow = bench.drain("slow")
    rows = bench.claim(slow)
    bench.rows("update queue set fencing_token = 0 where position = (select min(position) from queue) returning 1")
    bench.run_claimed(slow, rows)
    assert sorted(counted(bench)) == ["b", "c"]
    assert set(counted(bench).values()) == {1}
    assert bench.one("select count(*) from queue") == 1


def test_what_is_claimed_ahead_is_given_back_when_the_drain_ends(bench: Bench) -> None:
    bench.on_chore(note)
    bench.ask(*(f"{number}" for number in range(40)))
    drain = bench.drain(batch=10)
    drain.step(Lane.DEFAULT)
    assert bench.one("select count(*) from queue where lease_until is not null") == 10
    drain.close()
    assert bench.rows("select count(*), max(attempts) from queue where lease_until is null") == [(30, 0)]


def test_no_more_is_claimed_ahead_than_the_lanes_threads_have_room_for(bench: Bench) -> None:
    go_on = threading.Event()
    bench.on_chore(note)
    bench.registry.on_job(Errand, Outside(lambda work: go_on.wait(20) and None))

    def errands(count: int) -> None:
        jobs = [Job(payload=Errand(name="e"), key=str(new_id()), priority=10) for _ in range(count)]
        with bench.database.transaction(Scope.fleet()) as connection:
            enqueue(connection, bench.clocks, jobs, Cause.new())

    errands(1)
    drain = bench.drain(batch=6, threads=1)
    drain.step(Lane.DEFAULT)
    bench.ask(*(f"{number}" for number in range(12)), priority=90)
    errands(30)
    for _ in range(20):
        drain.step(Lane.DEFAULT)
        assert bench.one("select count(*) from queue where lease_until is not null") <= 4 * drain.threads
    go_on.set()
    drain.close()

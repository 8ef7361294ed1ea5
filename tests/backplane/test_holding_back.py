"""What holds work back: pauses, turns by key, and uniqueness while it waits."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from pilar.backplane.breaches import find_breaches
from pilar.backplane.facts import Cause, Concurrency, Job, Lane, emit, enqueue
from pilar.backplane.facts import Event as Fact
from pilar.backplane.handlers import Outside, Snooze, Transactional, Work
from pilar.backplane.invariants import INVARIANTS
from pilar.database.engine import Scope
from pilar.errors import Permanent, Transient
from pilar.ids import new_id
from tests.fixtures.work import Bench, Chore, Happened
from tests.properties import examples


class Errand(Chore):
    """Another type, with the same content."""

    type_name = "test.errand"


def _pause(bench: Bench, dimension: str, subject: str, until: Any = None) -> None:
    with bench.database.transaction(Scope.fleet()) as connection:
        connection.execute(
            text("insert into queue_pause values (:dimension, :subject, :now, 'admin:1', 'a test', :until)"),
            {"dimension": dimension, "subject": subject, "now": bench.real.now(), "until": until},
        )


def _resume(bench: Bench) -> None:
    with bench.database.transaction(Scope.fleet()) as connection:
        connection.execute(text("delete from queue_pause"))


def _places(bench: Bench) -> dict[str, int]:
    return {
        place: bench.one(f"select count(*) from {place}") for place in ("queue", "scheduled", "parked", "dead_letter")
    }


def _assert_promises_hold(bench: Bench) -> None:
    with bench.database.transaction(Scope.fleet()) as connection:
        for invariant in INVARIANTS:
            assert not find_breaches(connection, bench.clocks, invariant).rows, invariant.promise


def test_work_of_a_paused_type_steps_aside_once_and_comes_back_when_the_pause_ends(bench: Bench) -> None:
    done: list[str] = []
    bench.on_chore(lambda connection, work: done.append(work.content.name))
    bench.registry.on_job(Errand, Transactional(lambda connection, work: done.append(work.content.name)))
    studio = new_id()
    bench.ask(*(f"chore-{n}" for n in range(5)), workspace_id=studio)
    with bench.database.transaction(Scope.fleet()) as connection:
        errand = Job(payload=Errand(name="errand"), key="errand", workspace_id=studio)
        enqueue(connection, bench.clocks, [errand], Cause.new())
    _pause(bench, "type", "test.chore")
    bench.run()
    assert done == ["errand"]
    assert _places(bench) == {"queue": 0, "scheduled": 0, "parked": 5, "dead_letter": 0}
    assert bench.run() == 0, "what is under a pause is not passed over again and again"
    _resume(bench)
    bench.run()
    assert sorted(done[1:]) == [f"chore-{n}" for n in range(5)]
    _assert_promises_hold(bench)


def test_a_pause_with_an_end_ends_by_itself(bench: Bench) -> None:
    done: list[str] = []
    bench.on_chore(lambda connection, work: done.append(work.content.name))
    studio, other = new_id(), new_id()
    bench.ask("paused", workspace_id=studio)
    bench.ask("other", workspace_id=other)
    _pause(bench, "workspace", str(studio), bench.real.now() + timedelta(hours=1))
    bench.run()
    assert done == ["other"]
    bench.real.advance(timedelta(hours=1))
    bench.run()
    assert done == ["other", "paused"]


def test_a_paused_lane_is_not_claimed_and_nothing_in_it_moves(bench: Bench) -> None:
    done: list[str] = []
    bench.on_chore(lambda connection, work: done.append(work.content.name))
    bench.ask("bulk", lane=Lane.BULK)
    bench.ask("default")
    _pause(bench, "lane", "bulk")
    assert bench.run(lane=Lane.BULK) == 0
    bench.run()
    assert done == ["default"]
    assert _places(bench)["queue"] == 1
    _resume(bench)
    bench.run(lane=Lane.BULK)
    assert done == ["default", "bulk"]


def test_no_more_work_of_a_key_runs_at_once_than_its_limit(bench: Bench) -> None:
    running: list[str] = []
    most: list[int] = []
    lock = threading.Lock()

    def run(work: Work[Any]) -> None:
        with lock:
            running.append(work.content.name)
            most.append(len(running))
        threading.Event().wait(0.005)  # long enough to overlap where nothing keeps them apart
        with lock:
            running.remove(work.content.name)

    bench.on_chore(run, outside=True)
    key = Concurrency("stripe-account:1", limit=2)
    bench.ask(*(f"{n}" for n in range(12)), concurrency=key)
    bench.ask(*(f"free-{n}" for n in range(3)))
    drains = [bench.drain(f"worker-{n}", threads=8) for n in range(2)]
    _assert_promises_hold(bench)
    while bench.one("select count(*) from pending_work"):
        for drain in drains:
            drain.turn([Lane.DEFAULT])
        _assert_promises_hold(bench)
    for drain in drains:
        drain.close()
    assert bench.one("select count(*) from queue_log where outcome = 'done'") == 15
    assert max(most) <= 2 + 3


def test_those_that_let_work_in_at_once_count_no_place_twice(bench: Bench) -> None:
    bench.ask(*(f"{n}" for n in range(50)), concurrency=Concurrency("one", limit=3))
    together = threading.Barrier(4)

    def let_in(number: int) -> None:
        drain = bench.drain(f"worker-{number}")
        together.wait()
        for _ in range(5):
            drain.promote()

    threads = [threading.Thread(target=let_in, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _places(bench) == {"queue": 3, "scheduled": 0, "parked": 47, "dead_letter": 0}


def test_work_that_is_tried_again_lines_up_again(bench: Bench) -> None:
    order: list[str] = []

    def run(connection: Connection, work: Work[Any]) -> None:
        order.append(f"{work.content.name}:{work.attempts}")
        if work.content.name == "a" and work.attempts == 1:
            raise Transient

    bench.on_chore(run)
    bench.ask("a", "b", concurrency=Concurrency("one"))
    bench.run()
    bench.run()
    assert order == ["a:1", "b:1"], "while the first waits for its next try, the place is free"
    bench.real.advance(timedelta(minutes=1))
    bench.run()
    assert order == ["a:1", "b:1", "a:2"]


def test_many_keys_are_all_let_in_though_a_visit_sees_a_few(bench: Bench) -> None:
    bench.on_chore(lambda connection, work: None)
    for number in range(450):
        bench.ask(f"{number}", concurrency=Concurrency(f"key-{number:03}"))
    drain = bench.drain()
    for _ in range(3):
        drain.promote()
    assert _places(bench)["parked"] == 0


def test_a_pause_does_not_let_work_jump_the_line_of_its_key(bench: Bench) -> None:
    bench.on_chore(lambda connection, work: None)
    bench.ask("a", "b", "c", concurrency=Concurrency("one", limit=2))
    drain = bench.drain()
    drain.promote()
    _pause(bench, "type", "test.chore")
    drain.step(Lane.DEFAULT)
    assert _places(bench)["parked"] == 3
    _resume(bench)
    drain.promote()
    drain.promote()
    assert _places(bench) == {"queue": 2, "scheduled": 0, "parked": 1, "dead_letter": 0}


def test_a_unique_job_is_taken_in_once_while_it_waits_and_again_when_it_has_begun(bench: Bench) -> None:
    bench.on_chore(lambda connection, work: None)
    studio = new_id()

    def ask(key: str, **options: Any) -> int:
        job = Job(payload=Chore(name=key), key=key, workspace_id=studio, unique_key="refresh", **options)
        with bench.database.transaction(Scope.fleet()) as connection:
            return enqueue(connection, bench.clocks, [job], Cause.new())

    assert [ask("one"), ask("two"), ask("three", due_at=bench.real.now() + timedelta(hours=1))] == [1, 0, 0]
    assert bench.one("select count(*) from autopilot_job") == 1
    assert bench.ask("one", workspace_id=new_id(), unique_key="refresh") == 1, "another studio's is another"
    bench.run()
    assert [ask("four"), ask("five")] == [1, 0], "what is asked for after it has begun may be news to it"
    bench.run()
    assert ask("four") == 0, "its own key is known"
    assert bench.one("select count(*) from unique_work") == 0, "and it has left no place taken"
    assert ask("six") == 1


def test_a_unique_job_for_later_keeps_its_place_until_it_is_due_and_begun(bench: Bench) -> None:
    bench.on_chore(lambda connection, work: None)
    soon = bench.real.now() + timedelta(hours=1)
    assert bench.ask("a", "b", unique_key="once", due_at=soon) == 1
    bench.real.advance(timedelta(minutes=59))
    bench.run()
    assert bench.ask("c", unique_key="once") == 0
    bench.real.advance(timedelta(minutes=1))
    bench.run()
    assert bench.ask("d", unique_key="once") == 1


def test_unique_jobs_asked_for_at_once_are_one(bench: Bench) -> None:
    together = threading.Barrier(6)
    taken: list[int] = []

    def ask(number: int) -> None:
        together.wait()
        taken.append(bench.ask(f"{number}", unique_key="once"))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 1
    assert bench.one("select count(*) from queue") == 1


def test_one_key_in_two_types_is_two_jobs_and_two_events(bench: Bench) -> None:
    with bench.database.transaction(Scope.fleet()) as connection:
        jobs = [Job(payload=Chore(name="a"), key="evt_1"), Job(payload=Errand(name="a"), key="evt_1")]
        assert enqueue(connection, bench.clocks, jobs, Cause.new()) == 2
        assert enqueue(connection, bench.clocks, jobs, Cause.new()) == 0
        event = Fact(payload=Happened(name="a"), key="evt_1", aggregate=("thing", "a"))
        assert emit(connection, bench.clocks, [event], Cause.new()) == 1


STEPS = st.lists(
    st.sampled_from(["ask", "ask-in-turn", "ask-later", "ask-unique", "pause", "resume", "step", "claim", "wait"]),
    max_size=25,
)


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS, st.randoms(use_true_random=False))
def test_whatever_happens_each_piece_is_in_one_place_or_finished(bench: Bench, steps: list[str], chance: Any) -> None:
    def run(connection: Connection, work: Work[Any]) -> None:
        fate = hash((work.id, work.attempts)) % 5
        if fate in (1, 2, 3):
            raise (Transient(), Permanent("never"), Snooze(timedelta(minutes=1)))[fate - 1]

    bench.registry.handlers.clear()
    bench.on_chore(run)
    drain = bench.drain(f"worker-{new_id()}")
    options: dict[str, Any] = {
        "ask": {},
        "ask-in-turn": {"concurrency": Concurrency("turn", limit=2)},
        "ask-later": {"due_at": bench.real.now() + timedelta(minutes=3)},
        "ask-unique": {"unique_key": "one"},
    }
    for step in steps:
        if step in options:
            bench.ask(*(str(new_id()) for _ in range(chance.randint(1, 6))), max_attempts=3, **options[step])
        elif step == "pause" and not bench.one("select count(*) from queue_pause"):
            _pause(bench, "type", "test.chore")
        elif step == "resume":
            _resume(bench)
        elif step == "claim":
            bench.claim(drain)  # and its worker dies
        elif step == "step":
            drain.turn([Lane.DEFAULT])
        else:
            bench.real.advance(timedelta(minutes=2))
        _assert_promises_hold(bench)
        assert (
            bench.one(
                """
            select count(*) from autopilot_job j where 1 <>
              (select count(*) from pending_work w where w.position = j.position)
              + (select count(*) from dead_letter d where d.position = j.position)
              + (select count(*) from queue_log l where l.position = j.position and l.outcome = 'done')
            """
            )
            == 0
        )
    _resume(bench)
    drain.finish()


def test_outside_handlers_that_have_not_begun_are_given_back_when_a_worker_leaves(bench: Bench) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def run(work: Work[Any]) -> None:
        begun.set()
        go_on.wait(10)

    bench.registry.on_job(Chore, Outside(run))
    bench.ask(*(f"{n}" for n in range(10)))
    leaving = bench.drain("leaving", threads=1)
    leaving.step(Lane.DEFAULT)
    assert begun.wait(10)
    leaving.leave()
    assert bench.rows("select count(*), max(attempts) from queue where lease_until is null") == [(9, 0)]
    go_on.set()
    leaving.close()
    assert bench.one("select count(*) from queue") == 9
    bench.run(bench.drain("next"))
    assert bench.one("select count(*) from queue_log where outcome = 'done' and attempts = 1") == 10

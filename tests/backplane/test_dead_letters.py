"""Dead letters: found, sent back to work and let go of, in batches, once however many ask for it."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from pilar.backplane.dead_letters import DeadFilter, DeadLetter, count_dead, discard, list_dead, requeue
from pilar.backplane.facts import Concurrency, Kind, Lane
from pilar.backplane.handlers import Transactional, Work
from pilar.backplane.inbox import InboxWriter, NewDelivery
from pilar.backplane.notices import IncidentRequested
from pilar.backplane.work import Status, list_jobs
from pilar.database.engine import Scope
from pilar.errors import Permanent
from pilar.ids import new_id
from tests.fixtures.work import START, Bench, Happened

ALL = DeadFilter()


def _dead(bench: Bench, filter: DeadFilter = ALL, **options: Any) -> list[DeadLetter]:  # noqa: A002 - as in the product
    with bench.database.transaction(Scope.fleet()) as connection:
        return list_dead(connection, filter, **options)


def _requeue(bench: Bench, filter: DeadFilter = ALL, **options: Any) -> int:  # noqa: A002 - as in the product
    with bench.database.transaction(Scope.fleet()) as connection:
        return requeue(connection, bench.clocks, filter, actor="admin:anna", **options)


def _discard(bench: Bench, filter: DeadFilter = ALL, **options: Any) -> int:  # noqa: A002 - as in the product
    with bench.database.transaction(Scope.fleet()) as connection:
        return discard(connection, bench.clocks, filter, actor="admin:anna", **options)


def _bury(bench: Bench, *names: str, **options: Any) -> None:
    """Have work die: nobody knows its type; and nobody wants to hear of it."""
    bench.registry.know_event(IncidentRequested)
    bench.ask(*names, **options)
    while bench.run():
        pass


def test_what_is_sent_back_is_done_in_the_order_of_its_facts_as_if_never_tried(bench: Bench) -> None:
    order: list[tuple[str, int]] = []
    for name in ("a", "b", "c"):
        _bury(bench, name, priority=5, max_attempts=3)
        bench.real.advance(timedelta(seconds=1))
    bench.on_chore(lambda connection, work: order.append((work.content.name, work.attempts)))
    assert _requeue(bench) == 3
    assert bench.rows("select distinct priority, max_attempts, attempts from queue") == [(5, 3, 0)]
    bench.run()
    assert order == [("a", 1), ("b", 1), ("c", 1)]
    assert bench.one("select count(*) from dead_letter") == 0


def test_filters_are_told_apart_and_pages_go_on_where_the_one_before_ended(bench: Bench) -> None:
    studio = new_id()
    bench.registry.on_event(Happened, "reader", Transactional(_refuse))
    for number in range(5):
        _bury(bench, f"job-{number}", workspace_id=studio if number % 2 else None)
        bench.real.advance(timedelta(minutes=1))
    bench.tell("event")
    while bench.run():
        pass
    everything = _dead(bench)
    assert [letter.failed_at for letter in everything] == sorted((one.failed_at for one in everything), reverse=True)
    assert len(everything) == 6
    paged: list[DeadLetter] = []
    while page := _dead(bench, before=paged[-1].place if paged else None, limit=2):
        paged += page
    assert paged == everything
    cases: dict[DeadFilter, Any] = {
        DeadFilter(type="test.chore"): lambda one: one.type == "test.chore",
        DeadFilter(workspace_id=studio): lambda one: one.workspace_id == studio,
        DeadFilter(error_code="permanent"): lambda one: one.error_code == "permanent",
        DeadFilter(kind=Kind.EVENT): lambda one: one.kind is Kind.EVENT,
        DeadFilter(since=START + timedelta(minutes=3)): lambda one: one.failed_at >= START + timedelta(minutes=3),
        DeadFilter(until=START + timedelta(minutes=3)): lambda one: one.failed_at < START + timedelta(minutes=3),
        DeadFilter(ids=(everything[0].id, everything[3].id)): lambda one: one in (everything[0], everything[3]),
        DeadFilter(ids=()): lambda one: False,
    }
    for asked, matches in cases.items():
        expected = [one for one in everything if matches(one)]
        assert _dead(bench, asked) == expected
        with bench.database.transaction(Scope.fleet()) as connection:
            assert count_dead(connection, asked) == len(expected)
    with bench.database.transaction(Scope.workspace(studio)) as connection:
        assert list_dead(connection, ALL) == [one for one in everything if one.workspace_id == studio]
        assert list_dead(connection, DeadFilter(ids=[one.id for one in everything])) == list_dead(connection, ALL)


def test_a_delivery_is_found_by_its_id_as_well(bench: Bench) -> None:
    async def arrive() -> None:
        writer = InboxWriter(bench.database.url)
        writer.start()
        await writer.put(NewDelivery("nobody", "evt_1", b"{}", received_at=bench.real.now()))
        await writer.stop()

    asyncio.run(arrive())
    bench.run(lane=Lane.INBOX)
    (letter,) = _dead(bench, DeadFilter(kind=Kind.DELIVERY))
    assert letter.type == "nobody"
    assert _dead(bench, DeadFilter(ids=[letter.id])) == [letter]
    assert _requeue(bench, DeadFilter(ids=[letter.id])) == 1


def test_batches_are_bounded_and_what_dies_again_meanwhile_is_not_sent_back_again(bench: Bench) -> None:
    _bury(bench, *(f"{number}" for number in range(25)))
    bench.real.advance(timedelta(seconds=1))
    began = DeadFilter(until=bench.real.now())
    sent = []
    while count := _requeue(bench, began, limit=10):
        sent.append(count)
        while bench.run():
            pass
    assert sent == [10, 10, 5]
    assert len(_dead(bench)) == 25


def test_two_who_click_at_once_send_each_letter_back_once(bench: Bench) -> None:
    _bury(bench, *(f"{number}" for number in range(150)))
    together, counts = threading.Barrier(4), []

    def click() -> None:
        together.wait()
        while count := _requeue(bench, limit=20):
            counts.append(count)

    threads = [threading.Thread(target=click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 150
    assert bench.one("select count(*) from queue where type = 'test.chore'") == 150
    told = bench.rows("select (details->>'count')::int from audit_log where action = 'queue.requeued'")
    assert sorted(row[0] for row in told) == sorted(counts)


def test_what_takes_its_turn_by_a_key_lines_up_again(bench: Bench) -> None:
    _bury(bench, "a", "b", concurrency=Concurrency("account:1", limit=1))
    assert _requeue(bench) == 2
    assert bench.rows("select held_by, attempts from parked") == [("key:account:1", 0)] * 2
    assert bench.one("select count(*) from queue where type = 'test.chore'") == 0
    done: list[str] = []
    bench.on_chore(lambda connection, work: done.append(work.content.name))
    for _ in range(3):
        bench.run()
    assert done == ["a", "b"]


def test_what_is_let_go_of_is_logged_and_its_fact_stays(bench: Bench) -> None:
    studio = new_id()
    _bury(bench, "a", "b", workspace_id=studio)
    letters = _dead(bench)
    assert _discard(bench, DeadFilter(ids=[letters[0].id]), reason="not needed; told anna@example.com") == 1
    assert _dead(bench) == letters[1:]
    with bench.database.transaction(Scope.workspace(studio)) as connection:
        (job,) = list_jobs(connection, status=Status.DISCARDED)
    assert (job.id, job.error, job.completed_at) == (letters[0].id, letters[0].error, START)
    owner, actor, details = bench.rows("select workspace_id, actor, details from audit_log")[0]
    assert (owner, actor, details["ids"]) == (studio, "admin:anna", [str(letters[0].id)])
    assert details["reason"] == "not needed; told a…@example.com"


def test_nothing_found_is_nothing_told(bench: Bench) -> None:
    assert _requeue(bench) == _discard(bench) == 0
    assert bench.one("select count(*) from audit_log") == 0


def test_a_click_that_is_undone_leaves_everything_as_it_was(bench: Bench) -> None:
    _bury(bench, "a")
    before = _dead(bench)
    with pytest.raises(RuntimeError), bench.database.transaction(Scope.fleet()) as connection:
        requeue(connection, bench.clocks, ALL, actor="admin:anna")
        raise RuntimeError
    assert _dead(bench) == before
    assert bench.one("select count(*) from queue where type = 'test.chore'") == 0


def _refuse(connection: Connection, work: Work[Any]) -> None:
    raise Permanent("no")

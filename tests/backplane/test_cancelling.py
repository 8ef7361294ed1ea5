"""Taking a job out of work and putting it off, wherever it is, also while it is worked on."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from pilar.backplane.cancelling import Cancelled, cancel, reschedule, snooze
from pilar.backplane.facts import Concurrency, Lane
from pilar.backplane.handlers import Work
from pilar.backplane.pauses import pause
from pilar.backplane.work import JobState, Status, list_jobs
from pilar.database.engine import Scope
from pilar.errors import Conflict, NotFound, Permanent, Transient
from pilar.ids import new_id
from tests.fixtures.work import START, Bench

HOUR = timedelta(hours=1)


def _job(bench: Bench, name: str = "a") -> JobState:
    with bench.database.transaction(Scope.fleet()) as connection:
        return next(job for job in list_jobs(connection) if job.payload["name"] == name)


def _cancel(bench: Bench, job_id: UUID, **options: Any) -> Cancelled:
    with bench.database.transaction(Scope.fleet()) as connection:
        return cancel(connection, bench.clocks, job_id, actor="owner:bo", **options)


def _put_off(bench: Bench, job_id: UUID, *moment: Any, **options: Any) -> None:
    with bench.database.transaction(Scope.fleet()) as connection:
        reschedule(connection, bench.clocks, job_id, *moment, actor="owner:bo", **options)


def _note(connection: Connection, work: Work[Any]) -> None:
    connection.execute(
        text("insert into limit_counter values ('ran', :name, '2026-01-01', 1)"), {"name": work.content.name}
    )


def _ran(bench: Bench) -> list[str]:
    return sorted(row[0] for row in bench.rows("select subject from limit_counter where name = 'ran'"))


def _bring_to(bench: Bench, status: Status) -> None:
    options: dict[str, Any] = {
        Status.SCHEDULED: {"due_at": START + HOUR},
        Status.PARKED: {"concurrency": Concurrency("one")},
        Status.RETRYING: {"max_attempts": 9},
    }.get(status, {})
    bench.ask("a", unique_key="one", **options)
    if status is Status.IN_PROGRESS:
        bench.claim(bench.drain())
    if status in (Status.RETRYING, Status.FAILED):
        error: Exception = Transient("away") if status is Status.RETRYING else Permanent("no")
        bench.on_chore(lambda connection, work: _raise(error))
        bench.run()
        bench.registry.handlers.clear()
    assert _job(bench).status is status


@pytest.mark.parametrize(
    "status",
    [Status.PENDING, Status.SCHEDULED, Status.PARKED, Status.RETRYING, Status.FAILED, Status.IN_PROGRESS],
)
def test_a_job_is_cancelled_wherever_it_is_once_and_for_good(bench: Bench, status: Status) -> None:
    _bring_to(bench, status)
    job = _job(bench)
    cancelled = _cancel(bench, job.id, reason="not needed any more")
    assert (cancelled.was, cancelled.was_running) == (status, status is Status.IN_PROGRESS)
    assert _cancel(bench, job.id).was is Status.CANCELLED, "twice is once"
    assert (_job(bench).status, _job(bench).error) == (Status.CANCELLED, "not needed any more")
    assert bench.rows("select actor, action, subject, details->>'was' from audit_log where action like 'queue.%%'") == [
        ("owner:bo", "queue.cancelled", f"job:{job.id}", status)
    ]
    bench.on_chore(_note)
    bench.real.advance(2 * HOUR)
    for _ in range(3):
        bench.run()
    assert _ran(bench) == []
    assert bench.one("select count(*) from unique_work") == 0
    assert bench.ask("again", unique_key="one") == 1, "its place among the waiting is free"


def test_what_is_done_cannot_be_cancelled_or_put_off(bench: Bench) -> None:
    bench.on_chore(_note)
    bench.ask("a")
    bench.run()
    job = _job(bench)
    with pytest.raises(Conflict, match="has ended"):
        _cancel(bench, job.id)
    with pytest.raises(Conflict, match="has ended"):
        _put_off(bench, job.id, START + HOUR)
    with pytest.raises(NotFound):
        _cancel(bench, new_id())


def test_another_studios_job_is_not_found(bench: Bench) -> None:
    mine = new_id()
    bench.ask("a", workspace_id=mine)
    with pytest.raises(NotFound):
        _cancel(bench, _job(bench).id, workspace_id=new_id())
    with pytest.raises(NotFound):
        _put_off(bench, _job(bench).id, None, workspace_id=new_id())
    assert _cancel(bench, _job(bench).id, workspace_id=mine).was is Status.PENDING


def test_cancelled_in_a_running_batch_it_is_undone_and_its_neighbours_are_not(bench: Bench) -> None:
    bench.on_chore(_note)
    bench.ask("a", "b", "c")
    drain = bench.drain()
    rows = bench.claim(drain)
    _cancel(bench, _job(bench, "b").id)
    bench.run_claimed(drain, rows)
    assert _ran(bench) == ["a", "c"]
    assert bench.rows("select outcome, count(*) from queue_log group by 1 order by 1") == [
        ("cancelled", 1),
        ("done", 2),
    ]


@pytest.mark.parametrize("fails", [False, True])
def test_cancelled_while_it_runs_outside_it_ends_and_is_not_tried_again(bench: Bench, fails: bool) -> None:
    seen: list[str] = []

    def run(work: Work[Any]) -> None:
        _cancel(bench, work.id)
        seen.append(work.content.name)
        if fails:
            raise Transient("away")

    bench.on_chore(run, outside=True)
    bench.ask("a")
    bench.run()
    bench.real.advance(HOUR)
    bench.run()
    assert seen == ["a"]
    assert _job(bench).status is Status.CANCELLED
    assert bench.rows("select outcome from queue_log") == [("cancelled",)]


def test_while_workers_are_at_it_each_job_is_done_or_cancelled_and_never_both(bench: Bench) -> None:
    bench.on_chore(_note)
    bench.ask(*(f"{number}" for number in range(300)))
    with bench.database.transaction(Scope.fleet()) as connection:
        ids = {job.id: str(job.payload["name"]) for job in list_jobs(connection, limit=300)}
    together, cancelled, ended = threading.Barrier(3), set(), set()

    def work(number: int) -> None:
        drain = bench.drain(f"worker-{number}", batch=20)
        together.wait()
        while drain.step(Lane.DEFAULT):
            pass
        drain.close()

    def regret() -> None:
        together.wait()
        for job_id, name in ids.items():
            try:
                _cancel(bench, job_id)
            except Conflict:
                ended.add(name)
            else:
                cancelled.add(name)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    threads.append(threading.Thread(target=regret))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended | cancelled == set(ids.values())
    assert set(_ran(bench)) == ended
    assert dict(bench.rows("select outcome, count(*) from queue_log group by 1")) == {
        outcome: len(names) for outcome, names in (("done", ended), ("cancelled", cancelled)) if names
    }


def test_work_is_put_off_and_brought_forward_by_either_clock(bench: Bench) -> None:
    bench.on_chore(_note)
    bench.ask("a", unique_key="one")
    job = _job(bench)
    _put_off(bench, job.id, START + HOUR, True)
    assert (_job(bench).status, _job(bench).business_time) == (Status.SCHEDULED, True)
    assert bench.ask("other", unique_key="one") == 0, "it waits still"
    bench.real.advance(2 * HOUR)
    assert bench.run() == 0
    with bench.database.transaction(Scope.fleet()) as connection:
        until = snooze(connection, bench.clocks, job.id, HOUR, actor="owner:bo")
    assert (until, _job(bench).scheduled_at) == (START + 3 * HOUR, START + 3 * HOUR)
    _put_off(bench, job.id, None)
    bench.run()
    assert _ran(bench) == ["a"]
    assert bench.one("select count(*) from audit_log where action = 'queue.rescheduled'") == 3


def test_what_takes_its_turn_by_a_key_does_so_after_being_put_off(bench: Bench) -> None:
    bench.on_chore(_note)
    bench.ask("a", "b", concurrency=Concurrency("one"))
    drain = bench.drain()
    drain.promote()
    rows = bench.claim(drain)
    waits = _job(bench, "b")
    _put_off(bench, waits.id, START + HOUR)
    _put_off(bench, waits.id, None)
    assert _job(bench, "b").held_by == "key:one"
    assert bench.run() == 0, "not before the first one is done"
    bench.run_claimed(drain, rows)
    bench.run()
    assert _ran(bench) == ["a", "b"]


def test_work_under_a_pause_can_be_put_off(bench: Bench) -> None:
    bench.ask("a")
    with bench.database.transaction(Scope.fleet()) as connection:
        pause(connection, "type", "test.chore", actor="admin:x", reason="look", now=START)
    bench.run()
    assert (_job(bench).status, _job(bench).held_by) == (Status.PARKED, "type:test.chore")
    _put_off(bench, _job(bench).id, START + HOUR)
    assert _job(bench).status is Status.SCHEDULED


def test_what_is_worked_on_or_dead_is_not_put_off(bench: Bench) -> None:
    bench.ask("a")
    bench.claim(bench.drain())
    with pytest.raises(Conflict, match="being worked on"):
        _put_off(bench, _job(bench).id, None)
    bench.real.advance(timedelta(seconds=31))
    _put_off(bench, _job(bench).id, None)
    bench.run()
    with pytest.raises(Conflict, match="requeue"):
        _put_off(bench, _job(bench).id, None)


def _raise(error: Exception) -> None:
    raise error

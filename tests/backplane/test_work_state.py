"""What can be read about events and jobs: each column of the source's tables, for a studio its own, and cheaply."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection

from pilar.backplane.handlers import Transactional, Work
from pilar.backplane.retention import Keep, clean_up
from pilar.backplane.work import EventState, JobState, Status, find_event, find_job, list_events, list_jobs
from pilar.database.engine import Scope
from pilar.errors import NotFound, Permanent, Transient
from pilar.ids import new_id
from pilar.settings import Settings
from tests.fixtures.work import START, Bench, Happened


def _jobs(bench: Bench, scope: Scope | None = None, **filters: Any) -> list[JobState]:
    with bench.database.transaction(scope or Scope.fleet()) as connection:
        return list_jobs(connection, **filters)


def _events(bench: Bench, scope: Scope | None = None, **filters: Any) -> list[EventState]:
    with bench.database.transaction(scope or Scope.fleet()) as connection:
        return list_events(connection, **filters)


def _answer(connection: Connection, work: Work[Any]) -> Any:
    errors = {"away": Transient("the provider is away"), "bad": Permanent("there is no such template")}
    if error := errors.get(work.content.name):
        raise error
    return {"said": work.content.name}


def test_a_job_tells_where_it_is_all_its_life_long(bench: Bench) -> None:
    studio = new_id()
    bench.on_chore(_answer)
    bench.ask("away", workspace_id=studio, priority=7, max_attempts=2, due_at=START + timedelta(hours=1))
    (job,) = _jobs(bench)
    assert (job.status, job.attempts, job.max_attempts, job.priority) == (Status.SCHEDULED, 0, 2, 7)
    assert (job.workspace_id, job.type, job.version, job.payload) == (studio, "test.chore", 1, {"name": "away"})
    assert (job.scheduled_at, job.created_at, job.started_at) == (START + timedelta(hours=1), START, None)
    assert job.idempotency_key == "away"

    bench.real.advance(timedelta(hours=1))
    drain = bench.drain("worker-7")
    drain.promote()
    assert _jobs(bench)[0].status is Status.PENDING
    rows = bench.claim(drain)
    (job,) = _jobs(bench)
    assert (job.status, job.attempts, job.locked_by) == (Status.IN_PROGRESS, 1, "worker-7")
    assert job.lease_until == bench.real.now() + timedelta(seconds=30)

    bench.run_claimed(drain, rows)
    (job,) = _jobs(bench)
    assert (job.status, job.attempts, job.error) == (Status.RETRYING, 1, "the provider is away")
    assert (job.started_at, job.completed_at) == (bench.real.now(), None)
    began = bench.real.now()

    bench.real.advance(timedelta(minutes=1))
    bench.run()
    (job,) = _jobs(bench)
    assert (job.status, job.attempts, job.error_code) == (Status.FAILED, 2, "transient")
    assert (job.error, job.started_at, job.completed_at) == ("the provider is away", began, None)
    assert job.updated_at == bench.real.now()


def test_a_job_that_is_done_keeps_its_result(bench: Bench) -> None:
    bench.on_chore(_answer)
    bench.ask("hello")
    bench.run(bench.drain("worker-7"))
    (job,) = _jobs(bench)
    assert (job.status, job.result, job.error) == (Status.COMPLETED, {"said": "hello"}, None)
    assert (job.completed_at, job.locked_by, job.locked_at) == (START, "worker-7", START)
    with bench.database.transaction(Scope.fleet()) as connection:
        assert find_job(connection, job.id) == job
        with pytest.raises(NotFound):
            find_job(connection, new_id())
        with pytest.raises(NotFound):
            find_event(connection, job.id)


def test_an_event_tells_each_handler_apart_and_needs_help_while_one_does(bench: Bench) -> None:
    bench.registry.on_event(Happened, "first", Transactional(lambda connection, work: {"n": 1}))
    bench.registry.on_event(Happened, "second", Transactional(_answer))
    bench.tell("bad", "good")
    good, bad = _events(bench, type="test.happened")
    assert (good.status, [piece.handler for piece in good.handlers]) == (Status.PENDING, [""])
    bench.run()
    good, bad = _events(bench, type="test.happened")
    assert (good.status, [piece.handler for piece in good.handlers]) == (Status.PENDING, ["first", "second"])
    bench.run()
    good, bad = _events(bench, type="test.happened")
    assert (good.status, good.processed_at, good.attempts) == (Status.COMPLETED, START, 1)
    assert (bad.status, bad.processed_at, bad.error) == (Status.FAILED, None, "there is no such template")
    assert {piece.handler: (piece.status, piece.result, piece.error_code) for piece in bad.handlers} == {
        "first": (Status.COMPLETED, {"n": 1}, None),
        "second": (Status.FAILED, None, "permanent"),
    }
    assert (bad.aggregate_type, bad.aggregate_id, bad.occurred_at) == ("thing", "bad", START)
    assert good.correlation_id == bad.correlation_id
    with bench.database.transaction(Scope.fleet()) as connection:
        assert find_event(connection, bad.id) == bad


def test_an_event_nobody_waits_for_is_completed(bench: Bench) -> None:
    bench.registry.know_event(Happened)
    bench.tell("a")
    bench.run()
    (event,) = _events(bench)
    assert (event.status, event.handlers, event.attempts) == (Status.COMPLETED, (), 1)


def test_a_studio_sees_its_own_work_and_no_other(bench: Bench) -> None:
    bench.on_chore(_answer)
    mine, other = new_id(), new_id()
    for studio in (mine, other, None):
        bench.ask("hello", "bad", workspace_id=studio)
        bench.tell("hello", workspace_id=studio)
    states = []
    for _ in range(2):
        states += [(job.payload["name"], job.status) for job in _jobs(bench, Scope.workspace(mine))]
        assert [event.workspace_id for event in _events(bench, Scope.workspace(mine), type="test.happened")] == [mine]
        assert _jobs(bench, Scope.workspace(mine), workspace_id=other) == []
        bench.run()
    assert states == [
        ("bad", Status.PENDING),
        ("hello", Status.PENDING),
        ("bad", Status.FAILED),
        ("hello", Status.COMPLETED),
    ]
    assert _jobs(bench, Scope.workspace(mine), status=Status.FAILED)[0].payload == {"name": "bad"}
    with bench.database.transaction(Scope.fleet()) as connection:
        foreign = list_jobs(connection, workspace_id=other)[0].id
    with pytest.raises(NotFound), bench.database.transaction(Scope.workspace(mine)) as connection:
        find_job(connection, foreign)


def test_lists_are_cut_by_everything_and_go_on_where_the_page_before_ended(bench: Bench) -> None:
    bench.on_chore(_answer)
    studios: list[UUID] = [new_id(), new_id()]
    for studio in studios:
        bench.ask(*(f"{number}" for number in range(7)), "bad", workspace_id=studio)
    bench.run()
    for studio in studios:
        bench.ask("new", "newer", workspace_id=studio)
        bench.ask("later", workspace_id=studio, due_at=START + timedelta(days=1))
    everything = _jobs(bench)
    assert [job.position for job in everything] == sorted((job.position for job in everything), reverse=True)
    assert len(everything) == 22
    for status in (None, *Status):
        for studio_or_all in (None, studios[0]):
            for correlation_id in (None, everything[0].correlation_id):
                expected = [
                    job
                    for job in everything
                    if status in (None, job.status)
                    and studio_or_all in (None, job.workspace_id)
                    and correlation_id in (None, job.correlation_id)
                ]
                filters = {"status": status, "workspace_id": studio_or_all, "correlation_id": correlation_id}
                paged: list[JobState] = []
                while page := _jobs(bench, **filters, before=paged[-1].position if paged else None, limit=3):
                    assert len(page) <= 3
                    paged += page
                assert paged == expected
    assert _jobs(bench, type="test.other") == []
    assert len(_jobs(bench, type="test.chore", status=Status.SCHEDULED)) == 2


def test_what_ended_longer_ago_than_the_log_tells_is_archived(bench: Bench) -> None:
    keep = Keep.of(Settings())
    bench.on_chore(_answer)
    bench.ask("old")
    clean_up(bench.database, bench.clocks, keep)
    bench.run()
    bench.real.advance(keep.log + timedelta(days=2))
    clean_up(bench.database, bench.clocks, keep)
    assert [job.status for job in _jobs(bench)] == [Status.ARCHIVED]
    assert len(_jobs(bench, status=Status.ARCHIVED)) == 1
    assert _jobs(bench, status=Status.COMPLETED) == []

"""The worker's second hand: called for heaps, it does what is due once, and leaves nothing behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, text

from pilar.app import build_app
from pilar.backplane.drain import Drain, Turned
from pilar.backplane.facts import Cause, Job, Lane, enqueue
from pilar.backplane.handlers import Transactional, Work
from pilar.clocks import system_clocks
from pilar.crypto import new_key
from pilar.database.engine import Database, Scope
from pilar.errors import Transient
from pilar.ids import new_id
from pilar.second_hand import SecondHand
from pilar.settings import Settings
from pilar.worker import Worker
from tests.fixtures.work import Bench, Chore


def _note(connection: Connection, work: Work[Chore]) -> None:
    connection.execute(
        text("insert into limit_counter values ('ran', :name, '2100-01-01', 1)"), {"name": work.content.name}
    )  # so far ahead that the worker's own upkeep does not forget it


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _nothing_due(bench: Bench) -> bool:
    return bench.one("select count(*) from pending_work") == 0


def test_it_drains_when_it_is_called_and_rests_until_it_is_called_again(bench: Bench) -> None:
    bench.on_chore(_note)
    bench.ask(*(f"{number}" for number in range(100)))
    second = SecondHand(bench.drain("second", batch=10), [Lane.DEFAULT], on_failure=lambda: None)
    with second.at_hand():
        assert bench.one("select count(*) from queue") == 100
        second.call()
        _until(lambda: _nothing_due(bench))
        bench.ask("more")
        second.call()
        _until(lambda: _nothing_due(bench))
    assert bench.one("select count(*) from queue_log where outcome = 'done' and worker = 'second'") == 101


def test_a_drain_knows_a_heap_by_the_full_batch_behind_the_one_it_has_done(bench: Bench) -> None:
    bench.on_chore(_note)
    bench.ask(*(f"{number}" for number in range(15)))
    drain = bench.drain(batch=10)
    drain.step(Lane.DEFAULT)
    assert not drain.has_a_heap, "five are left"
    bench.ask(*(f"more-{number}" for number in range(30)))
    drain.close()
    drain.step(Lane.DEFAULT)
    assert drain.has_a_heap
    drain.close()


def test_the_database_being_away_is_no_failure_and_anything_else_ends_the_worker(bench: Bench) -> None:
    turned: list[int] = []
    ended = threading.Event()

    class Broken(Drain):
        def turn(self, *_: object, **__: object) -> Turned:
            turned.append(1)
            raise Transient("away") if len(turned) == 1 else RuntimeError("a defect")

    drain = Broken(bench.database, bench.registry, bench.clocks, "broken")
    second = SecondHand(drain, [Lane.DEFAULT], on_failure=ended.set)
    with pytest.raises(RuntimeError, match="a defect"), second.at_hand():
        second.call()
        _until(lambda: len(turned) == 1)
        assert not ended.is_set()
        second.call()
        assert ended.wait(20)


def test_a_worker_with_a_second_hand_does_each_piece_of_a_heap_once(database: Database) -> None:
    app = build_app(Settings(secret_keys=new_key()), database=database)
    app.registry.on_job(Chore, Transactional(_note))
    with database.transaction(Scope.fleet()) as connection:
        studios = [new_id() for _ in range(30)]
        jobs = [Job(payload=Chore(name=f"{n}"), key=f"{n}", workspace_id=studios[n % 30]) for n in range(4_000)]
        enqueue(connection, system_clocks(), jobs, Cause.new())
    worker = Worker(app)
    thread = threading.Thread(target=worker.run)
    thread.start()
    bench = Bench(database)
    try:
        _until(lambda: _nothing_due(bench))
    finally:
        worker.stop()
        thread.join(30)
        app.close()
    assert not thread.is_alive()
    assert bench.one("select count(*) from limit_counter where name = 'ran'") == 4_000
    assert bench.one("select count(*) from queue_log where outcome = 'done' and attempts = 1") == 4_000

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import Connection

from pilar.app import App
from pilar.backplane import heartbeat
from pilar.backplane.facts import Cause, Job, Payload, enqueue
from pilar.backplane.handlers import Outside, Registry, Transactional, Work
from pilar.clocks import ClockSetting, ManualClock
from pilar.database.engine import Database, Scope
from pilar.database.shared_clock import set_business_time, shared_clocks
from pilar.draining import PATIENCE, drain_until_quiet, look, renewed
from pilar.errors import Transient
from tests.pilar_pipelines.fleet import Fleet


class Chore(Payload):
    type_name: ClassVar[str] = "test.chore"

    name: str


def _ask(connection: Connection, app: App, name: str, **options: Any) -> None:
    enqueue(connection, app.clocks, [Job(payload=Chore(name=name), key=name, **options)], Cause.new())


def _with(app: App, handler: Transactional | Outside) -> App:
    registry = Registry()
    registry.on_job(Chore, handler)
    return replace(app, registry=registry)


def test_a_visit_stays_for_work_that_comes_of_the_work(app: App) -> None:
    done: list[str] = []

    def run(connection: Connection, work: Work[Chore]) -> None:
        done.append(work.content.name)
        if len(done) < 4:
            # As a provider's webhook comes a moment after the call: nobody is told of it.
            soon = app.clocks.real.now() + timedelta(milliseconds=300)
            _ask(connection, app, f"chore {len(done)}", due_at=soon)

    working = _with(app, Transactional(run))
    with app.database.transaction(Scope.fleet()) as connection:
        _ask(connection, app, "chore 0")
    deadline = app.clocks.real.now() + timedelta(seconds=30)
    assert drain_until_quiet(working, "visitor", quiet_for=timedelta(seconds=3), deadline=deadline) == 4
    assert done == ["chore 0", "chore 1", "chore 2", "chore 3"]
    assert app.clocks.real.now() < deadline


def test_a_visit_takes_nothing_new_after_its_deadline(app: App) -> None:
    def run(connection: Connection, work: Work[Chore]) -> None:
        _ask(connection, app, f"{work.content.name}'")

    with app.database.transaction(Scope.fleet()) as connection:
        _ask(connection, app, "without end")
    deadline = app.clocks.real.now() + timedelta(milliseconds=300)
    assert drain_until_quiet(
        _with(app, Transactional(run)), "visitor", quiet_for=timedelta(seconds=30), deadline=deadline
    )
    with app.database.transaction(Scope.fleet()) as connection:
        assert look(connection, app.clocks).total == 1


def test_beside_a_living_worker_a_visit_takes_what_it_has_left_and_goes(app: App, fleet: Fleet) -> None:
    with app.database.transaction(Scope.fleet()) as connection:
        heartbeat.beat(connection, "worker-1", datetime.now(UTC))
        _ask(connection, app, "old")
    fleet.change("update queue set due_at = due_at - :ago", ago=PATIENCE + timedelta(seconds=1))
    with app.database.transaction(Scope.fleet()) as connection:
        _ask(connection, app, "fresh")
    done: list[str] = []
    working = _with(app, Transactional(lambda connection, work: done.append(work.content.name)))
    deadline = app.clocks.real.now() + timedelta(seconds=60)
    assert drain_until_quiet(working, "visitor", quiet_for=timedelta(seconds=60), deadline=deadline) == 1
    assert done == ["old"]


def test_beside_a_living_worker_later_work_counts_when_it_was_due_some_real_seconds_ago(app: App) -> None:
    now = datetime.now(UTC)
    start = ClockSetting(now - timedelta(minutes=1), now, rate=1_000)
    with app.database.transaction(Scope.fleet()) as connection:
        heartbeat.beat(connection, "worker-1", now)
        set_business_time(connection, start)
        # Due two real seconds ago, which are more than half an hour of business time.
        _ask(connection, app, "nudge", due_at=start.at(now - timedelta(seconds=2)), business_time=True)
    clocks = replace(shared_clocks(app.database), real=ManualClock(now))
    with app.database.transaction(Scope.fleet()) as connection:
        assert look(connection, clocks).later == 0
        heartbeat.leave(connection, "worker-1")
        assert look(connection, clocks).later == 1


def _with_short_leases(app: App) -> App:
    return replace(app, settings=app.settings.model_copy(update={"lease_seconds": 1}))


def test_leases_are_renewed_while_the_work_lasts(app: App, database: Database) -> None:
    """The handler ends only when its lease was seen to have been renewed."""
    renewals: list[datetime] = []
    enough = threading.Event()

    def run(work: Work[Chore]) -> None:
        assert enough.wait(30)

    with app.database.transaction(Scope.fleet()) as connection:
        _ask(connection, app, "long")
    drain = _with_short_leases(_with(app, Outside(run))).drain("visitor")

    def watch() -> None:
        with database.transaction(Scope.fleet()) as connection:
            until = connection.exec_driver_sql("select max(lease_until) from queue").scalar_one()
        if until and (not renewals or until > renewals[-1]):
            renewals.append(until)
        if len(renewals) >= 3:
            enough.set()

    with renewed(drain, watch):
        claimed = drain.run_until_idle(app.clocks.real.now() + timedelta(seconds=30))
        drain.close()
    assert claimed == 1
    assert renewals[-1] - renewals[0] > timedelta(milliseconds=500)


def test_the_thread_that_renews_survives_an_absence_of_the_database(app: App) -> None:
    beats: list[int] = []
    back = threading.Event()

    def beat() -> None:
        beats.append(1)
        if len(beats) == 1:
            raise Transient("the database is away")
        back.set()

    with renewed(_with_short_leases(app).drain("visitor"), beat):
        assert back.wait(30)


def test_the_thread_that_renews_ends_with_the_block(app: App) -> None:
    with renewed(app.drain("visitor")):
        assert "leases" in {thread.name for thread in threading.enumerate()}
    assert "leases" not in {thread.name for thread in threading.enumerate()}

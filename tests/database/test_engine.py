"""What a transaction promises its user: what it says of itself is what became of it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection

from pilar.backplane.facts import Cause, Job, enqueue
from pilar.database import engine
from pilar.database.engine import Database, Scope, raw
from pilar.errors import Transient
from pilar.ids import new_id
from tests.fixtures.work import Bench, Chore

DIE = "select pg_terminate_backend(pg_backend_pid())"


def terminate(database: Database, pid: int) -> None:
    with psycopg.connect(database.url, autocommit=True) as owner:
        owner.execute("select pg_terminate_backend(%s, 5000)", [pid])


def test_what_is_committed_is_not_said_to_have_failed_because_its_notification_was_lost(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as cut:
        cut.setattr(engine, "_NOTIFY", DIE)
        assert bench.ask("a") == 1
    assert bench.one("select count(*) from queue") == 1


def test_a_pooled_connection_that_has_died_unseen_is_replaced(database: Database) -> None:
    with database.transaction(Scope.fleet()) as connection:
        pid = connection.exec_driver_sql("select pg_backend_pid()").scalar_one()
    terminate(database, pid)
    with database.transaction(Scope.fleet()) as connection:
        assert connection.exec_driver_sql("select pg_backend_pid()").scalar_one() != pid


def test_statements_sent_together_are_one_transaction(bench: Bench) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), bench.database.pipelined(Scope.fleet()) as connection:
        enqueue(connection, bench.clocks, [Job(payload=Chore(name="a"), key="a")], Cause.new())
        raw(connection).execute("select 1 / 0")
    assert bench.one("select count(*) from queue") == 0
    with bench.database.pipelined(Scope.fleet()) as connection:
        assert enqueue(connection, bench.clocks, [Job(payload=Chore(name="a"), key="a")], Cause.new()) == 1
    assert bench.one("select count(*) from queue") == 1


def test_statements_sent_together_are_under_their_scope(database: Database) -> None:
    workspace = new_id()
    with database.pipelined(Scope.workspace(workspace), settings={"synchronous_commit": "off"}) as connection:
        names = "current_user, current_setting('pilar.workspace'), current_setting('synchronous_commit')"
        assert raw(connection).execute(f"select {names}").fetchone() == ("pilar_app", str(workspace), "off")
    with database.transaction(Scope.fleet()) as connection:
        assert connection.exec_driver_sql("select current_setting('pilar.workspace', true)").scalar_one() in (None, "")


def test_a_commit_whose_fate_is_not_known_is_said_to_be_lost(bench: Bench) -> None:
    with pytest.raises(Transient), bench.database.pipelined(Scope.fleet()) as connection:
        enqueue(connection, bench.clocks, [Job(payload=Chore(name="a"), key="a")], Cause.new())
        raw(connection).execute("reset role")
        raw(connection).execute(DIE)
    assert bench.ask("a") == 1, "the pool is whole again"


def test_of_what_was_committed_together_a_lost_notification_is_not_told_either(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as cut:
        cut.setattr(engine, "_NOTIFY", DIE)
        with bench.database.pipelined(Scope.fleet()) as connection:
            enqueue(connection, bench.clocks, [Job(payload=Chore(name="a"), key="a")], Cause.new())
    assert bench.one("select count(*) from queue") == 1


@pytest.mark.parametrize("behind", [(), ("b",), ("b", "c")], ids=["alone", "one behind it", "two behind it"])
def test_a_drain_whose_connection_breaks_in_a_handler_is_told_that_the_database_is_away(
    bench: Bench, behind: tuple[str, ...]
) -> None:
    died: list[str] = []

    def run(connection: Connection, work: Any) -> None:
        if not died:
            died.append(work.content.name)
            terminate(bench.database, connection.exec_driver_sql("select pg_backend_pid()").scalar_one())
            connection.exec_driver_sql("select 1")

    bench.on_chore(run)
    bench.ask("a", *behind)
    with pytest.raises(Transient, match="connection to the database was lost"):
        bench.run()
    assert died == ["a"]
    bench.real.advance(bench.drain().lease * 2)
    bench.run()
    assert bench.one("select count(*) from queue") == 0

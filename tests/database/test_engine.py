"""What a transaction promises its user: what it says of itself is what became of it."""

from __future__ import annotations

import psycopg
import pytest

from pilar.database import engine
from pilar.database.engine import Database, Scope
from tests.fixtures.work import Bench

DIE = "select pg_terminate_backend(pg_backend_pid())"


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
    with psycopg.connect(database.url, autocommit=True) as owner:
        owner.execute("select pg_terminate_backend(%s, 5000)", [pid])
    with database.transaction(Scope.fleet()) as connection:
        assert connection.exec_driver_sql("select pg_backend_pid()").scalar_one() != pid

"""The database and the web service are killed under load: no delivery that was answered is lost, none is there twice."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from tests.chaos.world import Senders, all_there, until, world

pytestmark = pytest.mark.slow


def test_the_database_is_killed_under_load_and_the_door_goes_on_answering(home: Path) -> None:
    with world(home) as (server, web):
        senders = Senders(web.port)
        try:
            for how in (signal.SIGKILL, signal.SIGQUIT):  # the latter is PostgreSQL's immediate shutdown
                before = len(senders.answered)
                until(lambda before=before: len(senders.answered) > before + 200)
                server.end(how)
                away_since = len(senders.answered)
                until(lambda since=away_since: len(senders.answered) > since + 1_000)
                assert web.health()["status"] == "degraded"
                server.start()
                # It gets through although they never stop sending.
                until(web.is_through)
        finally:
            senders.end()
        assert senders.refused == 0
        until(web.is_through)
        all_there(server, senders)
        assert web.stop() < 15
        assert not list((home / "spool").iterdir())


def test_the_web_service_is_killed_while_it_spools_and_while_it_replays(home: Path) -> None:
    with world(home) as (server, web):
        senders = Senders(web.port)
        try:
            until(lambda: len(senders.answered) > 200)
            server.end(signal.SIGKILL)
            for _ in range(3):
                since = len(senders.answered)
                until(lambda since=since: len(senders.answered) > since + 800)
                web.kill()  # in the middle of spooling
                web.start()
            assert web.health()["inbox"]["waiting"] >= 2_400
            server.start()
            for _ in range(3):
                stored = server.count()
                until(lambda stored=stored: server.count() > stored)
                web.kill()  # in the middle of replaying, or right behind it
                web.start()
        finally:
            senders.end()
        until(web.is_through)
        all_there(server, senders)
        assert web.stop() < 15
        assert not list((home / "spool").iterdir())


def test_a_database_that_hangs_holds_nobody_up_for_long(home: Path) -> None:
    with world(home) as (server, web):
        senders = Senders(web.port)
        with psycopg.connect(server.url) as connection:
            pids = [
                row[0]
                for row in connection.execute(
                    "select pid from pg_stat_activity where application_name = 'pilar inbox'"
                ).fetchall()
            ]
        stopped = [server.pid(), *pids]
        try:
            until(lambda: len(senders.answered) > 200)
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            since = len(senders.answered)
            until(lambda: len(senders.answered) > since + 500)
        finally:
            for pid in stopped:
                with suppress(ProcessLookupError):  # a connection's, that has ended meanwhile
                    os.kill(pid, signal.SIGCONT)
            senders.end()
        assert senders.slowest < 10
        until(web.is_through)
        all_there(server, senders)
        assert web.stop() < 15

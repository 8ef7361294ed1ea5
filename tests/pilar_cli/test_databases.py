"""The embedded server beside the programs: it is there again after its death."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pilar.database.embedded import EmbeddedServer
from pilar_cli.databases import kept_running, lent_server

pytestmark = pytest.mark.slow


@pytest.fixture
def home() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="pilar-databases-"))
    place.chmod(0o711)
    yield place
    EmbeddedServer(place).remove()


def test_a_server_that_is_killed_runs_again_at_the_same_address(home: Path) -> None:
    told: list[str] = []
    runs_again = threading.Event()

    def say(text: str) -> None:
        told.append(text)
        runs_again.set()

    with lent_server(home) as url, kept_running(home, say):
        with psycopg.connect(url) as connection:
            connection.execute("create table kept (id int)")
        pid = EmbeddedServer(home).status().pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        assert runs_again.wait(60)
        assert told == ["PostgreSQL had died, and runs again."]
        with psycopg.connect(url) as connection:
            connection.execute("select id from kept")
    assert not EmbeddedServer(home).status().running

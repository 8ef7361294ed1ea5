"""Processes are killed while deliveries come: what was answered with 200 is in the inbox, once, and in its order."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from pathlib import Path

import pytest

from tests.chaos.world import Senders, Server, all_there, until, world

pytestmark = pytest.mark.slow


def more(senders: Senders, count: int) -> None:
    """Wait until so many more deliveries are answered."""
    before = len(senders.answered)
    until(lambda: len(senders.answered) > before + count)


def all_stored(server: Server, senders: Senders) -> None:
    """Wait until all that was answered is in the database, and see that nothing is there twice."""
    until(lambda: set(senders.answered) <= set(server.names()))
    all_there(server, senders)


def test_processes_of_the_service_and_of_the_database_are_killed_in_turn_and_at_once(home: Path) -> None:
    with world(home, workers=2) as (server, web):
        senders = Senders(web.port)
        try:
            more(senders, 200)
            web.kill_worker()
            more(senders, 200)
            server.kill_backend()
            more(senders, 200)
            server.kill_backend()
            web.kill_worker()
            more(senders, 200)
            web.kill_worker()
            os.kill(server.pid(), signal.SIGKILL)
            until(server.is_down)
            more(senders, 400)
            web.kill_worker()  # one that spools: another process takes over what it has kept
            more(senders, 200)
            server.start()
            more(senders, 400)
        finally:
            senders.end()
        all_stored(server, senders)
        assert web.stop() < 15
        assert not list((home / "spool").iterdir())


def test_both_are_killed_at_the_same_moment_again_and_again_and_order_is_kept(home: Path) -> None:
    with world(home) as (server, web):
        senders = Senders(web.port)
        try:
            for _ in range(2):
                more(senders, 200)
                os.kill(server.pid(), signal.SIGKILL)
                web.kill()
                until(server.is_down)
                web.start()  # before the database: it has nothing but its disk
                more(senders, 200)
                web.kill()
                web.start()
                more(senders, 100)
                server.start()
                until(web.is_through)
        finally:
            senders.end()
        all_stored(server, senders)
        by_sender: dict[str, list[int]] = defaultdict(list)
        for name in server.names():
            _, sender, number = name.split("_")
            by_sender[sender].append(int(number))
        assert len(by_sender) > 1
        for numbers in by_sender.values():
            assert numbers == sorted(numbers)
        assert web.stop() < 15
        assert not list((home / "spool").iterdir())

"""More comes than there is room for: the answer is 503 with a time to come again, and nothing grows without end."""

from __future__ import annotations

import http.client
import signal
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.ingest.client import send_all
from benchmarks.ingest.deliveries import META_SECRET, STRIPE_SECRET, requests
from tests.chaos.world import Senders, Web, all_there, until, world

pytestmark = pytest.mark.slow

MEBIBYTE = 1024 * 1024
SIGNED = {"PILAR_META_APP_SECRET": META_SECRET, "PILAR_STRIPE_WEBHOOK_SECRET": STRIPE_SECRET}


def one_answer(web: Web) -> tuple[int, str | None]:
    """What one more delivery is told: the status, and when to come again."""
    head, _, body = next(requests(1)).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    with closing(http.client.HTTPConnection("127.0.0.1", web.port, timeout=30)) as connection:
        connection.request("POST", first.split()[1], body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("retry-after")


def test_a_full_spool_turns_away_and_memory_does_not_grow(home: Path) -> None:
    with world(home, settings={**SIGNED, "PILAR_SPOOL_MAX_ROWS": "500"}) as (server, web):
        server.end(signal.SIGKILL)
        first = send_all(web.port, 2_000, 128)
        assert first.statuses[200] == 500
        assert set(first.statuses) == {200, 503}
        before = web.memory()
        told = send_all(web.port, 10_000, 128)
        assert set(told.statuses) == {503}
        assert web.memory() - before < 16 * MEBIBYTE
        status, again = one_answer(web)
        assert status == 503
        assert again
        assert int(again) >= 1
        health = web.health()
        assert health["inbox"]["waiting"] == 500
        assert health["inbox"]["turned_away"] > 10_000
        server.start()
        until(web.is_through)
        assert server.count() == 500
        assert one_answer(web) == (200, None)


def test_a_full_disk_turns_away_loses_nothing_and_is_recovered_from(home: Path) -> None:
    with world(home) as (server, web):
        senders = Senders(web.port)
        try:
            until(lambda: len(senders.answered) > 100)
            server.end(signal.SIGKILL)
            until(lambda: len(senders.answered) > 300)
            web.may_write(256 * 1024)
            until(lambda: senders.refused > 500)
            assert web.health()["status"] == "unhealthy"
            web.may_write(64 * MEBIBYTE)
            answered = len(senders.answered)
            until(lambda: len(senders.answered) > answered + 500)
            # Full once more, and it stays so: the database is the way out.
            web.may_write(256 * 1024)
            refused = senders.refused
            until(lambda: senders.refused > refused + 100)
            server.start()
            until(web.is_through)
            answered = len(senders.answered)
            until(lambda: len(senders.answered) > answered + 200)
        finally:
            senders.end()
        until(web.is_through)
        all_there(server, senders)
        web.may_write(64 * MEBIBYTE)  # what is stored is removed from the disk once there is room
        assert web.stop() < 15
        assert not list((home / "spool").iterdir())

"""The database and the web service are killed under load: no delivery that was answered is lost, none is there twice."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from pilar.crypto import new_key
from pilar.database.embedded import EmbeddedServer
from pilar.database.migrate import create_database, migrate
from pilar_cli.ports import free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SECRET = "whsec_chaos"
SENDERS = 6


class Server:
    """A PostgreSQL of the test's own, that keeps its promises: a commit is on the disk."""

    def __init__(self, home: Path) -> None:
        self._server = EmbeddedServer(home)
        self.url = create_database(self._server.start(durable=True).url, "pilar")
        migrate(self.url)

    def start(self) -> None:
        url = make_url(self._server.start(durable=True).url)
        assert url.port == make_url(self.url).port

    def end(self, with_signal: signal.Signals) -> None:
        pid = self._server.status().pid
        assert pid
        os.kill(pid, with_signal)
        until(lambda: self._server.status().pid is None)

    def names(self) -> list[str]:
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(
                "select i.external_id, q.position is not null from inbox i left join queue q using (position)"
            ).fetchall()
        assert all(is_queued for _, is_queued in rows)
        return [name for name, _ in rows]

    def count(self) -> int:
        with psycopg.connect(self.url) as connection:
            (number,) = connection.execute("select count(*) from inbox").fetchone() or (0,)
        return int(number)

    def remove(self) -> None:
        self._server.remove()


class Web:
    """The web service as a process."""

    def __init__(self, url: str, home: Path) -> None:
        self.port = free_port(None)
        self._env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PILAR_")},
            "PILAR_HOME": str(home),
            "PILAR_DATABASE_URL": url,
            "PILAR_SECRET_KEYS": new_key(),
            "PILAR_STRIPE_WEBHOOK_SECRET": SECRET,
            "PYTHONPATH": str(ROOT),
        }
        self._log = (home / "web.log").open("ab")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "uvicorn", "--factory", "webhook_ingest.main:app", "--no-access-log"),
                *("--host", "127.0.0.1", "--port", str(self.port), "--timeout-graceful-shutdown", "5"),
            ],
            env=self._env,
            cwd=ROOT,
            stdout=self._log,
            stderr=self._log,
        )
        until(self.health)

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self) -> float:
        """Ask it to end; return how long that took."""
        assert self.process
        began = time.monotonic()
        self.process.terminate()
        self.process.wait(60)
        return time.monotonic() - began

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            self.kill()
        self._log.close()

    def health(self) -> dict[str, Any]:
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
                connection.request("GET", "/api/health/autopilot")
                found: dict[str, Any] = json.loads(connection.getresponse().read())
                return found
        except OSError:
            return {}

    def is_through(self) -> bool:
        health = self.health()
        return bool(health) and health["database"] == "reachable" and health["inbox"]["state"] == "direct"


class Senders:
    """Providers that send without end, and remember what was answered."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ends = threading.Event()
        self.answered: list[str] = []
        self.refused = 0
        self.slowest = 0.0
        self._threads = [threading.Thread(target=self._send, args=(number,), daemon=True) for number in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def _send(self, sender: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        number = 0
        while not self._ends.is_set():
            number += 1
            name = f"evt_{sender}_{number}"
            body = json.dumps({"id": name, "type": "invoice.paid"}).encode()
            at = int(time.time())
            digest = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
            began = time.monotonic()
            try:
                connection.request("POST", "/api/webhooks/stripe", body, {"stripe-signature": f"t={at},v1={digest}"})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()  # nobody was told anything
                self._ends.wait(0.02)
                continue
            self.slowest = max(self.slowest, time.monotonic() - began)
            if answer.status == 200:
                self.answered.append(name)
            else:
                assert answer.status == 503, answer.status
                self.refused += 1
        connection.close()


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


@pytest.fixture
def home() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="pilar-chaos-"))
    made.chmod(0o711)  # where root runs the tests, the server's account has to get through
    yield made
    shutil.rmtree(made)


@contextmanager
def world(home: Path) -> Iterator[tuple[Server, Web]]:
    server = Server(home)
    try:
        with closing(Web(server.url, home)) as web:
            web.start()
            yield server, web
    finally:
        server.remove()


def all_there(server: Server, senders: Senders) -> None:
    found = server.names()
    assert len(found) == len(set(found))
    assert set(senders.answered) <= set(found)


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
        postmaster = server._server.status().pid
        assert postmaster
        stopped = [postmaster, *pids]
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

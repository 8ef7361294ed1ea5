"""A database, a web service and providers for tests that kill: all are processes, and all are real.

What belongs here: starting and killing them, and what was answered. What does not: when what is killed.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from pilar.crypto import new_key
from pilar.database.embedded import EmbeddedServer
from pilar.database.migrate import create_database, migrate
from pilar_cli.ports import free_port

ROOT = Path(__file__).parents[2]
SECRET = "whsec_chaos"
META_SECRET = "chaos"
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

    def pid(self) -> int:
        pid = self._server.status().pid
        assert pid
        return pid

    def is_down(self) -> bool:
        return self._server.status().pid is None

    def end(self, with_signal: signal.Signals) -> None:
        os.kill(self.pid(), with_signal)
        until(self.is_down)

    def kill_backend(self) -> None:
        """Kill one process that serves the inbox: PostgreSQL ends all others too, and starts over."""
        until(self._backends)
        os.kill(self._backends()[0], signal.SIGKILL)

    def _backends(self) -> list[int]:
        try:
            with psycopg.connect(self.url) as connection:
                found = connection.execute("select pid from pg_stat_activity where application_name = 'pilar inbox'")
                return [pid for (pid,) in found.fetchall()]
        except psycopg.OperationalError:  # it is starting over just now
            return []

    def names(self) -> list[str]:
        """The deliveries in the order of their positions; each has its row in the queue."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(
                "select i.external_id, q.position is not null from inbox i left join queue q using (position)"
                " order by i.position"
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

    def __init__(self, url: str, home: Path, workers: int = 1, settings: Mapping[str, str] | None = None) -> None:
        self.port = free_port(None)
        self._workers = workers
        self._env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PILAR_")},
            "PILAR_HOME": str(home),
            "PILAR_DATABASE_URL": url,
            "PILAR_SECRET_KEYS": new_key(),
            "PILAR_STRIPE_WEBHOOK_SECRET": SECRET,
            "PILAR_META_APP_SECRET": META_SECRET,
            "PYTHONPATH": str(ROOT),
            **(settings or {}),
        }
        self._log = (home / "web.log").open("ab")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "uvicorn", "--factory", "webhook_ingest.main:app", "--no-access-log"),
                *("--host", "127.0.0.1", "--port", str(self.port), "--timeout-graceful-shutdown", "5"),
                *("--workers", str(self._workers), "--timeout-worker-healthcheck", "120"),
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

    def kill_worker(self) -> None:
        """Kill one of several processes: uvicorn starts another in its place."""
        os.kill(self.workers()[0], signal.SIGKILL)

    def workers(self) -> list[int]:
        """The processes that serve, where there are several."""
        assert self.process
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(one) for one in children if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]

    def may_write(self, most_bytes: int) -> None:
        """Let no file of the process grow beyond that from now on, as on a disk that is full."""
        assert self.process
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))

    def memory(self) -> int:
        """The bytes of memory that the process takes."""
        assert self.process
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()

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


@contextmanager
def world(home: Path, workers: int = 1, settings: Mapping[str, str] | None = None) -> Iterator[tuple[Server, Web]]:
    server = Server(home)
    try:
        with closing(Web(server.url, home, workers, settings)) as web:
            web.start()
            yield server, web
    finally:
        server.remove()


def all_there(server: Server, senders: Senders) -> None:
    found = server.names()
    assert len(found) == len(set(found))
    assert set(senders.answered) <= set(found)

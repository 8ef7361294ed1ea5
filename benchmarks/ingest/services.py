"""The services as processes. What belongs here: starting one as `pilar up` does, having it sent to, ending it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from pydantic import SecretStr

from benchmarks.ingest.deliveries import META_SECRET, STRIPE_SECRET
from benchmarks.ingest.plan import Plan
from benchmarks.ingest.processes import cpu_seconds, parent_of
from benchmarks.queue.processes import Failed, call, last_words
from pilar.crypto import new_key
from pilar.settings import Settings
from pilar_cli import system
from pilar_cli.ports import free_port

OURS = "webhook_ingest.main:app"
COMMIT_EACH = "benchmarks.ingest.doors:commit_each"
STATEMENT_EACH = "benchmarks.ingest.doors:statement_each"
VERIFIED = "benchmarks.ingest.doors:verified"
BARE = "benchmarks.ingest.doors:bare"

_READY = "Application startup complete."
"""What uvicorn says of each of its processes."""

_READY_SECONDS = 120.0
_CALL_SECONDS = 600.0
_END_SECONDS = 30.0


@dataclass(frozen=True)
class Taken:
    """What one service did in one round.

    Attributes:
        rate: deliveries answered with 200 per second.
        p50: seconds from sending to the answer; half of them were quicker.
        p99: likewise, ninety-nine of a hundred.
        service_cpu: processor seconds of the service per delivery.
        server_cpu: of PostgreSQL.
        client_cpu: of the client.
    """

    rate: float
    p50: float
    p99: float
    service_cpu: float
    server_cpu: float
    client_cpu: float


def measure(factory: str, url: str, count: int, plan: Plan, *, keeps: bool) -> Taken:
    """Start a service, send it so many deliveries, and end it.

    Args:
        factory: what uvicorn serves.
        url: its database, empty.
        count: of deliveries.
        plan: connections and processes.
        keeps: whether every delivery that was answered with 200 has to be in the database afterwards.

    Raises:
        Failed: one was not answered with 200, or is not there.
    """
    with _service(factory, url, plan.workers) as (port, pid), psycopg.connect(url, autocommit=True) as connection:
        postmaster = parent_of(connection.info.backend_pid)
        before = cpu_seconds(pid), cpu_seconds(postmaster)
        client = (sys.executable, "-m", "benchmarks.ingest.client", str(port), str(count), str(plan.connections))
        said = call(client, {}, _CALL_SECONDS)
        after = cpu_seconds(pid), cpu_seconds(postmaster)
        _check(said, connection if keeps else None)
    sent = sum(said["statuses"].values())
    return Taken(
        said["count"] / said["seconds"],
        said["p50"],
        said["p99"],
        (after[0] - before[0]) / sent,
        (after[1] - before[1]) / sent,
        said["cpu"] / said["count"],
    )


def _check(said: dict[str, Any], connection: psycopg.Connection[Any] | None) -> None:
    if set(said["statuses"]) != {"200"}:
        raise Failed(f"Not all were answered with 200: {said['statuses']}")
    if connection is not None:
        (found,) = connection.execute("select count(*) from inbox join queue using (position)").fetchone() or (0,)
        if found != said["accepted"]:
            raise Failed(f"{said['accepted']} were answered with 200, and {found} are in the inbox.")


@contextmanager
def _service(factory: str, url: str, workers: int) -> Iterator[tuple[int, int]]:
    """A running service: its port and the number of its first process."""
    with tempfile.TemporaryDirectory(prefix="pilar-bench-") as home, tempfile.TemporaryFile("a+") as words:
        port = free_port(None)
        settings = Settings(
            home=Path(home),
            database_url=SecretStr(url),
            secret_keys=(SecretStr(new_key()),),
            stripe_webhook_secret=(SecretStr(STRIPE_SECRET),),
            meta_app_secret=(SecretStr(META_SECRET),),
        )
        spec = system.web_service(settings, port, workers=workers)
        argv = [factory if word == OURS else word for word in spec.argv]
        process = subprocess.Popen(argv, cwd=spec.cwd, env={**os.environ, **spec.env}, stdout=words, stderr=words)
        try:
            _wait_for(process, workers, words)
            yield port, process.pid
        finally:
            process.terminate()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(process: subprocess.Popen[bytes], workers: int, words: Any) -> None:
    # The port is open before the processes behind it are ready, and the first of them would get all connections.
    deadline = time.monotonic() + _READY_SECONDS
    while _said(words).count(_READY) < workers:
        if process.poll() is not None or time.monotonic() > deadline:
            raise Failed(f"A service did not start.{last_words(words)}")
        time.sleep(0.05)


def _said(words: Any) -> str:
    words.seek(0)
    return str(words.read())

"""That the benchmark of the door runs and measures what it says. How fast anything is, is not tested here."""

from __future__ import annotations

import itertools
import json
import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import pytest

from benchmarks.ingest.client import Broken, send_all
from benchmarks.ingest.deliveries import META_SECRET, STRIPE_SECRET, requests
from benchmarks.ingest.plan import Plan
from benchmarks.ingest.processes import cpu_seconds, parent_of
from benchmarks.queue.server import DURABLE
from pilar.providers.stripe import signature as stripe
from pilar.providers.whatsapp import signature as whatsapp

ROOT = Path(__file__).parents[2]

Answer = Callable[[IO[bytes]], object]


@contextmanager
def server(answer: Answer) -> Iterator[int]:
    """A server on a port of its own that answers every request in the same way, until that returns something true."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = 0
            while line := self.rfile.readline():
                if line.startswith(b"Content-Length: "):
                    length = int(line.split()[1])
                elif line == b"\r\n":
                    self.rfile.read(length)
                    if answer(self.wfile):
                        return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield listening.server_address[1]
        listening.shutdown()
        thread.join()


def test_deliveries_are_distinct_and_signed_as_the_providers_sign() -> None:
    seen = set()
    for request in [*requests(40), *requests(40)]:
        head, _, body = request.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        assert int(headers["content-length"]) == len(body)
        if first == "POST /api/webhooks/stripe HTTP/1.1":
            stripe.verify(body, headers["stripe-signature"], [STRIPE_SECRET], datetime.now(UTC))
            seen.add(json.loads(body)["id"])
        else:
            assert first == "POST /api/webhooks/whatsapp HTTP/1.1"
            whatsapp.verify(body, headers["x-hub-signature-256"], [META_SECRET])
            seen.add(body)
    assert len(seen) == 80


def test_the_client_counts_each_answer_by_its_status_however_it_comes() -> None:
    turn = itertools.count()

    def answer(write: IO[bytes]) -> None:
        if next(turn) % 3 == 0:
            write.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nno")
            write.write(b"pe")
        else:
            write.write(b"HTTP/1.1 200 OK\r\ncontent-le")
            write.write(b"ngth: 0\r\n\r\n")

    with server(answer) as port:
        told = send_all(port, 50, 4)
    assert told.warm_ups == 16
    assert told.statuses == {200: 44, 503: 22}
    assert len(told.waits) == 50
    assert told.seconds > 0
    assert told.cpu > 0
    assert all(wait > 0 for wait in told.waits)


def test_a_server_that_hangs_up_is_told_of() -> None:
    with server(lambda _: True) as port, pytest.raises(Broken, match="closed"):
        send_all(port, 1, 1)


def test_processor_time_is_that_of_a_process_and_its_children() -> None:
    work = "import time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\ninput()"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {work!r}], check=True)"
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "done\n"
        [child] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert parent_of(int(child)) == process.pid
        of_child, of_both = cpu_seconds(int(child)), cpu_seconds(process.pid)
        assert of_child > 0.25
        assert of_both > of_child
        process.communicate("\n", timeout=30)


def test_a_plan_is_scaled_in_its_counts_and_keeps_its_shape() -> None:
    plan = Plan().scaled(0.01)
    assert (plan.deliveries, plan.rounds, plan.connections, plan.workers) == (600, 3, 256, 2)


@pytest.mark.slow
def test_the_quick_run_measures_every_side_on_a_durable_server(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ingest", "--quick", "--json"],
        cwd=ROOT,
        env={**os.environ, "PILAR_HOME": str(ROOT / ".pilar" / "tests" / "ingest")},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    said = json.loads(done.stdout)
    assert all(said["context"]["server"][name] == "on" for name in DURABLE)
    assert all(figure["value"] for figure in said["figures"] if not figure["name"].startswith("CPU")), said
    assert {figure["name"] for figure in said["figures"] if figure["kind"] == "gate"} == {
        "taken ÷ a commit each", "taken ÷ nothing kept", "p99, PILAR",
    }  # fmt: skip

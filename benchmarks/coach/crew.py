"""The programs of the burst. What belongs here: starting them as `pilar up` does, what they use, ending them."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.ingest.processes import cpu_seconds, parent_of
from benchmarks.queue.processes import Failed, last_words
from pilar.settings import Settings
from pilar_cli import system
from pilar_cli.processes import ProcessSpec

_READY_SECONDS = 120.0
_END_SECONDS = 30.0


@dataclass(frozen=True)
class Program:
    """A running program.

    Attributes:
        pid_is_ours: whether it was started here: the database's server is somebody else's.
    """

    name: str
    pid: int
    process: subprocess.Popen[bytes] | None = None
    words: Any = None

    @property
    def pid_is_ours(self) -> bool:
        """Whether it was started here."""
        return self.process is not None

    def busy(self) -> float:
        """Processor seconds of it and its living descendants so far."""
        return cpu_seconds(self.pid)

    def peak(self) -> float:
        """The most memory that it had, in KiB."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        if found is None:
            raise Failed(f"{self.name} tells no peak of its memory.")
        return float(found.group(1))

    def check(self) -> None:
        """Raise `Failed` where it has ended."""
        if self.process is not None and self.process.poll() is not None:
            raise Failed(f"{self.name} ended with {self.process.returncode}.{last_words(self.words)}")


@contextmanager
def programs(
    settings: Settings, web_port: int, sandbox: ProcessSpec, workers: int, url: str
) -> Iterator[list[Program]]:
    """Sandbox, web service, workers, and the database's server, until the block ends."""
    web = system.web_service(settings, web_port)
    worker = system.worker(settings, web_port)
    specs = [("sandbox", sandbox), ("the web service", web)]
    specs += [(f"worker {number}", worker) for number in range(1, workers + 1)]
    with ExitStack() as stack:
        running = []
        for name, spec in specs:
            words = stack.enter_context(tempfile.TemporaryFile("a+"))
            env = {**os.environ, **spec.env}
            process = subprocess.Popen(spec.argv, cwd=spec.cwd, env=env, stdout=words, stderr=words)
            stack.callback(_end, process)
            running.append(Program(name, process.pid, process, words))
            _wait_until_ready(running[-1], spec)
        connection = stack.enter_context(psycopg.connect(url, autocommit=True))
        running.append(Program("PostgreSQL", parent_of(connection.info.backend_pid)))
        yield running


def _wait_until_ready(program: Program, spec: ProcessSpec) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while spec.ready is not None and not spec.ready():
        program.check()
        if time.monotonic() > deadline:
            raise Failed(f"{program.name} did not start.{last_words(program.words)}")
        time.sleep(0.1)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""The supervisor behind `pilar up` and `pilar demo`. What belongs here: starting, watching and stopping programs.

What does not: which programs there are, signals and what is shown to people, which are the caller's; who belongs to
a program is found in `sessions.py`.

Nothing outlives the supervisor. A program gets SIGTERM when the supervisor dies (`child.py`), a guardian ends what
has not gone by then with all its descendants (`guardian.py`), and should both be killed, the next supervisor does.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from pilar.errors import Busy, Conflict, Transient
from pilar_cli.sessions import POLL_SECONDS, TOKEN_VARIABLE, Process, Record, end, end_recorded, look, send

LOCK = "supervisor.lock"
_WATCH_SECONDS = 0.1
_TAIL_LINES = 20
_TAIL_BYTES = 16 * 1024
_MINUTE = 60.0


@dataclass(frozen=True)
class ProcessSpec:
    """A program to be started."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Added to our own environment."""
    ready: Callable[[], bool] | None = None
    """Asked again and again until it returns True."""
    ready_timeout: float = 30.0
    """How long it may take to become ready, in seconds."""
    cwd: Path | None = None


@dataclass(frozen=True)
class Exit:
    """A program that ended although nobody stopped it."""

    name: str
    code: int
    """Its exit code; minus the number of the signal that ended it."""
    log_tail: str
    restarts_in: float | None
    """Seconds until it is started again, or None if it is not."""


@dataclass
class _Child:
    spec: ProcessSpec
    record: Record
    process: subprocess.Popen[bytes]

    def exited(self) -> bool:
        """Whether it ended. It is not collected yet: until then its number can't be given to anybody else."""
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


class Supervisor:
    """The one supervisor of a home directory. Use it from the main thread, as a context or with `stop_all`.

    Args:
        home: logs go to `home/logs`, records to `home/run`.
        name: how a second one is told who was first, such as `pilar up`.
        grace_seconds: how long programs have between SIGTERM and SIGKILL.
    """

    def __init__(self, home: Path, name: str, *, grace_seconds: float = 10.0) -> None:
        self.home = home.absolute()
        self.name = name
        self._grace_seconds = grace_seconds
        self._run = self.home / "run"
        self._logs = self.home / "logs"
        self._children: dict[str, _Child] = {}
        self._restarts: dict[str, deque[float]] = {}
        self._asked_for: deque[ProcessSpec] = deque()
        self._lock: int | None = None
        self._guardian: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.claim()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop_all()

    def claim(self) -> list[str]:
        """Become the home's supervisor and end what a killed one left behind.

        Returns:
            The names of the programs of which something was left.

        Raises:
            Busy: there is one already.
        """
        if self._lock is not None:
            return []
        self._run.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(exist_ok=True)
        self._lock = self._take_lock()
        left = end_recorded(self._run, self._grace_seconds)
        with (self._logs / "guardian.log").open("ab") as log:
            self._guardian = subprocess.Popen(
                [sys.executable, "-m", "pilar_cli.guardian", str(self._run), str(self._grace_seconds)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=Path(__file__).parents[1],
                pass_fds=(self._lock,),
                start_new_session=True,
            )
        return left

    def start(self, spec: ProcessSpec) -> int:
        """Start a program and wait until it is ready.

        Returns:
            Its process id.

        Raises:
            Conflict: one of that name runs.
            Transient: it ended or did not become ready; the message has the end of its log. It is stopped then.
        """
        if threading.current_thread() is not threading.main_thread():
            # The system ties a program's life to the thread that started it.
            raise RuntimeError("programs are started from the main thread")
        if spec.name in self._children:
            raise Conflict(f"{spec.name} runs already.")
        self.claim()
        child = self._spawn(spec)
        try:
            self._await_ready(child)
        except BaseException:
            self.stop(spec.name)
            raise
        return child.process.pid

    def start_soon(self, spec: ProcessSpec) -> None:
        """Have a program started by whoever watches; may be called from any thread. Nobody waits until it is ready."""
        self._asked_for.append(spec)

    def stop(self, name: str) -> None:
        """Stop a program and all its descendants; nothing happens if there is none of that name."""
        child = self._children.get(name)
        if child is None:
            return
        end(child.record, grace_seconds=self._grace_seconds)
        child.process.wait()
        self._forget(child)

    def stop_all(self) -> None:
        """Stop everything at once, and give the home free. It may be called again."""
        if self._lock is None:
            return
        children = list(self._children.values())
        end(*(child.record for child in children), grace_seconds=self._grace_seconds)
        for child in children:
            child.process.wait()
            self._forget(child)
        end_recorded(self._run, self._grace_seconds)
        if self._guardian is not None:
            self._guardian.communicate()
            self._guardian = None
        os.close(self._lock)
        self._lock = None

    def log(self, name: str) -> Path:
        """Where the output of a program goes; that of the run before has `.1` appended."""
        return self._logs / f"{name}.log"

    def tail(self, name: str) -> str:
        """The last lines of a program's log."""
        path = self.log(name)
        if not path.exists():
            return ""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-_TAIL_LINES:])

    def watch(self, until: threading.Event, *, restarts_per_minute: int = 0) -> Iterator[Exit]:
        """Report each program that ends by itself, until the event is set.

        A program that ends is started again after a pause, which doubles with each restart of the last minute;
        beyond the limit it is not. What a program left behind is ended first.
        """
        due: dict[str, tuple[float, ProcessSpec]] = {}
        while not until.wait(_WATCH_SECONDS):
            while self._asked_for:
                self._spawn(self._asked_for.popleft())
            for child in [child for child in self._children.values() if child.exited()]:
                report = self._bury(child, restarts_per_minute)
                if report.restarts_in is not None:
                    due[report.name] = (time.monotonic() + report.restarts_in, child.spec)
                yield report
            for name in [name for name, (moment, _) in due.items() if time.monotonic() >= moment]:
                _, spec = due.pop(name)
                if name not in self._children and not until.is_set():
                    self._spawn(spec)

    def _take_lock(self) -> int:
        """Lock the home. A guardian at work after a killed supervisor is waited for."""
        path = self._run / LOCK
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + 2 * self._grace_seconds + 10
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    self._refuse_if_held(path.read_text(), late=time.monotonic() > deadline)
                    time.sleep(POLL_SECONDS)
                else:
                    break
            os.ftruncate(descriptor, 0)
            me = look(os.getpid())
            os.pwrite(descriptor, f"{os.getpid()} {me.start_time if me else 0} {self.name}".encode(), 0)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _refuse_if_held(self, holder: str, *, late: bool) -> None:
        first, name = _who(holder)
        if first is not None:
            raise Busy(f"{name} (process {first.pid}) is at work in {self.home}: stop it first.")
        if late:
            raise Busy(f"What a killed supervisor left in {self.home} is still being ended: try again in a moment.")

    def _spawn(self, spec: ProcessSpec) -> _Child:
        log_path = self.log(spec.name)
        if log_path.exists():
            log_path.replace(log_path.with_name(f"{log_path.name}.1"))
        record = Record(spec.name, list(spec.argv), secrets.token_hex(16))
        record.save(self._run)
        launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("child.py"))]
        with log_path.open("xb") as log:
            process = subprocess.Popen(
                [*launcher, "--parent-pid", str(os.getpid()), "--", *spec.argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=spec.cwd,
                env={**os.environ, **spec.env, TOKEN_VARIABLE: record.token},
                start_new_session=True,
            )
        seen = look(process.pid)
        record = replace(record, pid=process.pid, start_time=seen.start_time if seen else None)
        child = _Child(spec, record, process)
        self._children[spec.name] = child
        record.save(self._run)
        return child

    def _await_ready(self, child: _Child) -> None:
        spec = child.spec
        deadline = time.monotonic() + spec.ready_timeout
        while spec.ready is not None and not spec.ready():
            if child.exited():
                end(child.record, grace_seconds=self._grace_seconds)
                code = child.process.wait()
                raise Transient(f"{spec.name} ended with code {code} before it was ready:\n{self.tail(spec.name)}")
            if time.monotonic() > deadline:
                raise Transient(
                    f"{spec.name} was not ready after {spec.ready_timeout:g} seconds:\n{self.tail(spec.name)}"
                )
            time.sleep(POLL_SECONDS)

    def _bury(self, child: _Child, restarts_per_minute: int) -> Exit:
        """Clear up behind a program that ended, and decide whether it is started again."""
        name = child.spec.name
        end(child.record, grace_seconds=self._grace_seconds)
        code = child.process.wait()
        self._forget(child)
        restarts = self._restarts.setdefault(name, deque())
        now = time.monotonic()
        while restarts and now - restarts[0] > _MINUTE:
            restarts.popleft()
        pause = None
        if len(restarts) < restarts_per_minute:
            pause = 0.25 * 2 ** len(restarts)
            restarts.append(now)
        return Exit(name, code, self.tail(name), pause)

    def _forget(self, child: _Child) -> None:
        (self._run / f"{child.spec.name}.json").unlink(missing_ok=True)
        del self._children[child.spec.name]


def ask_to_end(home: Path) -> str | None:
    """Ask the supervisor of a home to stop everything, and wait until it has.

    Returns:
        Its name, or None if there is none.
    """
    try:
        holder = (home / "run" / LOCK).read_text()
    except FileNotFoundError:
        return None
    first, name = _who(holder)
    if first is None:
        return None
    send(first, signal.SIGTERM)
    while _who(holder)[0] is not None:
        time.sleep(POLL_SECONDS)
    return name


def _who(holder: str) -> tuple[Process | None, str]:
    """The living process that a lock's content names, and what it is called."""
    pid, _, rest = holder.partition(" ")
    start_time, _, name = rest.partition(" ")
    process = look(int(pid)) if pid.isdecimal() else None
    is_it = process is not None and process.alive and str(process.start_time) == start_time
    return (process if is_it else None), name

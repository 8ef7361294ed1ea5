"""Process trees as the system sees them. What belongs here: who belongs to a started program, and ending all of them.

What does not: starting, readiness and restarts, which are `processes.py`.

Each program is started in a session of its own and with a random token in its environment, and a record of both is
kept on disk. A process belongs to the program if it is in that session while the leader with the recorded start
time still exists, or if it carries the token: so a descendant is found that made a session of its own or outlived
the leader, and a process that only got a used number again is not.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pilar.errors import Transient

TOKEN_VARIABLE = "PILAR_SUPERVISED"  # noqa: S105 - the name of a variable
POLL_SECONDS = 0.02
_SLOWEST_POLL_SECONDS = 0.15
_KILL_SECONDS = 10.0
"""How long the system may take to remove what was sent SIGKILL."""


@dataclass(frozen=True)
class Process:
    """A process at the moment it was looked at."""

    pid: int
    state: str
    session: int
    start_time: int
    """In clock ticks since the machine's start; with the pid it names a process for good."""

    @property
    def alive(self) -> bool:
        """False for one that ended and only waits for its parent to ask."""
        return self.state not in "ZX"


@dataclass(frozen=True)
class Record:
    """A started program, as kept in `run/NAME.json`. It is written before the start, without the last two."""

    name: str
    argv: list[str]
    token: str
    pid: int | None = None
    """Also the id of its session."""
    start_time: int | None = None

    def save(self, directory: Path) -> None:
        """Write it; it is the former or this one at any moment."""
        draft = directory / f"{self.name}.json.new"
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(self), file)
        draft.replace(directory / f"{self.name}.json")


def look(pid: int) -> Process | None:
    """The process with that number, or None if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in brackets, which may hold brackets and spaces itself.
    fields = text.rpartition(")")[2].split()
    return Process(pid, fields[0], int(fields[3]), int(fields[19]))


def members(*records: Record) -> list[Process]:
    """The living processes that belong to recorded programs."""
    led = {record.pid for record in records if _is_led(record)}
    marks = {f"{TOKEN_VARIABLE}={record.token}".encode() for record in records}
    return [
        process
        for process in _everybody()
        if process.alive
        and process.pid != os.getpid()
        and (process.session in led or not marks.isdisjoint(_environment(process.pid)))
    ]


def end(*records: Record, grace_seconds: float) -> None:
    """Ask all members to end, wait, and kill those that have not; return when nobody is left.

    Several programs are asked at once, and have the same time.

    Raises:
        Transient: somebody survived, for instance in a system call that can't be interrupted.
    """
    asked_at = time.monotonic()
    asked = False
    pause = POLL_SECONDS
    while left := members(*records):
        passed = time.monotonic() - asked_at
        if passed > grace_seconds + _KILL_SECONDS:
            pids = ", ".join(str(process.pid) for process in left)
            names = ", ".join(record.name for record in records)
            raise Transient(f"{names} can't be ended: process {pids} survives every signal.")
        if passed > grace_seconds or not asked:
            for process in left:
                send(process, signal.SIGKILL if asked else signal.SIGTERM)
            asked = True
        time.sleep(pause)
        # Looking at every process of the machine takes time away from those that are ending.
        pause = min(pause * 1.5, _SLOWEST_POLL_SECONDS)


def end_recorded(directory: Path, grace_seconds: float) -> list[str]:
    """End whatever the records of a directory name, and remove them.

    Returns:
        The names of the programs of which something was still alive.
    """
    ended = []
    for path in sorted(directory.glob("*.json")):
        try:
            record = Record(**json.loads(path.read_text()))
        except (ValueError, TypeError):  # cut short by a full disk or by hand: it names nobody
            path.unlink()
            continue
        if members(record):
            end(record, grace_seconds=grace_seconds)
            ended.append(record.name)
        path.unlink(missing_ok=True)
    return ended


def _is_led(record: Record) -> bool:
    """Whether the session's leader is still the process that was started: then the session is still ours."""
    leader = look(record.pid) if record.pid is not None else None
    return leader is not None and leader.start_time == record.start_time


def _everybody() -> Iterator[Process]:
    for entry in os.listdir("/proc"):  # noqa: PTH208 - many short-lived entries, and only their names are of use
        if entry.isdecimal():
            process = look(int(entry))
            if process is not None:
                yield process


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # it ended, or is another user's
        return []


def send(process: Process, number: signal.Signals) -> None:
    """Signal that very process: a handle on it can't come to mean another one, as a number can."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        now = look(process.pid)
        if now is not None and now.start_time == process.start_time:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)

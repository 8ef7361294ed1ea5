"""The processes of the embedded server.

What belongs here: which of the machine's processes work on a data directory, and ending what a dead server left
behind. What does not: starting and stopping in order (`embedded.py`).

A pid file proves nothing, its number may belong to somebody else by now; a process is the server's if it works
inside the data directory. That is read from `/proc`, so the embedded server runs on Linux.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from pilar.errors import NotConfigured, Transient

POLL_SECONDS = 0.03

_ESCALATION = ((2.0, signal.SIGQUIT), (6.0, signal.SIGKILL))
"""After how many seconds what is left gets which signal; SIGQUIT makes a backend leave without saving anything."""
_GIVE_UP_SECONDS = 15.0


def processes(data: Path) -> Iterator[int]:
    """The ids of the living server processes that work in a data directory."""
    try:
        place = data.stat()
    except FileNotFoundError:
        return
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if (entry / "comm").read_text() == "postgres\n" and os.path.samestat(place, (entry / "cwd").stat()):
                yield int(entry.name)
        except OSError:  # it ended while we looked, or it is another user's, who can't be on our data
            continue


def postmaster(data: Path) -> tuple[int, int] | None:
    """Process id and port of the server that runs from a data directory, or None if none does.

    Raises:
        NotConfigured: the data is not ours to look into.
    """
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid, port = int(lines[0]), int(lines[3])
    except (FileNotFoundError, NotADirectoryError, IndexError, ValueError):
        return None
    except PermissionError as error:
        raise NotConfigured(f"The database in {data} belongs to another user: run as that user.") from error
    return (pid, port) if pid in processes(data) else None


def clear(data: Path) -> None:
    """Wait until no process of a dead server is left, end what does not go by itself, remove a stale pid file.

    Backends notice the death of their postmaster when they next wait for something; one that computes does not,
    and keeps the shared memory in use, for which reason a new server would refuse to start.

    Raises:
        Transient: something survived.
    """
    began = time.monotonic()
    steps = list(_ESCALATION)
    while left := list(processes(data)):
        passed = time.monotonic() - began
        if passed > _GIVE_UP_SECONDS:
            raise Transient(f"Processes {left} of a former server still use {data}: end them and try again.")
        if steps and passed > steps[0][0]:
            _, number = steps.pop(0)
            for pid in left:
                _signal(pid, number)
        time.sleep(POLL_SECONDS)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return

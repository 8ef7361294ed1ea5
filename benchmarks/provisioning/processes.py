"""What the programs of a run have cost. What belongs here: their time on a processor, as the kernel counts it."""

from __future__ import annotations

import json
import os
from pathlib import Path

OUR_OWN = ("web", "worker")
"""The programs that are the product; the sandbox is the world, and PostgreSQL is told beside it."""


def cpu_seconds(home: Path, name: str) -> float:
    """The seconds of processor time that a program of a run has used up to now, its ended children's with it.

    Args:
        home: where the run's supervisor records its programs.
        name: the program's.

    Raises:
        ProcessLookupError: it does not run.
    """
    pid = json.loads((home / "run" / f"{name}.json").read_text())["pid"]
    if pid is None:
        raise ProcessLookupError(name)
    return _used(Path(f"/proc/{pid}/stat").read_text())


def server_cpu_seconds(postmaster: int) -> float:
    """The same of a PostgreSQL server and all of its processes."""
    total = 0.0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
            continue
        parent = int(_fields(stat)[1])
        if postmaster in (int(entry.name), parent):
            # The postmaster has its ended children's time with its own.
            total += _used(stat)
    return total


def _used(stat: str) -> float:
    own_user, own_system, children_user, children_system = map(int, _fields(stat)[11:15])
    return (own_user + own_system + children_user + children_system) / os.sysconf("SC_CLK_TCK")


def _fields(stat: str) -> list[str]:
    """The fields after the program's name, which may hold blanks: the state first."""
    return stat.rpartition(")")[2].split()

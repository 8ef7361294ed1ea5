"""What processes take of the processor. What belongs here: reading that from `/proc`."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def parent_of(pid: int) -> int:
    """The number of a process's parent."""
    return int(_fields(pid)[1])


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and of all its living descendants, since each of them began."""
    children: dict[int, list[int]] = {}
    ticks: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = _fields(int(entry.name))
            except OSError:  # it has ended meanwhile
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
            ticks[int(entry.name)] = int(fields[11]) + int(fields[12])
    total, family = 0, [pid]
    while family:
        one = family.pop()
        total += ticks.get(one, 0)
        family += children.get(one, [])
    return total / _TICKS


def _fields(pid: int) -> list[str]:
    # The name of a process comes before, in brackets, and may hold anything.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()

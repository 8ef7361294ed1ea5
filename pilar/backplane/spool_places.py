"""Where spool files lie, and who uses one. What belongs here: names, locks and what a power cut must not undo.

The lock is a file beside the spool file: SQLite's own locks are lost when any handle of the same process closes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from pathlib import Path

SUFFIX = ".spool"


def spool_files(directory: Path, owner: str | None = None) -> list[Path]:
    """The files in a directory, the oldest first: of one database, or all."""
    return sorted(directory.glob(f"{plain(owner) if owner is not None else '*'}-*{SUFFIX}"))


def bytes_of(path: Path) -> int:
    """What a file takes on the disk, with its journal."""
    total = 0
    for one in with_journals(path):
        with contextlib.suppress(FileNotFoundError):
            total += one.stat().st_size
    return total


def try_lock(path: Path) -> int | None:
    """The handle of a lock that ends with this process, or None where somebody has it."""
    place = path.with_suffix(".lock")
    handle = os.open(place, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if place.stat().st_ino == os.fstat(handle).st_ino:
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass  # it is somebody's, or somebody has just removed it
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None


def is_locked(path: Path) -> bool:
    """Whether a process holds a spool file."""
    try:
        handle = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two who look don't take each other for a holder.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def make_directory(directory: Path) -> None:
    """Make a directory that nobody else may read."""
    if not directory.is_dir():
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        sync(directory.parent)


def sync(directory: Path) -> None:
    """Have a directory's entries on the disk: a file that a power cut makes nameless is lost."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def with_journals(path: Path) -> tuple[Path, ...]:
    """A file and those that SQLite keeps beside it."""
    return path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def plain(owner: str) -> str:
    """A database's name as it may stand in a file's."""
    return re.sub(r"[^A-Za-z0-9_]", "_", owner)

"""What lies in the spool files of this machine, for people. What belongs here: looking, and releasing what was refused.

What does not: replaying, which the web service does. Bodies are never shown: they are what people wrote.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pilar.backplane.spool_places import bytes_of, is_locked, spool_files

_BUSY_SECONDS = 5.0
_SHOWN_AT_MOST = 100


@dataclass(frozen=True)
class RefusedDelivery:
    """A delivery that the database refuses for good."""

    provider: str
    external_id: str
    received_at: datetime
    bytes: int
    reason: str


@dataclass(frozen=True)
class SpoolFileReport:
    """One file.

    Attributes:
        path: where it lies.
        in_use: whether a process holds it; if none does, the next web service takes it over.
        bytes: what it takes on the disk.
        waiting: deliveries that are to be replayed.
        oldest: when the first of them was received.
        refused: deliveries that are kept aside.
        refused_deliveries: the first hundred of them.
        error: why it can't be read, where that is so.
    """

    path: Path
    in_use: bool
    bytes: int
    waiting: int = 0
    oldest: datetime | None = None
    refused: int = 0
    refused_deliveries: tuple[RefusedDelivery, ...] = ()
    error: str | None = None


def look(directory: Path) -> list[SpoolFileReport]:
    """Every file, the oldest first; one that can't be read is told with the reason."""
    return [_report(path) for path in spool_files(directory)]


def release_refused(directory: Path) -> int:
    """Have refused deliveries tried again: by whoever holds the file, within a quarter of a minute; return how many."""
    released = 0
    for path in spool_files(directory):
        with _opened(path) as connection:
            released += connection.execute("update delivery set refused = null where refused is not null").rowcount
    return released


def unusable(directory: Path) -> str | None:
    """Why deliveries can't be kept in a directory, which need not be there yet; None where they can."""
    place = directory
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return f"{place} is no directory"
    return None if os.access(place, os.W_OK | os.X_OK) else f"{place} can't be written to"


def _report(path: Path) -> SpoolFileReport:
    in_use, size = is_locked(path), bytes_of(path)
    try:
        with _opened(path) as connection:
            waiting, oldest = connection.execute(
                "select count(*), min(received_at) from delivery where refused is null"
            ).fetchone()
            (refused,) = connection.execute("select count(*) from delivery where refused is not null").fetchone()
            shown = connection.execute(
                "select provider, external_id, received_at, length(body), refused from delivery"
                " where refused is not null order by seq limit ?",
                (_SHOWN_AT_MOST,),
            ).fetchall()
    except sqlite3.Error as error:
        return SpoolFileReport(path, in_use, size, error=str(error))
    return SpoolFileReport(
        path,
        in_use,
        size,
        waiting,
        datetime.fromisoformat(oldest) if oldest else None,
        refused,
        tuple(
            RefusedDelivery(_text(provider), _text(name), datetime.fromisoformat(at), length, reason)
            for provider, name, at, length, reason in shown
        ),
    )


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    # Never made by looking: the web service may have removed it a moment ago.
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_SECONDS)) as connection:
        connection.execute("pragma synchronous = full")
        yield connection


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace").replace("\0", "\\0")

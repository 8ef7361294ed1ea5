"""One file of spooled deliveries: SQLite, locked by the process that uses it.

What belongs here: the file's schema, its bounds, and what is done with its rows. What does not: how a delivery looks
as a row (`spool_rows.py`), names and locks (`spool_places.py`), threads and waiting (`spool.py`), and when deliveries
go here (`inbox.py`).

A commit is on the disk when it returns (`synchronous=full`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from pilar.backplane.spool_places import SUFFIX, make_directory, plain, sync, try_lock, with_journals
from pilar.backplane.spool_rows import COLUMNS, PAGE, Arrival, Spooled, decoded, encoded, room_for
from pilar.ids import new_id

log = logging.getLogger(__name__)

SCHEMA = 1
_BUSY_SECONDS = 5.0
"""The command line may look into the file, and writes to it when refused deliveries are to be tried again."""

_TABLES = f"""
pragma page_size = {PAGE};
pragma auto_vacuum = incremental;
pragma journal_mode = wal;
begin immediate;
create table delivery (
  seq integer primary key autoincrement,
  arrived integer not null,
  provider blob not null,
  external_id blob not null,
  workspace_id text,
  headers text not null,
  body blob not null,
  received_at text not null,
  lane text not null,
  refused text,
  unique (provider, external_id)
) strict;
create index delivery_waiting on delivery (arrived, seq) where refused is null;
create index delivery_refused on delivery (seq) where refused is not null;
pragma user_version = {SCHEMA};
commit;
"""

_INSERT = (
    f"insert into delivery (arrived, {COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " on conflict (provider, external_id) do nothing"
)


_START = (-1, -1)
"""Before every row."""


class Unreadable(Exception):
    """The file is damaged, or was written by a later release."""


@dataclass(frozen=True)
class Bounds:
    """How much deliveries may take.

    Attributes:
        bytes: of all spool files of this machine together.
        rows: of one file.
    """

    bytes: int
    rows: int


@dataclass
class Held:
    """What a file holds."""

    waiting: int = 0
    refused: int = 0
    oldest: datetime | None = None
    """When the first of those that wait was received."""


class SpoolFile:
    """A file that is locked by us."""

    def __init__(self, path: Path, lock: int, connection: sqlite3.Connection) -> None:
        self.path = path
        self.bytes_elsewhere = 0
        """What other files of this machine take; counts against the bound."""
        self._lock = lock
        self._connection = connection
        self._inode = path.stat().st_ino
        self.held = Held()
        self._settled: dict[int, str | None] = {}
        """What is settled and still on the disk, which could not be written: None for what is stored elsewhere, else
        why it is refused. A process that is killed with it has it stored once more, as the same deliveries."""
        self._passed = _START
        """Where the first row lies behind which not all is settled."""
        self._catching_up = False
        self.recount()
        self._base = self._last_number()
        """What was there before comes first: the numbers of arrival of our process begin behind it."""

    @classmethod
    def create(cls, directory: Path, owner: str) -> Self:
        """A new file, and its directory where there is none."""
        make_directory(directory)
        path = directory / f"{plain(owner)}-{new_id()}{SUFFIX}"
        lock = try_lock(path)
        if lock is None:  # pragma: no cover - somebody looks at the new name just now
            path.with_suffix(".lock").unlink(missing_ok=True)
            return cls.create(directory, owner)
        try:
            made = cls(path, lock, _open(path))
            sync(directory)
        except BaseException:
            os.close(lock)
            raise
        return made

    @classmethod
    def claim(cls, path: Path) -> Self | None:
        """A file that nobody holds, or None where somebody does.

        Raises:
            Unreadable: it can't be used; it stays where it is.
        """
        lock = None
        try:
            lock = try_lock(path)
            if lock is None:
                return None
            if path.exists():
                return cls(path, lock, _open(path))
            path.with_suffix(".lock").unlink(missing_ok=True)
        except (sqlite3.Error, OSError, Unreadable) as error:
            if lock is not None:
                os.close(lock)
            raise Unreadable(f"{path}: {error}") from error
        os.close(lock)
        return None

    def begin(self) -> None:
        """Begin the transaction in which everything else happens."""
        self._catching_up = False
        self._connection.execute("begin immediate")

    def commit(self) -> None:
        """Have everything since `begin` on the disk.

        Raises:
            FileNotFoundError: somebody took the file away: what is written now would be lost.
        """
        self._stand()
        self._connection.execute("commit")
        if self._catching_up:
            self._settled.clear()
            self._passed = _START
            self.recount()

    def reopen(self) -> None:
        """Undo everything since `begin`, and go on with what is on the disk.

        Raises:
            FileNotFoundError: there is nothing on the disk.
        """
        with contextlib.suppress(sqlite3.Error):  # a connection in trouble: it is replaced
            self._connection.close()
        self._stand()
        self._connection = _open(self.path)
        self.recount()

    def append(self, arrivals: Sequence[Arrival], bounds: Bounds) -> list[bool]:
        """Keep deliveries; one that is here already stays as it is.

        Returns:
            For each whether it is kept; those that the bounds leave no room for are not.
        """
        room_bytes = bounds.bytes - self.bytes_elsewhere - self.used_bytes()
        room_rows = bounds.rows - self.held.waiting - self.held.refused
        kept = []
        for arrival in arrivals:
            row = encoded(arrival, self._base)
            size = room_for(row)
            if room_rows < 1 or room_bytes < size:
                found = self._connection.execute(
                    "select 1 from delivery where provider = ? and external_id = ?", row[1:3]
                ).fetchone()
                kept.append(found is not None)
                continue
            made = self._connection.execute(_INSERT, row)
            kept.append(True)
            room_rows, room_bytes = room_rows - made.rowcount, room_bytes - size * made.rowcount
            self._count(made.rowcount, arrival.refused)
        return kept

    def first(self, rows: int, most_bytes: int) -> list[Spooled]:
        """The next to be replayed, in order of arrival: as many as both bounds allow, and one at least."""
        found = self._behind(self._passed, rows, most_bytes)
        if not found and self._passed != _START:
            # What people have released since then lies before.
            found = self._behind(_START, rows, most_bytes)
        return found

    def _behind(self, passed: tuple[int, int], rows: int, most_bytes: int) -> list[Spooled]:
        found: list[Spooled] = []
        size = 0
        for arrived, *row in self._connection.execute(
            f"select arrived, seq, {COLUMNS} from delivery where refused is null and (arrived, seq) > (?, ?)"
            " order by arrived, seq",
            passed,
        ):
            if row[0] in self._settled:
                if not found:
                    self._passed = (arrived, row[0])
                continue
            if len(found) == rows:
                break
            one = decoded(tuple(row))
            size += one.size
            if found and size > most_bytes:
                break
            found.append(one)
        return found

    def forget(self, seqs: Sequence[int]) -> None:
        """Remove deliveries that are stored elsewhere."""
        gone = self._connection.executemany(
            "delete from delivery where seq = ? and refused is null", [(seq,) for seq in seqs]
        )
        self.held.waiting -= gone.rowcount

    def refuse(self, seq: int, reason: str) -> None:
        """Put a delivery aside."""
        aside = self._connection.execute(
            "update delivery set refused = ? where seq = ? and refused is null", (reason, seq)
        )
        self.held.waiting -= aside.rowcount
        self.held.refused += aside.rowcount

    def remember(self, stored: Sequence[int], refused: Sequence[tuple[int, str]]) -> None:
        """Settle deliveries in memory, where the disk can't be written: what comes behind them need not wait."""
        settled: dict[int, str | None] = dict.fromkeys(stored) | dict(refused)
        for seq, reason in settled.items():
            is_there = self._connection.execute(
                "select 1 from delivery where seq = ? and refused is null", (seq,)
            ).fetchone()
            if is_there and seq not in self._settled:
                self._settled[seq] = reason
                self.held.waiting -= 1
                self.held.refused += reason is not None
        self._behind(self._passed, 1, 1)  # it goes past them
        self.look_for_oldest()

    def catch_up(self) -> None:
        """Settle on the disk what was settled in memory; it is forgotten there with the next commit."""
        if self._settled:
            self.forget([seq for seq, reason in self._settled.items() if reason is None])
            for seq, reason in self._settled.items():
                if reason is not None:
                    self.refuse(seq, reason)
            self._catching_up = True

    @property
    def is_behind(self) -> bool:
        """Whether something is settled in memory alone."""
        return bool(self._settled)

    def move_from(self, other: SpoolFile, rows: int) -> int:
        """Take the first deliveries of another file over, behind our own; return how many.

        They are removed there only after our own commit: a kill between the two leaves them in both. On the disk they
        are already, so no bound is asked.
        """
        found = other._connection.execute(
            f"select seq, {COLUMNS} from delivery order by refused is not null, arrived, seq limit ?", (rows,)
        ).fetchall()
        number = max(self._last_number(), self._base)
        self.begin()
        for _, *values in found:
            made = self._connection.execute(_INSERT, (number, *values))
            self._count(made.rowcount, values[-1])
        self.commit()
        other.begin()
        other._connection.executemany("delete from delivery where seq = ?", [row[:1] for row in found])
        other.commit()
        other.shrink()
        return len(found)

    def _last_number(self) -> int:
        found = self._connection.execute("select max(arrived) from delivery where refused is null").fetchone()
        return int(found[0] or 0)

    def _stand(self) -> None:
        if self.path.stat().st_ino != self._inode:
            raise FileNotFoundError(f"{self.path} is another file now")

    def _count(self, rows: int, refused: str | None) -> None:
        if refused is None:
            self.held.waiting += rows
        else:
            self.held.refused += rows

    def recount(self) -> None:
        """Count what is in the file: another process may have marked rows."""
        waiting, refused = self._connection.execute(
            "select (select count(*) from delivery where refused is null),"
            " (select count(*) from delivery where refused is not null)"
        ).fetchone()
        aside = sum(reason is not None for reason in self._settled.values())
        self.held = Held(waiting - len(self._settled), refused + aside)
        self.look_for_oldest()

    def look_for_oldest(self) -> None:
        """Learn since when the first of those that wait does."""
        row = self._connection.execute(
            "select received_at from delivery where refused is null and (arrived, seq) > (?, ?)"
            " order by arrived, seq limit 1",
            self._passed,
        ).fetchone()
        self.held.oldest = datetime.fromisoformat(row[0]) if row and self.held.waiting else None

    def used_bytes(self) -> int:
        """What the file's pages in use take."""
        [(pages,)] = self._connection.execute("pragma page_count")
        [(free,)] = self._connection.execute("pragma freelist_count")
        [(size,)] = self._connection.execute("pragma page_size")
        return int((pages - free) * size)

    def shrink(self) -> None:
        """Give unused room back to the system."""
        # As a script: the statement gives a page back with each step, and `execute` would do one.
        self._connection.executescript("pragma incremental_vacuum")
        self._connection.execute("pragma wal_checkpoint(truncate)").fetchall()

    def close(self) -> None:
        """Let go of the file, and remove it where it is empty; the lock goes last."""
        try:
            is_empty = self._connection.execute("select not exists (select 1 from delivery)").fetchone()[0]
        except sqlite3.Error:
            is_empty = False
        try:
            self._connection.close()
            if is_empty:
                self.remove()
        finally:
            os.close(self._lock)

    def abandon(self) -> None:
        """Let go of a file that is in trouble, whatever is in it."""
        with contextlib.suppress(sqlite3.Error):  # it is in trouble
            self._connection.close()
        os.close(self._lock)

    def remove(self) -> None:
        """Delete the file with all that belongs to it."""
        for path in (*with_journals(self.path), self.path.with_suffix(".lock")):
            path.unlink(missing_ok=True)


def _open(path: Path) -> sqlite3.Connection:
    # Made by us for its mode: SQLite would let everybody read what people write to studios.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS)
    try:
        _upgrade(connection)
        connection.execute("pragma synchronous = full")
        connection.execute(f"pragma journal_size_limit = {8 * 1024 * 1024}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def _upgrade(connection: sqlite3.Connection) -> None:
    [(version,)] = connection.execute("pragma user_version")
    if version == 0:
        connection.executescript(_TABLES)
    elif version != SCHEMA:
        raise Unreadable(f"it has the schema {version}, and this release knows {SCHEMA}")

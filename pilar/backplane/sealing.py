"""The audit log's one sealer: chains hashes by position, behind the writers.

What belongs here: how far may be sealed, and sealing it in segments. What does not: what is hashed (`audit_chain.py`).

A chain that each writer extended would be one hot row for the whole fleet, so nobody but the sealer touches it. It has
to know that below a position nothing will turn up any more, and positions can't tell: a writer that took a lower one
may commit later than one that took a higher one. But whoever inserts holds a lock on the table (`RowExclusiveLock`)
from before it takes its position until its transaction has ended. So the sealer reads the highest position first and
the holders of that lock second: whoever took a position up to that one is among them, or has ended and is seen. With no
holder all of it may be sealed at once; else position and holders are kept as a mark, and sealed once these have ended,
though others write meanwhile. No writer ever waits for the sealer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, text, update

from pilar.backplane.audit_chain import COLUMNS, FIRST_POSITION, NOTHING_BEFORE, Entries, hash_entries, hash_segment
from pilar.backplane.audit_tables import audit_progress, audit_seal
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope

SEGMENT = 5_000
"""Entries in one segment at most: what one transaction reads."""

_WRITERS = text("""
select distinct virtualtransaction from pg_locks
where locktype = 'relation' and relation = 'audit_log'::regclass and mode = 'RowExclusiveLock' and granted
  and database = (select oid from pg_database where datname = current_database())
  and pid is distinct from pg_backend_pid()
""")

_FIELDS = {
    "details": "details::text",
    "recorded_at": "extract(epoch from recorded_at)::text",
    "actor": "actor",
    "action": "action",
    "subject": "subject",
}
_ENTRIES = f"""
select position, {", ".join(f"{_FIELDS.get(name, f'{name}::text')} as field_{name}" for name in COLUMNS)}
from audit_log where position between :from_position and :to_position order by position
"""


@dataclass(frozen=True)
class Sealed:
    """What one sealing did.

    Attributes:
        segments: how many were made.
        entries: how many these hold.
        to_position: how far the log is sealed now; None: nothing is.
        hash: of the newest segment, in hexadecimal. Kept elsewhere, it proves that the chain was not made anew.
        is_elsewhere: somebody else was sealing; nothing was done.
    """

    segments: int
    entries: int
    to_position: int | None
    hash: str | None
    is_elsewhere: bool = False


def seal(database: Database, clocks: Clocks, *, size: int = SEGMENT, deadline: datetime | None = None) -> Sealed:
    """Seal what may be sealed, one segment per transaction: a kill loses the one under way and nothing else.

    Args:
        database: where the log is.
        clocks: real time is when a segment was sealed.
        size: how many entries a segment holds at most.
        deadline: when to begin no further segment (real time).

    Raises:
        Transient: the database is away.
    """
    segments = entries = 0
    last: Row[Any] | None = None
    while True:
        with database.transaction(Scope.fleet()) as connection:
            progress = connection.execute(
                select(audit_progress).with_for_update(skip_locked=True, of=audit_progress)
            ).one_or_none()
            if progress is None:
                return Sealed(segments, entries, _to(last), _hash(last), is_elsewhere=True)
            last = _last_seal(connection)
            limit = _limit(connection, progress)
            count = _seal_next(connection, last, limit, size, clocks.real.now()) if limit is not None else 0
            last = _last_seal(connection)
        segments += count > 0
        entries += count
        if count < size or (deadline is not None and clocks.real.now() >= deadline):
            return Sealed(segments, entries, _to(last), _hash(last))


def read_entries(connection: Connection, from_position: int, to_position: int, *, limit: int | None = None) -> Entries:
    """The entries between two positions, both included, hashed."""
    bounded = _ENTRIES if limit is None else f"{_ENTRIES} limit :limit"
    values = {"from_position": from_position, "to_position": to_position}
    rows = connection.execute(text(bounded), values if limit is None else {**values, "limit": limit}).all()
    return hash_entries([(row[0], row[1:]) for row in rows])


def _limit(connection: Connection, progress: Row[Any]) -> int | None:
    """The position up to which nothing will turn up any more; None where that can't be told yet."""
    limit: int | None = None
    if progress.marked_position is not None:
        if _writers(connection) & set(progress.marked_writers):
            return None
        limit = progress.marked_position
    highest = connection.execute(text("select max(position) from audit_log")).scalar()
    writers = _writers(connection) if highest is not None else set()
    mark = (highest, sorted(writers)) if writers else (None, None)
    connection.execute(update(audit_progress).values(marked_position=mark[0], marked_writers=mark[1]))
    return limit if writers else highest


def _writers(connection: Connection) -> set[str]:
    return set(connection.execute(_WRITERS).scalars())


def _seal_next(connection: Connection, last: Row[Any] | None, limit: int, size: int, now: datetime) -> int:
    """Seal the next segment up to a position; return how many entries it holds, 0 where there is none to seal."""
    from_position = last.to_position + 1 if last is not None else FIRST_POSITION
    found = read_entries(connection, from_position, limit, limit=size)
    count = len(found.hashes)
    if count == 0:
        return 0
    numbers = {
        "segment": last.segment + 1 if last is not None else 1,
        "from_position": from_position,
        "to_position": max(found.hashes) if count == size else limit,
        "entries": count,
    }
    content = found.content
    sealed_at = connection.execute(text("select extract(epoch from cast(:now as timestamptz))::text"), {"now": now})
    connection.execute(
        insert(audit_seal).values(
            **numbers,
            content=content,
            digests=found.digests,
            hash=hash_segment(
                last.hash if last is not None else NOTHING_BEFORE,
                **numbers,
                sealed_at=sealed_at.scalar_one(),
                content=content,
            ),
            sealed_at=now,
        )
    )
    return count


def _last_seal(connection: Connection) -> Any:
    columns = (audit_seal.c.segment, audit_seal.c.to_position, audit_seal.c.hash)
    return connection.execute(select(*columns).order_by(audit_seal.c.segment.desc()).limit(1)).one_or_none()


def _to(last: Row[Any] | None) -> int | None:
    return int(last.to_position) if last is not None else None


def _hash(last: Row[Any] | None) -> str | None:
    return bytes(last.hash).hex() if last is not None else None

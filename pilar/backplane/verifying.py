"""Whether the audit log is still what was sealed. What belongs here: going over the chain, and naming where it breaks.

What the chain can't show by itself is that somebody who owns the database made the whole of it anew. So the hash that
was verified last is remembered, `pilar audit verify` prints the newest one to be kept elsewhere, and Dagster keeps each
run's in a database of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select, text, update

from pilar.backplane.audit_chain import FIRST_POSITION, NOTHING_BEFORE, first_difference, hash_segment
from pilar.backplane.audit_tables import audit_progress, audit_seal
from pilar.backplane.sealing import read_entries
from pilar.backplane.tables import audit_log
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope

AT_ONCE = 200
"""Segments that one incremental verification goes over at most."""
PAGE = 50
KEPT_AT_LEAST = timedelta(days=365)
"""Entries that are said to be past their time before this are missing."""

_SEALS = text("""
select segment, from_position, to_position, entries, content, digests, hash,
       extract(epoch from sealed_at)::text as sealed, forgotten_at is not null as is_forgotten,
       forgotten_at >= sealed_at + :kept and forgotten_at <= :now as is_due
from audit_seal where segment >= :first order by segment limit :limit
""")


@dataclass(frozen=True)
class Broken:
    """Where the chain breaks first."""

    segment: int
    position: int
    what: str


@dataclass(frozen=True)
class Verified:
    """What a verification found.

    Attributes:
        segments: how many it went over.
        entries: how many these hold, without those that are past their time.
        sealed_to: how far the log is sealed; None: nothing is.
        hash: of the newest segment that it went over, in hexadecimal.
        unsealed: entries behind the seal's end, which are still to be sealed.
        broken: where the chain breaks first; None: it holds.
    """

    segments: int
    entries: int
    sealed_to: int | None
    hash: str | None
    unsealed: int
    broken: Broken | None


class _Break(Exception):
    def __init__(self, segment: int, position: int, what: str) -> None:
        super().__init__(what)
        self.broken = Broken(segment, position, what)


def verify(connection: Connection, now: datetime) -> Verified:
    """Go over the whole chain. Needs the fleet's scope; `now` is real time."""
    return _verify(connection, now, first=1, limit=None)


def verify_new(database: Database, clocks: Clocks, *, limit: int = AT_ONCE) -> Verified:
    """Go over the segments since the last one that was found whole, that one included, and remember how far.

    Raises:
        Transient: the database is away.
    """
    now = clocks.real.now()
    with database.transaction(Scope.fleet()) as connection:
        progress = connection.execute(select(audit_progress).with_for_update()).one()
        found = _verify(connection, now, first=max(progress.verified_segment, 1), limit=limit)
        if found.broken is None and found.segments:
            reached = max(progress.verified_segment, 1) + found.segments - 1
            values = {"verified_segment": reached, "verified_hash": bytes.fromhex(found.hash or ""), "verified_at": now}
            connection.execute(update(audit_progress).values(values))
    return found


def has_hash(connection: Connection, wanted: bytes) -> bool:
    """Whether a segment's hash that was shown before is in the chain; say nothing of whether the chain holds."""
    found = connection.execute(select(audit_seal.c.segment).where(audit_seal.c.hash == wanted)).first()
    return found is not None


def oldest_unsealed(connection: Connection) -> datetime | None:
    """When the oldest entry was recorded that is not sealed yet (real time)."""
    ends = select(func.coalesce(func.max(audit_seal.c.to_position), FIRST_POSITION)).scalar_subquery()
    query = select(audit_log.c.recorded_at).where(audit_log.c.position > ends).order_by(audit_log.c.position).limit(1)
    return connection.execute(query).scalar()


def _verify(connection: Connection, now: datetime, *, first: int, limit: int | None) -> Verified:
    segments = entries = 0
    known = connection.execute(select(audit_progress)).one()
    last = _seal_before(connection, first)
    hash_: str | None = None
    broken: Broken | None = None
    try:
        for seal in _seals(connection, now, first, limit):
            entries += _check(connection, seal, last, known)
            segments += 1
            last, hash_ = seal, bytes(seal.hash).hex()
        if limit is None or segments < limit:
            _check_end(last, known)
    except _Break as error:
        broken = error.broken
    ends = connection.execute(select(func.max(audit_seal.c.to_position))).scalar()
    after = audit_log.c.position > (ends if ends is not None else FIRST_POSITION)
    return Verified(
        segments=segments,
        entries=entries,
        sealed_to=ends,
        hash=hash_,
        unsealed=connection.execute(select(func.count()).select_from(audit_log).where(after)).scalar_one(),
        broken=broken,
    )


def _seals(connection: Connection, now: datetime, first: int, limit: int | None) -> Iterator[Row[Any]]:
    """The seals from a segment on, a page at a time: their digests are many."""
    while limit is None or limit > 0:
        wanted = PAGE if limit is None else min(PAGE, limit)
        values = {"first": first, "limit": wanted, "kept": KEPT_AT_LEAST, "now": now}
        page = connection.execute(_SEALS, values).all()
        yield from page
        if len(page) < wanted:
            return
        first = page[-1].segment + 1
        limit = None if limit is None else limit - wanted


def _seal_before(connection: Connection, segment: int) -> Any:
    columns = (audit_seal.c.segment, audit_seal.c.to_position, audit_seal.c.hash)
    return connection.execute(select(*columns).filter_by(segment=segment - 1)).one_or_none()


def _check_end(last: Row[Any] | None, known: Row[Any]) -> None:
    """The newest seals can be taken away without a gap: what was verified before must still be there."""
    segment, position = (last.segment, last.to_position + 1) if last is not None else (0, FIRST_POSITION)
    if segment < known.verified_segment:
        raise _Break(segment + 1, position, "the seal is missing")


def _check(connection: Connection, seal: Row[Any], before: Row[Any] | None, known: Row[Any]) -> int:
    """Compare a segment with its entries and with the one before it; return how many entries it holds."""
    follows = (before.segment + 1, before.to_position + 1) if before is not None else (1, FIRST_POSITION)
    if seal.segment != follows[0]:
        raise _Break(follows[0], follows[1], "the seal is missing")
    found = read_entries(connection, seal.from_position, seal.to_position)
    is_forgotten = seal.is_forgotten or _was_just_forgotten(connection, seal.segment)
    if not is_forgotten and (difference := first_difference(bytes(seal.digests), found)):
        raise _Break(seal.segment, difference.position, difference.what)
    if is_forgotten and found.hashes:
        raise _Break(seal.segment, min(found.hashes), "inserted")
    if seal.is_forgotten and not seal.is_due:
        raise _Break(seal.segment, seal.from_position, "deleted before its time")
    content = bytes(seal.content) if is_forgotten else found.content
    expected = hash_segment(
        bytes(before.hash) if before is not None else NOTHING_BEFORE,
        segment=seal.segment,
        from_position=seal.from_position,
        to_position=seal.to_position,
        entries=seal.entries,
        sealed_at=seal.sealed,
        content=content,
    )
    if (seal.from_position, bytes(seal.hash), bytes(seal.content)) != (follows[1], expected, content):
        raise _Break(seal.segment, follows[1], "the seal was changed")
    if seal.segment == known.verified_segment and bytes(seal.hash) != bytes(known.verified_hash):
        raise _Break(seal.segment, follows[1], "the seal was made anew since it was last verified")
    return len(found.hashes)


def _was_just_forgotten(connection: Connection, segment: int) -> bool:
    """Whether its entries went while this verification was under way."""
    query = select(audit_seal.c.forgotten_at.is_not(None)).filter_by(segment=segment)
    return bool(connection.execute(query).scalar())

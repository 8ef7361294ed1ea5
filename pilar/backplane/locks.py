"""Locks across processes: one row per key, with an expiry and a fencing token.

What belongs here: acquiring, renewing, releasing. A lock's token grows with each holder; what a holder writes
elsewhere can carry it, so that one who slept past its expiry is refused there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, delete, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pilar.backplane.queue_tables import fencing_token
from pilar.backplane.tables import distributed_lock


@dataclass(frozen=True)
class Lock:
    """A lock that is held."""

    key: str
    holder: str
    fencing_token: int
    expires_at: datetime


def acquire(
    connection: Connection,
    key: str,
    holder: str,
    *,
    ttl: timedelta,
    now: datetime,
    workspace_id: UUID | None = None,
) -> Lock | None:
    """Take a lock unless somebody holds it (then None), the same holder included.

    Args:
        connection: the caller's transaction; the lock is held from its commit on.
        key: what is locked.
        holder: who takes it.
        ttl: how long it is held unless renewed.
        now: real time.
        workspace_id: the studio it is for, if any.
    """
    values = {
        "workspace_id": workspace_id,
        "holder": holder,
        "fencing_token": fencing_token.next_value(),
        "expires_at": now + ttl,
    }
    statement = (
        upsert(distributed_lock)
        .values(key=key, **values)
        .on_conflict_do_update(
            constraint=distributed_lock.primary_key, set_=values, where=distributed_lock.c.expires_at <= now
        )
        .returning(distributed_lock.c.fencing_token)
    )
    token = connection.execute(statement).scalar()
    return Lock(key, holder, token, now + ttl) if token is not None else None


def renew(connection: Connection, lock: Lock, *, ttl: timedelta, now: datetime) -> Lock | None:
    """Hold a lock for longer; None where it was lost meanwhile."""
    renewed = connection.execute(
        update(distributed_lock)
        .where(*_is_held(lock), distributed_lock.c.expires_at > now)
        .values(expires_at=now + ttl)
    )
    return Lock(lock.key, lock.holder, lock.fencing_token, now + ttl) if renewed.rowcount else None


def release(connection: Connection, lock: Lock) -> bool:
    """Give a lock back; False where it was not this holder's any more."""
    return connection.execute(delete(distributed_lock).where(*_is_held(lock))).rowcount == 1


def remove_expired(connection: Connection, now: datetime) -> int:
    """Delete locks that nobody holds any more; return how many."""
    return connection.execute(delete(distributed_lock).where(distributed_lock.c.expires_at <= now)).rowcount


def _is_held(lock: Lock) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return distributed_lock.c.key == lock.key, distributed_lock.c.fencing_token == lock.fencing_token

"""Locks across processes: one row per key, with an expiry and a fencing token; the database alone says who holds one.

What belongs here: taking, renewing and giving back, as rows, and the keeper that asks Redis first where there is one.
What does not: how Redis is spoken to (`redis_locks.py`).

A key is the studio's own: two studios, or a studio and the fleet, may use the same one and never meet. A lock's token
grows with each holder; what a holder writes elsewhere can carry it, so that one who slept past its expiry is refused
there. `docs/adr/0013-locks.md` says why Redis can cost a lock nothing but time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, delete, event, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pilar.backplane.queue_tables import fencing_token
from pilar.backplane.tables import distributed_lock
from pilar.clocks import Clock
from pilar.errors import NotFound
from pilar.ids import FLEET, new_id

GONE = "There is no such lock, or it has expired."


@dataclass(frozen=True)
class Lock:
    """A lock that is held.

    Attributes:
        key: what is locked, in the studio's names or the fleet's.
        holder: who holds it.
        fencing_token: higher than that of whoever held it before.
        expires_at: real time; held until then unless renewed.
        id: of this holding, public; the next holder's is another.
        workspace_id: the studio whose key it is; None: the fleet.
    """

    key: str
    holder: str
    fencing_token: int
    expires_at: datetime
    id: UUID
    workspace_id: UUID | None


def acquire(
    connection: Connection,
    key: str,
    holder: str,
    *,
    ttl: timedelta,
    now: datetime,
    workspace_id: UUID | None = None,
    lock_id: UUID | None = None,
) -> Lock | None:
    """Take a lock unless somebody holds it (then None), the same holder included.

    Args:
        connection: the caller's transaction; the lock is held from its commit on.
        key: what is locked.
        holder: who takes it.
        ttl: how long it is held unless renewed.
        now: real time.
        workspace_id: the studio whose key it is; None: the fleet's.
        lock_id: the holding's id; None: a new one.
    """
    values = {
        "id": lock_id or new_id(),
        "workspace_id": workspace_id,
        "holder": holder,
        "fencing_token": fencing_token.next_value(),
        "expires_at": now + ttl,
    }
    statement = upsert(distributed_lock).values(key=key, **values)
    taken = connection.execute(
        statement.on_conflict_do_update(
            constraint=distributed_lock.primary_key, set_=values, where=distributed_lock.c.expires_at <= now
        )
    )
    if not taken.rowcount:
        return None
    # The token is drawn now that the row is ours. The one above may be old: the insert may have waited for holders who
    # drew theirs later and are gone already, and tokens that don't grow fence nobody off.
    drawn = (
        update(distributed_lock)
        .where(distributed_lock.c.id == values["id"])
        .values(fencing_token=fencing_token.next_value())
        .returning(distributed_lock)
    )
    return _lock(connection.execute(drawn).one())


def renew(connection: Connection, lock: Lock, *, ttl: timedelta, now: datetime) -> Lock | None:
    """Hold a lock for longer; None where it was lost meanwhile."""
    renewed = connection.execute(
        update(distributed_lock)
        .where(*_is_held(lock), distributed_lock.c.expires_at > now)
        .values(expires_at=now + ttl)
    )
    return replace(lock, expires_at=now + ttl) if renewed.rowcount else None


def release(connection: Connection, lock: Lock) -> bool:
    """Give a lock back; False where it was not this holder's any more."""
    return connection.execute(delete(distributed_lock).where(*_is_held(lock))).rowcount == 1


def find(connection: Connection, lock_id: UUID, now: datetime) -> Lock:
    """The lock by its public id, as far as the transaction's scope sees it.

    Raises:
        NotFound: nobody holds it any more, or it is another studio's.
    """
    query = select(distributed_lock).where(distributed_lock.c.id == lock_id, distributed_lock.c.expires_at > now)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(GONE)
    return _lock(row)


def held_until(connection: Connection, key: str, workspace_id: UUID | None, now: datetime) -> datetime | None:
    """When a lock ends unless it is renewed; None where nobody holds it."""
    table = distributed_lock.c
    query = select(table.expires_at).where(
        table.namespace == (workspace_id or FLEET), table.key == key, table.expires_at > now
    )
    return connection.execute(query).scalar()


def remove_expired(connection: Connection, now: datetime) -> int:
    """Delete locks that nobody holds any more; return how many."""
    return connection.execute(delete(distributed_lock).where(distributed_lock.c.expires_at <= now)).rowcount


class Said(Enum):
    """What the front says of a key."""

    TAKEN = "it was free and is ours now"
    HELD = "somebody holds it"
    NOTHING = "it can't be asked"


class Front(Protocol):
    """Stands before the database and refuses cheaply. It may forget, lag and go away; it must not raise."""

    def take(self, name: str, lock_id: UUID, until: datetime) -> Said:
        """Note a holding unless there is one."""
        ...

    def extend(self, name: str, lock_id: UUID, until: datetime) -> None:
        """Note that a holding lasts longer, unless another one is noted."""
        ...

    def give_back(self, name: str, lock_id: UUID) -> None:
        """Forget a holding, and no other."""
        ...

    def close(self) -> None:
        """Give connections back."""
        ...


class LockKeeper:
    """Takes, renews and gives back locks: Redis says the quick no, the database the yes. Safe to share by threads."""

    def __init__(self, clock: Clock, front: Front | None = None) -> None:
        """Take real time, and who refuses before the database is asked; None: nobody."""
        self._clock = clock
        self._front = front

    def acquire(
        self, connection: Connection, key: str, holder: str, *, ttl: timedelta, workspace_id: UUID | None = None
    ) -> Lock | None:
        """Take a lock unless somebody holds it (then None), the same holder included.

        Args:
            connection: the caller's transaction; the lock is held from its commit on.
            key: what is locked.
            holder: who takes it.
            ttl: how long it is held unless renewed.
            workspace_id: the studio whose key it is; None: the fleet's.
        """
        now, lock_id = self._clock.now(), new_id()
        front, name = self._front, _name(key, workspace_id)
        if front is None:
            return acquire(connection, key, holder, ttl=ttl, now=now, workspace_id=workspace_id, lock_id=lock_id)
        if front.take(name, lock_id, now + ttl) is Said.HELD:
            return None

        def undo() -> None:
            front.give_back(name, lock_id)

        # Before the row: what fails in between rolls back as well. A process that dies here leaves the key to its
        # expiry, which is the one that the lock would have had.
        _on_rollback(connection, undo)
        lock = acquire(connection, key, holder, ttl=ttl, now=now, workspace_id=workspace_id, lock_id=lock_id)
        if lock is None:
            undo()
        return lock

    def renew(self, connection: Connection, lock: Lock, *, ttl: timedelta) -> Lock | None:
        """Hold a lock for longer; None where it was lost meanwhile."""
        renewed = renew(connection, lock, ttl=ttl, now=self._clock.now())
        if self._front is not None:
            name = _name(lock.key, lock.workspace_id)
            if renewed is None:
                self._front.give_back(name, lock.id)
            else:
                self._front.extend(name, lock.id, renewed.expires_at)
        return renewed

    def release(self, connection: Connection, lock: Lock) -> bool:
        """Give a lock back; False where it was not this holder's any more."""
        released = release(connection, lock)
        if self._front is not None:
            # Before the commit: until then the row refuses, and should there be none, it goes on doing so.
            self._front.give_back(_name(lock.key, lock.workspace_id), lock.id)
        return released

    def find(self, connection: Connection, lock_id: UUID) -> Lock:
        """The lock by its public id, as far as the transaction's scope sees it; raise `NotFound` as `find` does."""
        return find(connection, lock_id, self._clock.now())

    def close(self) -> None:
        """Give connections back."""
        if self._front is not None:
            self._front.close()


def _on_rollback(connection: Connection, undo: Callable[[], None]) -> None:
    """Have something undone that a rollback does not reach; doing it too often must do no harm."""

    def rolled_back(*_: Any) -> None:
        undo()

    for name in ("rollback", "rollback_savepoint"):
        event.listen(connection, name, rolled_back)


def _name(key: str, workspace_id: UUID | None) -> str:
    """The key outside the database, where there are no columns; the first part has a fixed length."""
    return f"{workspace_id or FLEET}:{key}"


def _is_held(lock: Lock) -> tuple[ColumnElement[bool], ...]:
    return (
        distributed_lock.c.namespace == (lock.workspace_id or FLEET),
        distributed_lock.c.key == lock.key,
        distributed_lock.c.fencing_token == lock.fencing_token,
    )


def _lock(row: Row[Any]) -> Lock:
    return Lock(row.key, row.holder, row.fencing_token, row.expires_at, row.id, row.workspace_id)

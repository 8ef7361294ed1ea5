"""One at a time: advancing a job and taking it back exclude each other. What belongs here: the lock on a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from pilar.backplane.handlers import Snooze, Work
from pilar.backplane.locks import LockKeeper
from pilar.database.engine import Database, Scope

_BUSY_RETRY = timedelta(seconds=1)


@contextmanager
def job_lock(
    database: Database, locks: LockKeeper, job_id: UUID, work: Work[Any], ttl: timedelta
) -> Iterator[Callable[[], None]]:
    """Hold a provisioning job for a piece of work, until the block ends; what is given renews the lock.

    Args:
        database: where the lock is.
        locks: its keeper.
        job_id: the job.
        work: who holds it.
        ttl: how long the job stays locked when its worker dies (real time).

    Raises:
        Snooze: somebody else is at work on the job, or has taken it over since.
    """
    with database.transaction(Scope.fleet()) as connection:
        lock = locks.acquire(
            connection,
            f"provisioning:{job_id}",
            f"work:{work.position}:{work.fencing_token}",
            ttl=ttl,
            workspace_id=work.workspace_id,
        )
    if lock is None:
        raise Snooze(_BUSY_RETRY)
    held = lock

    def renew() -> None:
        nonlocal held
        with database.transaction(Scope.fleet()) as connection:
            renewed = locks.renew(connection, held, ttl=ttl)
        if renewed is None:
            raise Snooze(_BUSY_RETRY)
        held = renewed

    try:
        yield renew
    finally:
        with database.transaction(Scope.fleet()) as connection:
            locks.release(connection, held)

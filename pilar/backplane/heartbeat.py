"""Which workers are alive. What belongs here: the heartbeat that Dagster's sensors go by."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from pilar.backplane.queue_tables import worker_heartbeat

LIVE_FOR = timedelta(seconds=10)
"""A worker that has not been seen for so long is not counted on."""


def beat(connection: Connection, worker: str, now: datetime) -> None:
    """Say that a worker is alive (real time)."""
    statement = upsert(worker_heartbeat).values(worker=worker, started_at=now, seen_at=now)
    connection.execute(statement.on_conflict_do_update(constraint=worker_heartbeat.primary_key, set_={"seen_at": now}))


def leave(connection: Connection, worker: str) -> None:
    """Say that a worker has stopped."""
    connection.execute(delete(worker_heartbeat).filter_by(worker=worker))


def live_workers(connection: Connection, now: datetime) -> int:
    """How many workers are alive."""
    alive = worker_heartbeat.c.seen_at > now - LIVE_FOR
    return int(connection.execute(select(func.count()).select_from(worker_heartbeat).where(alive)).scalar_one())


def forget_dead(connection: Connection, now: datetime) -> int:
    """Delete heartbeats of workers that died a day ago or earlier; return how many."""
    old = worker_heartbeat.c.seen_at < now - timedelta(days=1)
    return connection.execute(delete(worker_heartbeat).where(old)).rowcount

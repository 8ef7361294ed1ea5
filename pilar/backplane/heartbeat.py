"""Which workers are alive, and what each knows of providers. What belongs here: the heartbeat.

What does not: the breakers themselves, a process's own (`breakers.py`); a heartbeat has a picture of them, for
people, and nobody decides by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from pilar.backplane.breakers import Seen, State
from pilar.backplane.queue_tables import worker_heartbeat

LIVE_FOR = timedelta(seconds=10)
"""A worker that has not been seen for so long is not counted on."""


@dataclass(frozen=True)
class LiveWorker:
    """A worker that is alive.

    Attributes:
        name: host, process and a few letters.
        started_at: real time.
        seen_at: its last heartbeat.
        breakers: what it knew of providers then; those that it has not called are not among them.
    """

    name: str
    started_at: datetime
    seen_at: datetime
    breakers: tuple[Seen, ...]


def beat(connection: Connection, worker: str, now: datetime, breakers: Sequence[Seen] = ()) -> None:
    """Say that a worker is alive (real time), and what it knows of providers."""
    told = {"seen_at": now, "breakers": [_written(one) for one in breakers]}
    statement = upsert(worker_heartbeat).values(worker=worker, started_at=now, **told)
    connection.execute(statement.on_conflict_do_update(constraint=worker_heartbeat.primary_key, set_=told))


def leave(connection: Connection, worker: str) -> None:
    """Say that a worker has stopped."""
    connection.execute(delete(worker_heartbeat).filter_by(worker=worker))


def live_workers(connection: Connection, now: datetime) -> int:
    """How many workers are alive."""
    alive = worker_heartbeat.c.seen_at > now - LIVE_FOR
    return int(connection.execute(select(func.count()).select_from(worker_heartbeat).where(alive)).scalar_one())


def list_live(connection: Connection, now: datetime) -> list[LiveWorker]:
    """The workers that are alive, by name."""
    alive = worker_heartbeat.c.seen_at > now - LIVE_FOR
    rows = connection.execute(select(worker_heartbeat).where(alive).order_by(worker_heartbeat.c.worker))
    return [
        LiveWorker(row.worker, row.started_at, row.seen_at, tuple(_read(one) for one in row.breakers or ()))
        for row in rows
    ]


def forget_dead(connection: Connection, now: datetime) -> int:
    """Delete heartbeats of workers that died a day ago or earlier; return how many."""
    old = worker_heartbeat.c.seen_at < now - timedelta(days=1)
    return connection.execute(delete(worker_heartbeat).where(old)).rowcount


def _written(breaker: Seen) -> dict[str, Any]:
    return {
        "name": breaker.name,
        "state": breaker.state.value,
        "failures": breaker.failures,
        "since": breaker.since.isoformat() if breaker.since else None,
        "retry_at": breaker.retry_at.isoformat() if breaker.retry_at else None,
    }


def _read(told: Mapping[str, Any]) -> Seen:
    since, retry_at = told["since"], told["retry_at"]
    return Seen(
        told["name"],
        State(told["state"]),
        told["failures"],
        datetime.fromisoformat(since) if since else None,
        datetime.fromisoformat(retry_at) if retry_at else None,
    )

"""The inbox: each webhook delivery is durable before it is answered.

What belongs here: the door's group-committing writer and reading a delivery back. What does not: HTTP, signatures,
and what a delivery means.

The writer is the one async piece of `pilar`. It has no timer: each of its lanes takes all that is buffered (at most
`BATCH`), inserts it in one commit, tells who waits, and takes what has come meanwhile. Under load the commits
grow; with one delivery there is one commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from pilar.backplane.facts import Lane
from pilar.database.engine import WAKE_CHANNEL
from pilar.errors import Transient
from pilar.ids import FLEET, new_id

log = logging.getLogger(__name__)

BATCH = 500
LANES = 2
BUFFERED_AT_MOST = 10_000
MAX_ATTEMPTS = 12
STOPPING = "The web service is stopping."

_INSERT: LiteralString = """
with input as materialized (
  select nextval('fact_position') as position, o.* from (
    select * from unnest(%(id)b::uuid[], %(provider)b::text[], %(external_id)b::text[], %(workspace_id)b::uuid[],
                         %(headers)b::jsonb[], %(body)b::bytea[], %(received_at)b::timestamptz[],
                         %(lane)b::text[])
                  as x(id, provider, external_id, workspace_id, headers, body, received_at, lane)
    order by provider, external_id
  ) o
), fresh as (
  insert into inbox (position, id, provider, external_id, workspace_id, headers, body, received_at)
  select position, id, provider, external_id, workspace_id, headers, body, received_at from input
  on conflict (provider, external_id) do nothing returning position
)
insert into queue (position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts, due_at)
select position, '', 1, coalesce(workspace_id, %(fleet)s), provider, lane, 50, 0, %(max_attempts)s, received_at
from input join fresh using (position)
"""


@dataclass(frozen=True)
class NewDelivery:
    """A verified delivery.

    Attributes:
        provider: who sent it.
        external_id: the provider's id for it; the same id is the same delivery.
        headers: those that the handler needs, without secrets.
        body: the body, byte by byte.
        lane: the queue's; what nobody waits for has another than what somebody does.
    """

    provider: str
    external_id: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    workspace_id: UUID | None = None
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    lane: Lane = Lane.INBOX


class InboxWriter:
    """Writes deliveries for one process of the web service."""

    def __init__(self, url: str, *, lanes: int = LANES) -> None:
        """Take the database's URL; `start` connects."""
        self._url = url
        self._lanes = lanes
        self._buffer: deque[tuple[NewDelivery, asyncio.Future[None]]] = deque()
        self._arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the lanes, in the running event loop."""
        self._tasks = [asyncio.create_task(self._lane(), name=f"inbox-{number}") for number in range(self._lanes)]

    async def stop(self) -> None:
        """Stop the lanes; who still waits is told that the delivery was not taken."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        _fail(list(self._buffer), STOPPING)
        self._buffer.clear()

    async def put(self, delivery: NewDelivery) -> None:
        """Return when the delivery is durable, or was before.

        Raises:
            Transient: it could not be stored; the provider has to send it again.
        """
        if len(self._buffer) >= BUFFERED_AT_MOST:
            raise Transient("Too many deliveries at once.")
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer.append((delivery, waiter))
        self._arrived.set()
        await waiter

    async def _lane(self) -> None:
        connection: psycopg.AsyncConnection[Any] | None = None
        try:
            while True:
                while not self._buffer:
                    self._arrived.clear()
                    await self._arrived.wait()
                taken = [self._buffer.popleft() for _ in range(min(len(self._buffer), BATCH))]
                try:
                    if connection is None or connection.closed:
                        connection = await self._connect()
                    await connection.execute(_INSERT, _columns([delivery for delivery, _ in taken]))
                except psycopg.Error as error:
                    log.warning("%d deliveries could not be stored: %s", len(taken), error)
                    _fail(taken, "The database can't be reached; send it again.")
                    if connection is not None:
                        await connection.close()
                except asyncio.CancelledError:
                    _fail(taken, STOPPING)
                    raise
                else:
                    for _, waiter in taken:
                        if not waiter.done():
                            waiter.set_result(None)
                    # After the commit: in the transaction a notification makes all commits wait for each other.
                    # Should it be lost, the workers look for themselves a second later.
                    with contextlib.suppress(psycopg.Error):
                        await connection.execute("select pg_notify(%s, '')", (WAKE_CHANNEL,))
        finally:
            if connection is not None:
                await connection.close()

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        connection = await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, connect_timeout=5, application_name="pilar inbox"
        )
        await connection.execute("set role pilar_system")
        return connection


def _columns(batch: Sequence[NewDelivery]) -> dict[str, Any]:
    return {
        "id": [new_id() for _ in batch],
        "provider": [delivery.provider for delivery in batch],
        "external_id": [delivery.external_id for delivery in batch],
        "workspace_id": [delivery.workspace_id for delivery in batch],
        "headers": [Jsonb(dict(delivery.headers)) for delivery in batch],
        "body": [delivery.body for delivery in batch],
        "received_at": [delivery.received_at for delivery in batch],
        "fleet": FLEET,
        "lane": [delivery.lane.value for delivery in batch],
        "max_attempts": MAX_ATTEMPTS,
    }


def _fail(waiting: Sequence[tuple[NewDelivery, asyncio.Future[None]]], reason: str) -> None:
    for _, waiter in waiting:
        if not waiter.done():
            waiter.set_exception(Transient(reason))

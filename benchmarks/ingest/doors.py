"""The services that ours is measured beside: `uvicorn --factory benchmarks.ingest.doors:NAME`.

What belongs here: the same door with another way of keeping, or with none. All are served by the same uvicorn with the
same options as ours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from benchmarks.ingest.deliveries import STRIPE_PATH, WHATSAPP_PATH
from pilar.app import build_app
from pilar.backplane.deliveries import NewDelivery
from pilar.ids import FLEET, new_id
from pilar.settings import Settings
from webhook_ingest.app import build_entrance
from webhook_ingest.logs import configure_logging
from webhook_ingest.shell import Shell

POOL = 16
"""Connections of each process. More of them are no quicker on two cores."""

_INSERT = """
with fresh as (
  insert into inbox (position, id, provider, external_id, workspace_id, headers, body, received_at)
  values (nextval('fact_position'), %s, %s, %s, %s, %s, %s, %s)
  on conflict (provider, external_id) do nothing returning position
)
insert into queue (position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts, due_at)
select position, '', 1, %s, %s, %s, 50, 0, 12, %s from fresh
"""


class CommitEach:
    """Keeps each delivery with an insert and a commit of its own, on a connection of a pool.

    As anybody would write it, a transaction is begun, the row inserted, the transaction committed. Where the statement
    is its own transaction the three journeys to the server are one: the least that a commit each can cost.
    """

    def __init__(self, url: str, *, autocommit: bool = False) -> None:
        async def set_up(connection: AsyncConnection[Any]) -> None:
            await connection.set_autocommit(True)
            await connection.execute("set role pilar_system")
            await connection.set_autocommit(autocommit)

        self._pool = AsyncConnectionPool(url, min_size=POOL, max_size=POOL, open=False, configure=set_up, timeout=60)

    async def start(self) -> None:
        """Connect."""
        await self._pool.open(wait=True)

    async def stop(self) -> None:
        """Let go of the connections."""
        await self._pool.close()

    async def put(self, one: NewDelivery) -> None:
        """Return when the delivery is durable, or was before."""
        of, at = one.workspace_id or FLEET, one.received_at
        values = (
            *(new_id(), one.provider, one.external_id, one.workspace_id, Jsonb(dict(one.headers)), one.body, at),
            *(of, one.provider, one.lane.value, at),
        )
        async with self._pool.connection() as connection:
            await connection.execute(_INSERT, values)


class KeepNothing:
    """Says of each delivery that it is kept: what reading and verifying cost."""

    async def start(self) -> None:
        """There is nothing to start."""

    async def stop(self) -> None:
        """There is nothing to stop."""

    async def put(self, _delivery: NewDelivery) -> None:
        """Return at once."""


def commit_each() -> ASGIApp:
    """Our door, with one commit per delivery."""
    return _door(CommitEach)


def statement_each() -> ASGIApp:
    """Our door, with one statement per delivery that is a transaction by itself."""
    return _door(partial(CommitEach, autocommit=True))


def verified() -> ASGIApp:
    """Our door without a database: read, verified, answered."""
    return _door(lambda _: KeepNothing())


def bare() -> ASGIApp:
    """The HTTP stack alone: the body is read and answered, nothing is verified, kept or logged."""
    return _with_life(_read_and_answer, _nothing, _nothing)


def _door(keeper: Callable[[str], Any]) -> ASGIApp:
    configure_logging()
    pilar = build_app(Settings())
    writer = keeper(pilar.database.url)
    entrance = build_entrance(pilar, writer)
    shell = Shell(_read_and_answer, {STRIPE_PATH: entrance, WHATSAPP_PATH: entrance}, https=False)
    return _with_life(shell, writer.start, writer.stop)


def _with_life(app: ASGIApp, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]) -> ASGIApp:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await app(scope, receive, send)
        elif scope["type"] == "lifespan":
            await receive()
            await start()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await stop()
            await send({"type": "lifespan.shutdown.complete"})

    return serve


async def _read_and_answer(_scope: Scope, receive: Receive, send: Send) -> None:
    message: Message = {"more_body": True}
    while message.get("more_body", False):
        message = await receive()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _nothing() -> None:
    """There is nothing to do."""

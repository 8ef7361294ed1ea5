"""The door's connection to the database: one statement stores a batch of deliveries.

What belongs here: that statement, how long it is waited for, and telling a database that is away from a delivery that
it refuses. What does not: who waits for what (`inbox.py`) and where deliveries go meanwhile (`spool.py`).

A wait is never ended by cancelling it: psycopg would ask the server to cancel and wait for its answer, which a hung
server does not give. The connection's socket is shut instead, and what waits on it fails at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg

from pilar.backplane.deliveries import NewDelivery
from pilar.database.engine import WAKE_CHANNEL
from pilar.ids import FLEET, new_id
from pilar.masking import mask_text

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 12

_INSERT: LiteralString = """
with input as materialized (
  select nextval('fact_position') as position, o.* from (
    select * from unnest(%(id)b::uuid[], %(provider)b::text[], %(external_id)b::text[], %(workspace_id)b::uuid[],
                         %(headers)b::text[], %(body)b::bytea[], %(received_at)b::timestamptz[],
                         %(lane)b::text[]) with ordinality
                  as x(id, provider, external_id, workspace_id, headers, body, received_at, lane, nth)
    order by nth
  ) o
), fresh as (
  insert into inbox (position, id, provider, external_id, workspace_id, headers, body, received_at)
  select position, id, provider, external_id, workspace_id, headers::jsonb, body, received_at from input
  order by provider, external_id
  on conflict (provider, external_id) do nothing returning position
)
insert into queue (position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts, due_at)
select position, '', 1, coalesce(workspace_id, %(fleet)s), provider, lane, 50, 0, %(max_attempts)s, received_at
from input join fresh using (position)
"""
"""Positions are given in order of arrival; rows are inserted in the order of their key, since two batches with the
same keys in another order would wait for each other."""

_SET_UP: LiteralString = "select set_config('role', 'pilar_system', false), set_config('statement_timeout', %s, false)"
_ROWS_FAULT = frozenset({"0A", "21", "22", "23", "44", "54", "P0", "XX"})
"""Classes of SQLSTATE that a single row can cause: data exception, constraint, program limit and the like. All others
say something of the server: connection, transaction state (read-only), resources, shutdown, missing tables, rights."""


class Away(Exception):
    """The database can't take deliveries just now."""


class _Refused(Exception):
    """The database refuses at least one delivery of the batch."""


@dataclass(frozen=True)
class Refusal:
    """A delivery that the database refuses for good.

    Attributes:
        index: its place in the batch.
        reason: what the database said, masked.
    """

    index: int
    reason: str


class InboxLink:
    """One connection, made when it is needed and made anew when it is lost.

    Args:
        url: of the database, as its owner.
        patience: the longest that one statement, or a new connection, is waited for, in seconds.
    """

    def __init__(self, url: str, patience: float) -> None:
        self._url = url
        self._patience = patience
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def insert(self, batch: Sequence[NewDelivery]) -> list[Refusal]:
        """Store a batch; those that are there already stay as they are.

        Returns:
            Those that the database refuses, found by halving the batch: all others are stored.

        Raises:
            Away: some may be stored, and some not.
        """
        try:
            await self._run(_INSERT, _columns(batch))
        except _Refused as error:
            if len(batch) == 1:
                return [Refusal(0, str(error))]
            middle = len(batch) // 2
            first, second = await self.insert(batch[:middle]), await self.insert(batch[middle:])
            return first + [Refusal(middle + one.index, one.reason) for one in second]
        return []

    async def wake_workers(self) -> None:
        """Tell the workers, outside of the transaction: in it a notification makes all commits wait for each other.

        Should it be lost, the workers look for themselves a second later.
        """
        with contextlib.suppress(Away, _Refused):
            await self._run("select pg_notify(%s, '')", (WAKE_CHANNEL,))

    async def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def break_off(self) -> None:
        """Have a statement that is waited for fail at once, as if the server had hung up."""
        if self._connection is not None:
            _shut(self._connection)

    async def _run(self, statement: LiteralString, parameters: Any) -> None:
        if self._connection is None or self._connection.closed:
            self._connection = await self._connect()
        await self._wait(self._connection, statement, parameters)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        try:
            async with asyncio.timeout(self._patience):
                connection = await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, connect_timeout=10, application_name="pilar inbox"
                )
        except (psycopg.Error, OSError) as error:  # a time-out is an OSError
            raise Away(_said(error) if str(error) else "no connection in time") from error
        # The server itself gives up a little earlier than we do: it is alive then, and need not be left alone.
        await self._wait(connection, _SET_UP, (str(int(self._patience * 900)),))
        return connection

    async def _wait(self, connection: psycopg.AsyncConnection[Any], statement: LiteralString, parameters: Any) -> None:
        try:
            await _bounded(connection, connection.execute(statement, parameters), self._patience)
        except psycopg.Error as error:
            if _is_rows_fault(error):
                raise _Refused(_said(error)) from error
            await connection.close()
            raise Away(_said(error)) from error
        except (UnicodeError, ValueError, OverflowError, TypeError) as error:  # it can't even be sent
            raise _Refused(_said(error)) from error
        except BaseException:
            # Cancelled: the line is dead, and the object must not be left to the garbage collector.
            await connection.close()
            raise


async def _bounded(connection: psycopg.AsyncConnection[Any], work: Coroutine[Any, Any, Any], patience: float) -> None:
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=patience)
    except asyncio.CancelledError:
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        _shut(connection)
        await asyncio.wait({task}, timeout=1)  # it fails at once; the socket must not be closed under it
        raise
    if not done:
        _shut(connection)
        log.warning("the database has not answered for %.1f s: the connection is broken off", patience)
    await task


def _shut(connection: psycopg.AsyncConnection[Any]) -> None:
    if connection.closed:
        return
    # An OSError says that there is no line any more.
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.pgconn.socket)) as line:
        line.shutdown(socket.SHUT_RDWR)


def _is_rows_fault(error: psycopg.Error) -> bool:
    if error.sqlstate is None:
        # Said by the driver: of a lost connection, or of a value that it can't send.
        return not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate[:2] in _ROWS_FAULT


def _said(error: Exception) -> str:
    first = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return mask_text(first)[:500]


def _columns(batch: Sequence[NewDelivery]) -> dict[str, Any]:
    return {
        "id": [new_id() for _ in batch],
        "provider": [delivery.provider for delivery in batch],
        "external_id": [delivery.external_id for delivery in batch],
        "workspace_id": [delivery.workspace_id for delivery in batch],
        "headers": [json.dumps(dict(delivery.headers)) if delivery.headers else "{}" for delivery in batch],
        "body": [delivery.body for delivery in batch],
        "received_at": [delivery.received_at for delivery in batch],
        "fleet": FLEET,
        "lane": [delivery.lane.value for delivery in batch],
        "max_attempts": MAX_ATTEMPTS,
    }

"""What the inbox promises: who was answered is durable, and the same delivery is there once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from pilar.backplane.inbox import InboxWriter, NewDelivery
from pilar.database.engine import Database, Scope
from pilar.errors import Transient


def _delivery(number: int) -> NewDelivery:
    return NewDelivery("stripe", f"evt_{number}", b'{"n": %d}' % number, {"content-type": "application/json"})


def _count(database: Database, table: str) -> int:
    with database.transaction(Scope.fleet()) as connection:
        return int(connection.execute(text(f"select count(*) from {table}")).scalar_one())


def test_many_deliveries_at_once_are_stored_once_each(database: Database, database_url: str) -> None:
    async def story() -> None:
        writer = InboxWriter(database_url)
        writer.start()
        await asyncio.gather(*(writer.put(_delivery(number % 700)) for number in range(1400)))
        await writer.stop()

    asyncio.run(story())
    assert _count(database, "inbox") == 700
    assert _count(database, "queue") == 700


def test_the_writer_outlives_a_lost_connection_and_says_no_meanwhile(database: Database, database_url: str) -> None:
    owner = create_engine(make_url(database_url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    name = make_url(database_url).database

    def kick() -> None:
        with owner.connect() as connection:
            connection.execute(
                text(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = :name and application_name = 'pilar inbox'"
                ),
                {"name": name},
            )

    async def story() -> list[Any]:
        writer = InboxWriter(database_url, lanes=1)
        writer.start()
        await writer.put(_delivery(1))
        await asyncio.to_thread(kick)
        refused = []
        for _ in range(3):
            try:
                await writer.put(_delivery(2))
                break
            except Transient as error:
                refused.append(error)
        await writer.stop()
        return refused

    refused = asyncio.run(story())
    owner.dispose()
    assert len(refused) <= 1
    assert _count(database, "inbox") == 2


def test_who_waits_when_the_door_closes_is_told(database_url: str) -> None:
    async def story() -> None:
        writer = InboxWriter(database_url, lanes=0)
        writer.start()
        waiting = asyncio.create_task(writer.put(_delivery(1)))
        await asyncio.sleep(0)
        await writer.stop()
        with pytest.raises(Transient):
            await waiting

    asyncio.run(story())

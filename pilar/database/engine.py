"""Transactions with a scope: the only way to a connection.

What belongs here: the pool, and what a transaction may see. What does not: any SQL about the business.

A transaction takes on the role and the tenant of its scope before its first statement and loses them at its end,
so that a pooled connection never carries one caller's rights to the next. Only edges open one (an endpoint, a
worker's batch, a Dagster step, the effect ledger); domain code takes a connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import psycopg
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from pilar.errors import Transient

WAKE_CHANNEL = "pilar_work"
"""Where workers listen for the news that work is due."""

_WAKE = "pilar_wake"
_ENTER = text(
    "select set_config('role', :role, true), set_config('pilar.workspace', :workspace, true),"
    " set_config('pilar.affiliate', :affiliate, true)"
)


@dataclass(frozen=True)
class Scope:
    """What a transaction may see, as a role and at most one tenant."""

    role: Literal["pilar_app", "pilar_system", "pilar_analyst"]
    workspace_id: UUID | None = None
    affiliate_id: UUID | None = None

    @staticmethod
    def workspace(workspace_id: UUID) -> Scope:
        """One studio's rows."""
        return Scope("pilar_app", workspace_id=workspace_id)

    @staticmethod
    def affiliate(affiliate_id: UUID) -> Scope:
        """One affiliate's rows."""
        return Scope("pilar_app", affiliate_id=affiliate_id)

    @staticmethod
    def fleet() -> Scope:
        """Every row: the worker, Dagster, the founder."""
        return Scope("pilar_system")

    @staticmethod
    def analyst() -> Scope:
        """Schema `analytics`, read-only."""
        return Scope("pilar_analyst")


class Database:
    """A pool of connections to the product's database."""

    def __init__(self, url: str, *, pool_size: int = 10, application_name: str = "pilar") -> None:
        """Take a `postgresql://` URL with the owner's login; no connection is made until one is needed."""
        parsed = make_url(url).set(drivername="postgresql+psycopg")
        self.url = url
        self.engine: Engine = create_engine(
            parsed,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            # An INSERT's row count tells «new» from «was there»; SQLAlchemy keeps it on request only.
            execution_options={"preserve_rowcount": True},
            connect_args={"application_name": application_name, "connect_timeout": 10, "options": "-c timezone=UTC"},
        )

    @contextmanager
    def transaction(self, scope: Scope) -> Iterator[Connection]:
        """A transaction under a scope: committed when the block ends, rolled back when it raises.

        Workers are told of new work once, after the commit (in the transaction, a notification would take a
        lock that makes all commits wait for each other).

        Raises:
            Transient: the database can't be reached.
        """
        try:
            connection = self.engine.connect()
        except OperationalError as error:
            raise Transient(f"The database can't be reached: {error.orig}") from error
        with connection:
            wake = connection.info
            wake.pop(_WAKE, None)
            try:
                connection.execute(
                    _ENTER,
                    {
                        "role": scope.role,
                        "workspace": str(scope.workspace_id or ""),
                        "affiliate": str(scope.affiliate_id or ""),
                    },
                )
                yield connection
                connection.commit()
            except DBAPIError as error:
                if error.connection_invalidated:
                    raise Transient(f"The connection to the database was lost: {error.orig}") from error
                raise
            if wake.pop(_WAKE, None):
                connection.execute(text("select pg_notify(:channel, '')"), {"channel": WAKE_CHANNEL})
                connection.commit()

    def close(self) -> None:
        """Close the pool."""
        self.engine.dispose()


def wake_workers(connection: Connection) -> None:
    """Have the workers told, once, after this transaction's commit."""
    connection.info[_WAKE] = True


def raw(connection: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection beneath, in the same transaction: for the hot path's SQL with binary parameters."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):  # pragma: no cover - the engine is made with psycopg above
        raise TypeError("the database is spoken to through psycopg 3")
    return driver

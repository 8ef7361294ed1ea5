"""Transactions with a scope: the only way to a connection.

What belongs here: the pool, and what a transaction may see. What does not: any SQL about the business.

A transaction takes on the role and the tenant of its scope before its first statement and loses them at its end,
so that a pooled connection never carries one caller's rights to the next. Only edges open one (an endpoint, a
worker's batch, a Dagster step, the effect ledger); domain code takes a connection.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import psycopg
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from pilar.errors import Overloaded, Transient

log = logging.getLogger(__name__)

WAKE_CHANNEL = "pilar_work"
"""Where workers listen for the news that work is due."""

_WAKE = "pilar_wake"
_NOTIFY = f"select pg_notify('{WAKE_CHANNEL}', '')"


def set_local(settings: Mapping[str, str]) -> str:
    """The statements that give a transaction these settings of the server."""
    return "; ".join(f"set local {name} = '{value}'" for name, value in settings.items())


@dataclass(frozen=True)
class Scope:
    """What a transaction may see, as a role and at most one tenant."""

    role: Literal["pilar_app", "pilar_system", "pilar_analyst"]
    workspace_id: UUID | None = None
    affiliate_id: UUID | None = None

    @property
    def settings(self) -> dict[str, str]:
        """What puts a transaction under this scope; it ends with the transaction."""
        named: dict[str, str] = {"role": self.role}
        named |= {"pilar.workspace": str(UUID(int=self.workspace_id.int))} if self.workspace_id else {}
        named |= {"pilar.affiliate": str(UUID(int=self.affiliate_id.int))} if self.affiliate_id else {}
        return named

    @property
    def entrance(self) -> str:
        """The statements that open a transaction under this scope, sent as one."""
        return f"begin; {set_local(self.settings)}"

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
        self.name = parsed.database or parsed.username or ""
        self.engine: Engine = create_engine(
            parsed,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=10,
            # Else an error's text quotes what people wrote.
            hide_parameters=True,
            # An INSERT's row count tells «new» from «was there»; SQLAlchemy keeps it on request only.
            execution_options={"preserve_rowcount": True},
            connect_args={"application_name": application_name, "connect_timeout": 10, "options": "-c timezone=UTC"},
        )

        # The driver would send a BEGIN of its own first: ours comes with the scope (`Scope.entrance`).
        self._unbegun = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def transaction(self, scope: Scope, *, settings: str = "") -> Iterator[Connection]:
        """A transaction under a scope: committed when the block ends, rolled back when it raises.

        Workers are told of new work once, after the commit (in the transaction, a notification would take a
        lock that makes all commits wait for each other).

        Args:
            scope: what it may see.
            settings: `set local` statements for it, without parameters, sent with those that open it.

        Raises:
            Transient: the database can't be reached.
            Overloaded: all connections have been in use for too long.
        """
        connection = self._enter(f"{scope.entrance}; {settings}")
        with connection:
            driver, wake = raw(connection), connection.info
            wake.pop(_WAKE, None)
            try:
                yield connection
                connection.commit()
            except DBAPIError as error:
                if error.connection_invalidated:
                    raise Transient(f"The connection to the database was lost: {error.orig}") from error
                raise
            except PendingRollbackError as error:
                # Somebody took the loss for a failure of their own, as a drain does of a handler's, and went on.
                if connection.invalidated:
                    raise Transient("The connection to the database was lost.") from error
                raise
            except psycopg.OperationalError as error:  # of a statement that went past SQLAlchemy
                if not driver.closed:
                    raise
                connection.invalidate(error)
                raise Transient(f"The connection to the database was lost: {error}") from error
            if wake.pop(_WAKE, None):
                _tell_workers(connection)

    @contextmanager
    def pipelined(self, scope: Scope, *, settings: Mapping[str, str] | None = None) -> Iterator[Connection]:
        """A transaction under a scope whose statements don't wait for the answers to those before them.

        For the hot path's own statements (`raw`) and for nothing else: SQLAlchemy would read answers that have not
        come. Who reads an answer within the block waits for it. Workers are told as after any transaction.

        Args:
            scope: what it may see.
            settings: of the server, for this transaction.

        Raises:
            Transient: the database can't be reached; whether it was committed is not known.
            Overloaded: all connections have been in use for too long.
        """
        names = {**scope.settings, **(settings or {})}
        enter = f"select {', '.join('set_config(%s, %s, true)' for _ in names)}"
        with self._checked_out() as connection:
            driver, wake = raw(connection), connection.info
            wake.pop(_WAKE, None)
            try:
                with driver.pipeline():
                    driver.execute("begin", prepare=False)
                    driver.execute(enter, [part for pair in names.items() for part in pair])
                    yield connection
                    driver.execute("commit", prepare=False)
            except psycopg.Error as error:
                if not driver.closed:
                    raise
                connection.invalidate(error)
                self.engine.dispose()
                raise Transient(f"The connection to the database was lost: {error}") from error
            # Not in the same journey: with the notification's connection the commit's answer could be lost as well.
            if wake.pop(_WAKE, None):
                _tell_workers(connection)

    def _enter(self, entrance: str) -> Connection:
        """A connection with its transaction begun. A pooled one may have died unseen: then another is made, once."""
        for is_last in (False, True):
            connection = self._checked_out()
            try:
                connection.begin()
                raw(connection).execute(entrance.encode(), prepare=False)
            except psycopg.OperationalError as error:
                connection.invalidate(error)
                connection.close()
                if is_last:
                    raise Transient(f"The database can't be reached: {error}") from error
                # What else is in the pool has probably died with it.
                self.engine.dispose()
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise AssertionError  # pragma: no cover - the last turn has returned or raised

    def _checked_out(self) -> Connection:
        try:
            return self._unbegun.connect()
        except OperationalError as error:
            raise Transient(f"The database can't be reached: {error.orig}") from error
        except PoolTimeout as error:
            raise Overloaded("All connections to the database are in use.") from error

    def close(self) -> None:
        """Close the pool."""
        self.engine.dispose()


def _tell_workers(connection: Connection) -> None:
    """Send the notification.

    Should it be lost, workers look for themselves a second later; the work is committed, and nobody may be told that it
    failed.
    """
    try:
        raw(connection).execute(_NOTIFY)
    except psycopg.OperationalError as error:
        log.warning("the workers were not told of new work: %s", error)
        connection.invalidate(error)


def wake_workers(connection: Connection) -> None:
    """Have the workers told, once, after this transaction's commit."""
    connection.info[_WAKE] = True


def raw(connection: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection beneath, in the same transaction: for the hot path's SQL with binary parameters."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):  # pragma: no cover - the engine is made with psycopg above
        raise TypeError("the database is spoken to through psycopg 3")
    return driver

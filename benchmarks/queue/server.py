"""The one server that all sides share. What belongs here: its life, its databases, and proof that it is durable."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from pilar.database.embedded import EmbeddedServer
from pilar.database.migrate import create_database, migrate
from pilar.database.server_files import exclusive

SHOWN = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "wal_level")
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


class NotDurable(RuntimeError):
    """The server may lose what it has acknowledged: figures of it would mean nothing."""


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        url: as the owner, of a database that nobody uses.
        migrated: the name of a database with PILAR's tables in it, to be copied; it is made when it is needed first.
    """

    url: str
    migrated: str = "pilar_migrated"

    def fresh(self, name: str, copy_of: str = "template0") -> str:
        """Make a database anew, whatever was there under its name, as a copy of another one; return its URL."""
        self.drop(name)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("create database {} template {} strategy file_copy").format(
                    sql.Identifier(name), sql.Identifier(copy_of)
                )
            )
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def ours(self, name: str) -> str:
        """Make a database anew with PILAR's tables in it, empty; return its URL."""
        if not self._has(self.migrated):
            migrate(create_database(self.url, self.migrated))
        return self.fresh(name, self.migrated)

    def drop(self, name: str) -> None:
        """Delete a database if it is there."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))

    def settings(self) -> dict[str, str]:
        """What the server says of itself."""
        with psycopg.connect(self.url) as connection:
            return {name: connection.execute(f"show {name}").fetchone()[0] for name in SHOWN}  # type: ignore[index]

    def _has(self, name: str) -> bool:
        with psycopg.connect(self.url) as connection:
            return connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone() is not None


def settle_down(url: str) -> None:
    """Leave a database as a quiet moment would: vacuumed, its statistics known, nothing left to be written.

    Done for every side alike before it is measured; else it would be chance whose turn autovacuum and the checkpointer
    fall into.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum (analyze)")
        connection.execute("checkpoint")


@contextmanager
def durable_server(home: Path) -> Iterator[Server]:
    """A server of its own that loses nothing it has acknowledged, removed with its data when the block ends.

    Args:
        home: where it lives; only one run at a time. What a killed run has left there is removed first.

    Raises:
        Busy: another run is at it.
        NotDurable: it does not write through.
    """
    with _server(home, durable=True) as server:
        said = server.settings()
        if any(said[name] != "on" for name in DURABLE):
            raise NotDurable(f"The server's settings are {said}.")
        yield server


@contextmanager
def passing_server(home: Path) -> Iterator[Server]:
    """A server that may lose all when the machine dies: for what is counted, and not timed.

    Args:
        home: as in `durable_server`.

    Raises:
        Busy: another run is at it.
    """
    with _server(home, durable=False) as server:
        yield server


@contextmanager
def _server(home: Path, *, durable: bool) -> Iterator[Server]:
    home.mkdir(parents=True, exist_ok=True)
    with exclusive(home.with_suffix(".lock"), 1):
        embedded = EmbeddedServer(home)
        embedded.remove()
        try:
            yield Server(embedded.start(durable=durable).url)
        finally:
            embedded.remove()


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }

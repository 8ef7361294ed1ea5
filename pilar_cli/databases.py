"""The databases of a command. What belongs here: finding or making them, and lending the embedded server.

What does not: how the server lives (`pilar/database/embedded.py`) and what is in the databases.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.errors import InvalidCatalogName
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from pilar.database import migrate
from pilar.database.embedded import EmbeddedServer
from pilar.database.engine import Database
from pilar.database.server_files import make_home
from pilar.errors import NotConfigured, PilarError, Transient
from pilar.settings import Settings

PRODUCT = "pilar"
DAGSTER = "pilar_dagster"

_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Server:
    """The server that holds the databases, and the product's database on it, which may not exist yet."""

    url: str = field(repr=False)
    is_embedded: bool


@contextmanager
def server_for(settings: Settings) -> Iterator[Server]:
    """The server that the settings name, else the embedded one for as long as the block lasts."""
    if settings.database_url is not None:
        yield Server(settings.database_url.get_secret_value(), is_embedded=False)
        return
    with lent_server(settings.home_path) as url:
        yield Server(make_url(url).set(database=PRODUCT).render_as_string(hide_password=False), is_embedded=True)


@contextmanager
def product_database(settings: Settings) -> Iterator[Database]:
    """The product's database for one command's few transactions, for as long as the block lasts."""
    with server_for(settings) as server:
        database = Database(server.url, pool_size=2, application_name="pilar command")
        try:
            yield database
        finally:
            database.close()


@contextmanager
def lent_server(home: Path) -> Iterator[str]:
    """The embedded server, started if need be; whoever leaves last stops it.

    Each user holds a shared lock on one file. A killed user's lock is freed by the system, so that a server it left
    behind is stopped by the next one.
    """
    make_home(home)
    users = os.open(home / "postgres.users", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(users, fcntl.LOCK_SH)
        server = EmbeddedServer(home)
        try:
            yield server.start().url
        finally:
            if _is_last(users):
                server.stop()
    finally:
        os.close(users)


@contextmanager
def kept_running(home: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Start a home's embedded server again whenever it has died, until the block ends.

    Programs are started again by their supervisor; the server is nobody's program, since commands share it.

    Args:
        home: whose server; whoever enters has been lent it.
        say: told each time.
    """
    server, ended = EmbeddedServer(home), threading.Event()

    def look() -> None:
        while not ended.wait(_LOOK_SECONDS):
            try:
                if not server.status().running:
                    server.start()
                    say("PostgreSQL had died, and runs again.")
            except PilarError as error:
                say(f"PostgreSQL has died, and can't be started: {error.message}")

    thread = threading.Thread(target=look, name="database", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def make_product_database(server: Server) -> list[str]:
    """Make the product's database unless it is there, bring it up to date, and return the applied revisions.

    Raises:
        Transient: the server can't be reached.
    """
    _make(server.url)
    return migrate.migrate(server.url)


def make_dagster_database(settings: Settings, server: Server) -> str:
    """Make Dagster's database unless it is there, and return its URL.

    Raises:
        Transient: the server can't be reached.
    """
    if settings.dagster_database_url is not None:
        url = settings.dagster_database_url.get_secret_value()
    else:
        url = make_url(server.url).set(database=DAGSTER).render_as_string(hide_password=False)
    _make(url)
    return url


def missing_revisions(url: str) -> list[str]:
    """The newest revisions that a database lacks; none: it is up to date.

    Raises:
        Transient: the database can't be reached.
    """
    wanted = ScriptDirectory(str(Path(migrate.__file__).with_name("migrations"))).get_heads()
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), connect_args={"connect_timeout": 5})
    try:
        with engine.connect() as connection:
            present = MigrationContext.configure(connection).get_current_heads()
    except OperationalError as error:
        raise _unreachable(error) from error
    finally:
        engine.dispose()
    return [revision for revision in wanted if revision not in present]


def _make(url: str) -> None:
    """Make a database unless it is there. Where it is, no other one on the server need be open to us."""
    wanted = make_url(url)
    if not wanted.database:
        raise NotConfigured("PILAR_DATABASE_URL names no database: add /NAME at its end.")
    engine = create_engine(wanted.set(drivername="postgresql+psycopg"), connect_args={"connect_timeout": 10})
    try:
        engine.connect().close()
    except OperationalError as error:
        if not _is_missing(error):
            raise _unreachable(error) from error
    else:
        return
    finally:
        engine.dispose()
    maintenance = wanted.set(database="postgres").render_as_string(hide_password=False)
    try:
        migrate.create_database(maintenance, wanted.database)
    except OperationalError as error:
        raise _unreachable(error) from error


def _is_missing(error: OperationalError) -> bool:
    # A refused connection carries no code, only words.
    return isinstance(error.orig, InvalidCatalogName) or "does not exist" in str(error.orig)


def _unreachable(error: OperationalError) -> Transient:
    said = str(error.orig).strip().splitlines()
    return Transient(f"The database can't be reached: {said[0] if said else 'no reason was given'}")


def _is_last(users: int) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

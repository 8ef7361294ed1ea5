"""Bringing a database up to date. What belongs here: how migrations run; the migrations are in `migrations/versions`.

Migrations are forward-only and safe beside the previous release: each statement waits for a lock at most
`LOCK_TIMEOUT` and runs at most `STATEMENT_TIMEOUT`, so that one that would block the fleet gives up instead.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from pilar.errors import Transient

LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "300s"
_ADVISORY_LOCK = 7_450_127
"""Two releases that start together migrate one after the other."""


def migrate(url: str) -> list[str]:
    """Run what is missing and return the revisions that were applied, oldest first.

    Raises:
        Transient: the server can't be reached.
    """
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    try:
        with engine.connect() as connection:
            connection.execute(text("select pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
            before = _revisions(connection)
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
            after = _revisions(connection)
            connection.execute(text("select pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})
            connection.commit()
    except OperationalError as error:
        raise Transient(f"The database can't be migrated now: {error.orig}") from error
    finally:
        engine.dispose()
    script = ScriptDirectory.from_config(_config())
    if before == after:
        return []
    applied = script.iterate_revisions("head", "base" if not before else before[0])
    return [revision.revision for revision in applied][::-1]


def create_database(server_url: str, name: str) -> str:
    """Make a database unless there is one by that name, and return its URL."""
    url = make_url(server_url)
    engine = create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            exists = connection.execute(text("select 1 from pg_database where datname = :name"), {"name": name})
            if exists.first() is None:
                connection.execute(text(f"create database \"{name}\" encoding 'UTF8' template template0"))
    finally:
        engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _revisions(connection: Connection) -> tuple[str, ...]:
    return MigrationContext.configure(connection).get_current_heads()

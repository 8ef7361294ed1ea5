"""A Dagster of its own for each test that asks: PostgreSQL storage, as in production."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from pilar.app import App, build_app
from pilar.database.engine import Database
from pilar.database.migrate import create_database
from pilar.settings import Settings
from pilar_pipelines.instance import ENVIRONMENT, write_instance
from tests.pilar_pipelines.fleet import Fleet


@pytest.fixture(scope="session")
def dagster_template(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database with Dagster's tables and nothing in them."""
    name = "template_dagster"
    with (Path(os.environ["PILAR_TEST_SERVER_HOME"]) / "dagster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        home = tmp_path_factory.mktemp("dagster")
        write_instance(home, create_database(postgres_url, name))
        instance = dg.DagsterInstance.from_config(str(home))
        instance.dispose()
    return name


@pytest.fixture
def instance(
    postgres_url: str, dagster_template: str, _server: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    name = f"dagster_{secrets.token_hex(6)}"
    with _server.connect() as connection:
        connection.execute(text(f'create database "{name}" template "{dagster_template}" strategy file_copy'))
    write_instance(
        tmp_path / "dagster", make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    )
    opened = dg.DagsterInstance.from_config(str(tmp_path / "dagster"))
    yield opened
    opened.dispose()
    with _server.connect() as connection:
        connection.execute(text(f'drop database "{name}" with (force)'))


@pytest.fixture
def fleet(database_url: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """Studios in a database that the environment names, as it does for Dagster's processes."""
    monkeypatch.setenv("PILAR_DATABASE_URL", database_url)
    monkeypatch.setenv("PILAR_SECRET_KEYS", Fernet.generate_key().decode())
    monkeypatch.setenv("PILAR_WORKER_THREADS", "2")
    return Fleet(database)


@pytest.fixture
def app(fleet: Fleet) -> Iterator[App]:
    opened = build_app(Settings())
    yield opened
    opened.close()

"""A Dagster of its own for each test that asks: PostgreSQL storage, as in production."""

from __future__ import annotations

import fcntl
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from cryptography.fernet import Fernet

from pilar.app import App, build_app
from pilar.database.engine import Database
from pilar.database.migrate import create_database
from pilar.errors import Transient
from pilar.providers.dagster.client import GRAPHQL_PATH, DagsterClient
from pilar.settings import Settings
from pilar_cli.ports import free_port, listening
from pilar_cli.processes import ProcessSpec, Supervisor
from pilar_pipelines.instance import ENVIRONMENT, write_instance, write_workspace
from tests.fixtures.database import Server
from tests.pilar_pipelines.fleet import Fleet

START_SECONDS = 120.0
"""How long a process may take to answer; the machine may be busy with other tests."""


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
    dagster_template: str, database_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with database_server.kept(dagster_template) as made:
        write_instance(tmp_path / "dagster", made.url)
        opened = dg.DagsterInstance.from_config(str(tmp_path / "dagster"))
        yield opened
        opened.dispose()


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


def _answers(dagster: DagsterClient) -> bool:
    try:
        dagster.partition_keys()
    except Transient:
        return False
    return True


@pytest.fixture
def dagster(postgres_url: str, fleet: Fleet, tmp_path: Path) -> Iterator[DagsterClient]:
    """Code server, daemon and webserver as `pilar up` starts them, over the fleet's database."""
    home, code, web = tmp_path / "dagster", free_port(None), free_port(None)
    write_instance(home, create_database(postgres_url, f"dagster_{secrets.token_hex(6)}"))
    workspace = str(write_workspace(home, code))
    asked = DagsterClient(f"http://127.0.0.1:{web}{GRAPHQL_PATH}")
    programs = {
        "code": ["dagster", "api", "grpc", "-m", "pilar_pipelines.definitions", "--location-name", "pilar"],
        "daemon": ["dagster-daemon", "run", "-w", workspace],
        "web": ["dagster-webserver", "-w", workspace, "--path-prefix", "/dagster"],
    }
    programs["code"] += ["-h", "127.0.0.1", "-p", str(code)]
    programs["web"] += ["-h", "127.0.0.1", "-p", str(web)]
    ready: dict[str, Callable[[], bool]] = {"code": lambda: listening(code), "web": lambda: _answers(asked)}
    with asked, Supervisor(tmp_path / "supervised", "test") as supervisor:
        for name, (program, *arguments) in programs.items():
            argv = [str(Path(sys.executable).with_name(program)), *arguments]
            env = {**ENVIRONMENT, "DAGSTER_HOME": str(home)}
            supervisor.start(
                ProcessSpec(
                    name,
                    argv,
                    env=env,
                    ready=ready.get(name),
                    ready_timeout=START_SECONDS,
                    cwd=Path(__file__).parents[2],
                )
            )
        yield asked

"""Code server, daemon and webserver as `pilar up` starts them, and the questions that the command line asks."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pilar.database.migrate import create_database
from pilar.errors import NotFound, Transient
from pilar_cli.ports import free_port, listening
from pilar_cli.processes import ProcessSpec, Supervisor
from pilar_pipelines import launch
from pilar_pipelines.instance import ENVIRONMENT, write_instance, write_workspace
from tests.pilar_pipelines.fleet import Fleet

_START = 120.0
"""Seconds; the machine may be busy with other tests."""


def _until(true: Callable[[], bool], what: str, seconds: float = _START) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} seconds"
        time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        launch.partition_keys(url)
    except Transient:
        return False
    return True


@pytest.fixture
def graphql_url(postgres_url: str, fleet: Fleet, tmp_path: Path) -> Iterator[str]:
    home, code, web = tmp_path / "dagster", free_port(None), free_port(None)
    write_instance(home, create_database(postgres_url, f"dagster_{secrets.token_hex(6)}"))
    workspace = str(write_workspace(home, code))
    url = f"http://127.0.0.1:{web}/dagster/graphql"
    programs = {
        "code": ["dagster", "api", "grpc", "-m", "pilar_pipelines.definitions", "--location-name", "pilar"],
        "daemon": ["dagster-daemon", "run", "-w", workspace],
        "web": ["dagster-webserver", "-w", workspace, "--path-prefix", "/dagster"],
    }
    programs["code"] += ["-h", "127.0.0.1", "-p", str(code)]
    programs["web"] += ["-h", "127.0.0.1", "-p", str(web)]
    ready: dict[str, Callable[[], bool]] = {"code": lambda: listening(code), "web": lambda: _answers(url)}
    with Supervisor(tmp_path / "supervised", "test") as supervisor:
        for name, (program, *arguments) in programs.items():
            argv = [str(Path(sys.executable).with_name(program)), *arguments]
            env = {**ENVIRONMENT, "DAGSTER_HOME": str(home)}
            supervisor.start(
                ProcessSpec(
                    name, argv, env=env, ready=ready.get(name), ready_timeout=_START, cwd=Path(__file__).parents[2]
                )
            )
        yield url


def test_a_dagster_that_is_not_there_is_told() -> None:
    with pytest.raises(Transient, match="does not answer"):
        launch.partition_keys(f"http://127.0.0.1:{free_port(None)}/dagster/graphql")


@pytest.mark.slow
def test_dagster_alone_follows_drains_scores_and_checks(graphql_url: str, fleet: Fleet) -> None:
    with pytest.raises(NotFound):
        launch.materialize_all_studios(graphql_url)
    studios = fleet.add("One", "Two", "Three", state="provisioning")
    fleet.notice("leak")
    _until(
        lambda: set(launch.partition_keys(graphql_url)) == {str(studio) for studio in studios}, "a partition per studio"
    )
    _until(lambda: fleet.rows("select title from incident") == [("leak",)], "a run that drains")

    run = launch.materialize_all_studios(graphql_url)
    _until(lambda: launch.run_status(graphql_url, run) in launch.ENDED, "the end of the run")
    assert launch.run_status(graphql_url, run) == "SUCCESS"
    assert launch.materialized_partitions(graphql_url, "workspace_health_score") == 3
    assert launch.failed_checks(graphql_url) == []
    with pytest.raises(NotFound):
        launch.run_status(graphql_url, "00000000-0000-0000-0000-000000000000")

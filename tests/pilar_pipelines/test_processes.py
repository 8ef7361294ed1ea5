"""Code server, daemon and webserver as `pilar up` starts them, and the questions that the command line asks."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import dagster as dg
import pytest

from pilar.database.migrate import create_database
from pilar.errors import Conflict, NotFound, Transient
from pilar_cli.ports import free_port, listening
from pilar_cli.processes import ProcessSpec, Supervisor
from pilar_pipelines import launch
from pilar_pipelines.instance import ENVIRONMENT, write_instance, write_workspace
from tests.pilar_pipelines.fleet import Fleet
from tests.pilar_pipelines.life import CHECKS, TABLES, Life

SCHEDULED = (
    "count_coaching",
    "count_messages",
    "judge_experiments",
    "book_commissions",
    "score_all_studios",
    "refresh_all_studios",
)
"""The jobs that schedules ask for with all studios, and that make the tables."""

_START = 120.0
"""Seconds; the machine may be busy with other tests."""

_BACKFILL = 300.0
"""Seconds; the daemon looks after backfills every half a minute only."""


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
def test_dagster_alone_follows_drains_makes_everything_and_checks(graphql_url: str, fleet: Fleet) -> None:
    with pytest.raises(NotFound):
        launch.launch(graphql_url, launch.STUDIOS_JOB, launch.partition_keys(graphql_url))
    with pytest.raises(NotFound):
        launch.backfill(graphql_url, [launch.SCORES])
    studios = fleet.add("One", "Two", "Three")
    Life(fleet).live(studios)
    fleet.notice("leak")
    _until_known(graphql_url, studios)
    _until(lambda: fleet.rows("select title from incident") == [("leak",)], "a run that drains")

    _run(graphql_url, launch.STUDIOS_JOB, launch.partition_keys(graphql_url))
    _run(graphql_url, launch.FLEET_JOB, None)
    made = launch.materializations(graphql_url)
    assert {asset: made.get(asset) for asset in TABLES} == dict.fromkeys(TABLES, 3)
    of_the_fleet = ("fleet_health", "fleet_overview", "fleet_experiment_results", "affiliate_balances")
    assert {asset: made.get(asset) for asset in of_the_fleet} == dict.fromkeys(of_the_fleet, 1)
    assert launch.failed_checks(graphql_url) == []
    with pytest.raises(NotFound):
        launch.run_status(graphql_url, "00000000-0000-0000-0000-000000000000")


@pytest.mark.slow
def test_backfills_of_one_of_some_and_of_all_studios_tell_what_the_schedules_tell(
    graphql_url: str, fleet: Fleet, tmp_path: Path
) -> None:
    life, assets = Life(fleet), list(TABLES)
    studios = fleet.add("One", "Two", "Three", "Four")
    life.live(studios)
    _until_known(graphql_url, studios)
    keys = launch.partition_keys(graphql_url)
    _run_together(graphql_url, SCHEDULED, keys)
    scheduled = {asset: life.told(asset) for asset in assets}
    assert {asset: told.keys() for asset, told in scheduled.items()} == {asset: set(studios) for asset in assets}

    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        life.forget()
        one, some = (launch.backfill(graphql_url, assets, wanted) for wanted in (keys[:1], keys[1:3]))
        _until_backfilled(graphql_url, one, some)
        assert _made_by(instance, one) == {asset: set(keys[:1]) for asset in assets}
        assert _made_by(instance, some) == {asset: set(keys[1:3]) for asset in assets}
        taken = {studio for studio in studios if str(studio) in keys[:3]}
        for asset in assets:
            told = life.told(asset)
            assert {studio: told[studio] for studio in taken} == {
                studio: rows for studio, rows in scheduled[asset].items() if studio in taken
            }

        every = launch.backfill(graphql_url, assets)
        _until_backfilled(graphql_url, every)
        assert _made_by(instance, every) == {asset: set(keys) for asset in assets}
        assert {asset: life.told(asset) for asset in assets} == scheduled
        assert not {f"{asset}:{check}" for asset, check in CHECKS.items()} & set(launch.failed_checks(graphql_url))

        life.spoil(studios[1], *assets)
        made_at = {asset: life.made_at(asset) for asset in assets}
        again = launch.backfill(graphql_url, assets)
        _until_backfilled(graphql_url, again)
        assert {f"{asset}:{check}" for asset, check in CHECKS.items()} <= set(launch.failed_checks(graphql_url))
        assert _made_by(instance, again) == {asset: set(keys) for asset in assets}
        for asset in assets:
            assert "failed_because" in _metadata(instance, asset, studios[1])
            after = life.made_at(asset)
            assert {studio for studio in studios if after[studio] == made_at[asset][studio]} == {studios[1]}
            assert life.told(asset) == scheduled[asset]

    with pytest.raises(Conflict):
        launch.backfill(graphql_url, assets, ["nowhere"])
    for asset in ("nothing", "fleet_health"):
        with pytest.raises(NotFound, match=asset):
            launch.backfill(graphql_url, [*assets, asset], keys)
    with pytest.raises(NotFound):
        launch.backfill_status(graphql_url, "nothing")


def _until_known(url: str, studios: list[UUID]) -> None:
    wanted = {str(studio) for studio in studios}
    _until(lambda: set(launch.partition_keys(url)) == wanted, "a partition per studio")


def _run(url: str, job: str, keys: Sequence[str] | None) -> None:
    run = launch.launch(url, job, keys)
    _until(lambda: launch.run_status(url, run) in launch.ENDED, f"the end of {job}")
    assert launch.run_status(url, run) == launch.SUCCESS, job


def _run_together(url: str, jobs: Sequence[str], keys: Sequence[str]) -> None:
    runs = [launch.launch(url, job, keys) for job in jobs]
    _until(lambda: all(launch.run_status(url, run) in launch.ENDED for run in runs), "the end of all runs")
    assert [launch.run_status(url, run) for run in runs] == [launch.SUCCESS] * len(runs)


def _until_backfilled(url: str, *backfills: str) -> None:
    _until(
        lambda: all(launch.backfill_status(url, one) in launch.BACKFILL_ENDED for one in backfills),
        "the end of the backfills",
        _BACKFILL,
    )
    assert [launch.backfill_status(url, one) for one in backfills] == [launch.BACKFILLED] * len(backfills)


def _made_by(instance: dg.DagsterInstance, backfill: str) -> dict[str, set[str | None]]:
    """What a backfill has materialised, by asset: it is one run, however many studios it takes."""
    (run,) = instance.get_run_records(dg.RunsFilter(tags={"dagster/backfill": backfill}))
    made: dict[str, set[str | None]] = {}
    for asset in TABLES:
        records = instance.fetch_materializations(dg.AssetKey(asset), limit=1_000).records
        made[asset] = {record.partition_key for record in records if record.run_id == run.dagster_run.run_id}
    return made


def _metadata(instance: dg.DagsterInstance, asset: str, studio: UUID) -> Mapping[str, Any]:
    """What is told on the newest event of an asset's partition."""
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[str(studio)])
    event = instance.fetch_materializations(wanted, limit=1).records[0].asset_materialization
    assert event is not None
    return event.metadata

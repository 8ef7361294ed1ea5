"""Dagster's processes as `pilar up` starts them, and the questions that command line and web service ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import dagster as dg
import pytest

from pilar.errors import Conflict, NotFound, Transient
from pilar.providers.dagster import client
from pilar.providers.dagster.client import DagsterClient
from pilar_cli.ports import free_port
from tests.pilar_pipelines.conftest import START_SECONDS
from tests.pilar_pipelines.fleet import Fleet
from tests.pilar_pipelines.life import CHECKS, TABLES, Life

SCHEDULED = (
    "count_coaching",
    "score_engagement",
    "count_messages",
    "judge_experiments",
    "book_commissions",
    "score_all_studios",
    "refresh_all_studios",
)
"""The jobs that schedules ask for with all studios, and that make the tables."""

_BACKFILL = 300.0
"""Seconds; the daemon looks after backfills every half a minute only."""


def _until(true: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} seconds"
        time.sleep(0.2)


def test_a_dagster_that_is_not_there_is_told() -> None:
    url = f"http://127.0.0.1:{free_port(None)}{client.GRAPHQL_PATH}"
    with DagsterClient(url) as nobody, pytest.raises(Transient, match="could not be reached"):
        nobody.partition_keys()


@pytest.mark.slow
def test_dagster_alone_follows_drains_makes_everything_and_checks(dagster: DagsterClient, fleet: Fleet) -> None:
    with pytest.raises(NotFound):
        dagster.launch(client.STUDIOS_JOB, dagster.partition_keys())
    with pytest.raises(NotFound):
        dagster.backfill([client.SCORES])
    studios = fleet.add("One", "Two", "Three")
    Life(fleet).live(studios)
    fleet.notice("leak")
    _until_known(dagster, studios)
    _until(lambda: fleet.rows("select title from incident") == [("leak",)], "a run that drains")

    _run(dagster, client.STUDIOS_JOB, dagster.partition_keys())
    _run(dagster, client.FLEET_JOB, None)
    made = dagster.materializations()
    assert {asset: made.get(asset) for asset in TABLES} == dict.fromkeys(TABLES, 3)
    of_the_fleet = ("fleet_health", "fleet_overview", "fleet_experiment_results", "affiliate_balances")
    assert {asset: made.get(asset) for asset in of_the_fleet} == dict.fromkeys(of_the_fleet, 1)
    assert dagster.failed_checks() == []
    with pytest.raises(NotFound):
        dagster.run("00000000-0000-0000-0000-000000000000")


@pytest.mark.slow
def test_backfills_of_one_of_some_and_of_all_studios_tell_what_the_schedules_tell(
    dagster: DagsterClient, fleet: Fleet, tmp_path: Path
) -> None:
    life, assets = Life(fleet), list(TABLES)
    studios = fleet.add("One", "Two", "Three", "Four")
    life.live(studios)
    _until_known(dagster, studios)
    keys = dagster.partition_keys()
    _run_together(dagster, SCHEDULED, keys)
    scheduled = {asset: life.told(asset) for asset in assets}
    assert {asset: told.keys() for asset, told in scheduled.items()} == {asset: set(studios) for asset in assets}

    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        life.forget()
        one, some = (dagster.backfill(assets, wanted) for wanted in (keys[:1], keys[1:3]))
        _until_backfilled(dagster, one, some)
        assert _made_by(instance, one) == {asset: set(keys[:1]) for asset in assets}
        assert _made_by(instance, some) == {asset: set(keys[1:3]) for asset in assets}
        taken = {studio for studio in studios if str(studio) in keys[:3]}
        for asset in assets:
            told = life.told(asset)
            assert {studio: told[studio] for studio in taken} == {
                studio: rows for studio, rows in scheduled[asset].items() if studio in taken
            }

        every = dagster.backfill(assets)
        _until_backfilled(dagster, every)
        assert _made_by(instance, every) == {asset: set(keys) for asset in assets}
        assert {asset: life.told(asset) for asset in assets} == scheduled
        assert not {f"{asset}:{check}" for asset, check in CHECKS.items()} & set(dagster.failed_checks())

        life.spoil(studios[1], *assets)
        made_at = {asset: life.made_at(asset) for asset in assets}
        again = dagster.backfill(assets)
        _until_backfilled(dagster, again)
        assert {f"{asset}:{check}" for asset, check in CHECKS.items()} <= set(dagster.failed_checks())
        assert _made_by(instance, again) == {asset: set(keys) for asset in assets}
        for asset in assets:
            assert "failed_because" in _metadata(instance, asset, studios[1])
            after = life.made_at(asset)
            assert {studio for studio in studios if after[studio] == made_at[asset][studio]} == {studios[1]}
            assert life.told(asset) == scheduled[asset]

    with pytest.raises(Conflict):
        dagster.backfill(assets, ["nowhere"])
    for asset in ("nothing", "fleet_health"):
        with pytest.raises(NotFound, match=asset):
            dagster.backfill([*assets, asset], keys)
    with pytest.raises(NotFound):
        dagster.backfill_status("nothing")


def _until_known(dagster: DagsterClient, studios: list[UUID]) -> None:
    wanted = {str(studio) for studio in studios}
    _until(lambda: set(dagster.partition_keys()) == wanted, "a partition per studio")


def _run(dagster: DagsterClient, job: str, keys: Sequence[str] | None) -> None:
    run = dagster.launch(job, keys)
    _until(lambda: dagster.run(run).status in client.ENDED, f"the end of {job}")
    assert dagster.run(run).status == client.SUCCESS, job


def _run_together(dagster: DagsterClient, jobs: Sequence[str], keys: Sequence[str]) -> None:
    runs = [dagster.launch(job, keys) for job in jobs]
    _until(lambda: all(dagster.run(run).status in client.ENDED for run in runs), "the end of all runs")
    assert [dagster.run(run).status for run in runs] == [client.SUCCESS] * len(runs)


def _until_backfilled(dagster: DagsterClient, *backfills: str) -> None:
    _until(
        lambda: all(dagster.backfill_status(one) in client.BACKFILL_ENDED for one in backfills),
        "the end of the backfills",
        _BACKFILL,
    )
    assert [dagster.backfill_status(one) for one in backfills] == [client.BACKFILLED] * len(backfills)


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

"""Dagster's own records. What belongs here: which of them are superseded, and forgetting those.

A materialised partition costs two kilobytes each time, and a run that drains a dozen rows. Runs are deleted whole:
an asset that loses the last run of a partition loses that partition's status, so what is newest stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from pilar_pipelines.partitions import WORKSPACE

NEWEST = 3
"""The runs of so many last materialisations stay for each asset, however old they are."""

_AT_ONCE = 500
_DONE = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED)
_FAILED = (dg.DagsterRunStatus.FAILURE,)


@dataclass(frozen=True)
class Kept:
    """How long records are kept that nothing needs any more."""

    runs: timedelta
    failed_runs: timedelta
    runless_events: timedelta

    @staticmethod
    def hours(*, runs: float, failed_runs: float, runless_events: float) -> Kept:
        """The same, given in hours."""
        return Kept(timedelta(hours=runs), timedelta(hours=failed_runs), timedelta(hours=runless_events))


@dataclass(frozen=True)
class Forgotten:
    """What was forgotten: how many runs, and the events of which assets."""

    runs: int
    wiped: tuple[str, ...]


def forget(instance: dg.DagsterInstance, kept: Kept) -> Forgotten:
    """Delete superseded runs, and the events without a run of assets that have old ones."""
    now = datetime.now(UTC)
    needed = {run_id for asset in instance.all_asset_keys() for run_id in _needed_by(instance, asset)}
    old = [*_ended(instance, _DONE, now - kept.runs), *_ended(instance, _FAILED, now - kept.failed_runs)]
    superseded = [run_id for run_id in old if run_id not in needed]
    for run_id in superseded:
        instance.delete_run(run_id)
    wiped = [
        asset for asset in instance.all_asset_keys() if _has_old_runless(instance, asset, now - kept.runless_events)
    ]
    if wiped:
        instance.wipe_assets(wiped)
    return Forgotten(len(superseded), tuple(asset.to_user_string() for asset in wiped))


def _needed_by(instance: dg.DagsterInstance, asset: dg.AssetKey) -> set[str]:
    """The runs of an asset's newest materialisations, and of the newest of each studio's partition."""
    runs: list[str] = []
    below: int | None = None
    while len(runs) < NEWEST:
        where = dg.AssetRecordsFilter(asset_key=asset, before_storage_id=below)
        newest = instance.fetch_materializations(where, limit=1).records
        if not newest or not newest[0].run_id:  # told without a run
            break
        runs.append(newest[0].run_id)
        first = instance.get_records_for_run(
            newest[0].run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION, limit=1
        ).records
        below = min(newest[0].storage_id, first[0].storage_id if first else newest[0].storage_id)
    here = set(instance.get_dynamic_partitions(WORKSPACE))
    latest = instance.get_latest_storage_id_by_partition(asset, dg.DagsterEventType.ASSET_MATERIALIZATION)
    wanted = sorted(storage_id for partition, storage_id in latest.items() if partition in here)
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        where = dg.AssetRecordsFilter(asset_key=asset, storage_ids=some)
        runs += {record.run_id for record in instance.fetch_materializations(where, limit=len(some)).records}
    return set(runs)


def _ended(instance: dg.DagsterInstance, statuses: Sequence[dg.DagsterRunStatus], before: datetime) -> Iterator[str]:
    """The ids of the runs that ended so before a moment."""
    where = dg.RunsFilter(statuses=list(statuses), updated_before=before)
    cursor: str | None = None
    while ids := instance.get_run_ids(where, cursor=cursor, limit=_AT_ONCE):
        yield from ids
        cursor = ids[-1]


def _has_old_runless(instance: dg.DagsterInstance, asset: dg.AssetKey, before: datetime) -> bool:
    """Whether an asset that is told of without runs has events from before a moment."""
    oldest = instance.fetch_materializations(asset, limit=1, ascending=True).records
    return bool(oldest) and not oldest[0].run_id and oldest[0].timestamp < before.timestamp()

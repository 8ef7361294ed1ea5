"""The safety net under the worker. What belongs here: when a run is asked for that drains what waits.

One run drains all lanes: a launch takes about five seconds, so one per lane would make the later lanes wait for it
again. Nothing is remembered between ticks: what waits is in the queue, who is at it is in Dagster's runs, so a
request that got lost is made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from pilar_pipelines.jobs.drain import drain
from pilar_pipelines.policies import DRAIN_TAG
from pilar_pipelines.resources.pilar import PilarResource

if TYPE_CHECKING:
    from pilar.draining import Due

LOST_AFTER = timedelta(minutes=2)
"""A run takes less than a minute; one that is not over by then is not counted on."""

_AT_WORK = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
_SEEN = 8
_FIRST_PAUSE = timedelta(seconds=10)


@dataclass(frozen=True)
class Seen:
    """A run that drains or has drained."""

    status: dg.DagsterRunStatus
    created_at: datetime


def reason_to_wait(due: Due, runs: Sequence[Seen], now: datetime) -> str | None:
    """Why no run is asked for now, or None if one is.

    Args:
        due: what there is to drain.
        runs: the last few runs, the newest first.
        now: real time.
    """
    if not due.total:
        return f"nothing waits; {due.workers} workers are alive"
    if any(run.status in _AT_WORK and now - run.created_at < LOST_AFTER for run in runs):
        return f"a run is at it: {due.total} pieces of work wait"
    failures = 0
    for run in runs:
        if run.status is not dg.DagsterRunStatus.FAILURE:
            break
        failures += 1
    # Something is broken that another run will not mend: a launch every five seconds would only eat the machine.
    if failures and now - runs[0].created_at < (pause := _FIRST_PAUSE * 2 ** (failures - 1)):
        return f"the last {failures} runs failed: the next one is {pause} after the last"
    return None


@dg.sensor(job=drain, minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def waiting_work(context: dg.SensorEvaluationContext, pilar: PilarResource) -> dg.RunRequest | dg.SkipReason:
    """Have drained what waits, or has waited for too long beside a living worker."""
    from pilar.database.engine import Scope
    from pilar.draining import look

    with pilar.database.transaction(Scope.fleet()) as connection:
        due = look(connection, pilar.clocks)
    now = datetime.now(UTC)
    runs: list[Seen] = []
    if due.total:
        records = context.instance.get_run_records(dg.RunsFilter(tags={DRAIN_TAG: "all"}), limit=_SEEN)
        runs = [Seen(record.dagster_run.status, record.create_timestamp) for record in records]
    if reason := reason_to_wait(due, runs, now):
        return dg.SkipReason(reason)
    waits = ", ".join(f"{lane.lane} {lane.count}" for lane in due.lanes)
    return dg.RunRequest(tags={"pilar/waiting": waits or f"scheduled {due.later}"})

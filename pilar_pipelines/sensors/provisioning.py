"""Provisioning that does not go on by itself. What belongs here: the cursor, and which run is asked for.

What does not: which jobs are stuck, and when each is tried again: these are provisioning's rules. One run takes all
studios that are due; what was tried is kept in the cursor, so a request that got lost is made again for the next try.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from pilar_pipelines.jobs.provisioning import follow_up_waits, resume_provisioning
from pilar_pipelines.resources.pilar import PilarResource

if TYPE_CHECKING:
    from pilar.provisioning.stuck import Tried

OVERDUE_AFTER = timedelta(minutes=20)
"""Of business time: the schedule follows waits up each quarter of an hour, and the worker each minute."""

LOOKED_AT = 1_000

_AT_WORK = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def read(cursor: str | None) -> dict[str, Tried]:
    """What was tried, out of a cursor."""
    from pilar.provisioning.stuck import Tried

    kept = json.loads(cursor) if cursor else {}
    return {studio: Tried(times, datetime.fromisoformat(at)) for studio, (times, at) in kept.items()}


def written(tried: Mapping[str, Tried]) -> str:
    """The cursor that says what was tried."""
    return json.dumps({studio: [one.times, one.at.isoformat()] for studio, one in tried.items()})


@dg.sensor(
    jobs=[resume_provisioning, follow_up_waits],
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def stuck_provisioning(context: dg.SensorEvaluationContext, pilar: PilarResource) -> dg.SensorResult:
    """Have provisioning tried again that failed or was lost, and waits followed up that nobody has looked after."""
    from pilar.database.engine import Scope
    from pilar.provisioning import stuck_store
    from pilar.provisioning.stuck import choose

    now = datetime.now(UTC)
    with pilar.database.transaction(Scope.fleet()) as connection:
        found = stuck_store.stuck(connection, size=LOOKED_AT)
        overdue = stuck_store.overdue_waits(connection, pilar.clocks.business.now() - OVERDUE_AFTER)
    chosen, tried = choose(found, read(context.cursor), now)

    def requests() -> Iterator[dg.RunRequest]:
        if chosen:
            config = {"ops": {"try_stuck_again": {"config": {"workspaces": [str(one) for one in chosen]}}}}
            yield dg.RunRequest(job_name=resume_provisioning.name, run_config=config)
        under_way = dg.RunsFilter(job_name=follow_up_waits.name, statuses=_AT_WORK)
        if overdue and not context.instance.get_run_ids(under_way, limit=1):
            yield dg.RunRequest(job_name=follow_up_waits.name, tags={"pilar/overdue": str(overdue)})

    wanted = list(requests())
    reason = None if wanted else f"{len(found)} jobs are stuck, and none is due to be tried again; no wait is overdue"
    return dg.SensorResult(run_requests=wanted, skip_reason=reason, cursor=written(tried))

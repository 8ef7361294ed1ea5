"""Shows in Dagster what was drained, by whomever. What belongs here: one event a minute at most.

The worker needs no Dagster for that: the queue's log tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from pilar_pipelines.assets.drained import work_drained
from pilar_pipelines.resources.pilar import PilarResource

if TYPE_CHECKING:
    from pilar.backplane.drained import LaneDrained

SETTLED = timedelta(seconds=5)
"""A log row's time is taken a little before its transaction commits: younger ones are left for the next tick."""

LONGEST = timedelta(hours=1)
"""After a longer absence only so much is told."""


def span(cursor: str | None, now: datetime) -> tuple[datetime, datetime]:
    """The time to tell about: from where the last tick ended to now, but for what is not settled."""
    until = now - SETTLED
    since = datetime.fromisoformat(cursor) if cursor else until - timedelta(minutes=1)
    return min(max(since, until - LONGEST), until), until


def told(lanes: Sequence[LaneDrained], since: datetime, until: datetime) -> dg.AssetMaterialization:
    """The event: counts and lags in seconds, per lane and together."""
    metadata: dict[str, int | float | str] = {
        "attempts": sum(lane.attempts for lane in lanes),
        "dead": sum(lane.dead for lane in lanes),
        "worst_lag": round(max(lane.worst_lag for lane in lanes), 3),
        "from": since.isoformat(timespec="seconds"),
        "to": until.isoformat(timespec="seconds"),
    }
    for lane in lanes:
        metadata[f"{lane.lane}/done"] = lane.done
        metadata[f"{lane.lane}/median_lag"] = round(lane.median_lag, 3)
    return dg.AssetMaterialization(asset_key=work_drained.key, metadata=metadata)


@dg.sensor(minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def drained_work(context: dg.SensorEvaluationContext, pilar: PilarResource) -> dg.SensorResult:
    """What was drained since the last look."""
    from pilar.backplane.drained import drained_between
    from pilar.database.engine import Scope

    since, until = span(context.cursor, datetime.now(UTC))
    with pilar.database.transaction(Scope.fleet()) as connection:
        lanes = drained_between(connection, since, until)
    if not lanes:
        return dg.SensorResult(skip_reason="nothing was drained", cursor=until.isoformat())
    return dg.SensorResult(asset_events=[told(lanes, since, until)], cursor=until.isoformat())

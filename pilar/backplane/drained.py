"""What was drained, as the queue's log tells. What belongs here: counts and lags for monitoring."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from pilar.backplane.queue_tables import queue_log


@dataclass(frozen=True)
class LaneDrained:
    """The attempts of one lane that ended in a span of time.

    Attributes:
        lane: which lane.
        attempts: how many ended.
        done: how many of them did the work.
        dead: how many gave up for good.
        median_lag: seconds from when the work was due until it was claimed: one half waited less.
        worst_lag: the same for the one that waited longest.
    """

    lane: str
    attempts: int
    done: int
    dead: int
    median_lag: float
    worst_lag: float


def drained_between(connection: Connection, since: datetime, until: datetime) -> list[LaneDrained]:
    """What was drained in each lane after one moment and up to another (real time). Needs the fleet's scope."""
    lag = func.extract("epoch", queue_log.c.claimed_at - queue_log.c.due_at)
    rows = connection.execute(
        select(
            queue_log.c.lane,
            func.count().label("attempts"),
            func.count().filter(queue_log.c.outcome == "done").label("done"),
            func.count().filter(queue_log.c.outcome == "dead").label("dead"),
            func.percentile_cont(0.5).within_group(lag).label("median_lag"),
            func.max(lag).label("worst_lag"),
        )
        .where(queue_log.c.finished_at > since, queue_log.c.finished_at <= until)
        .group_by(queue_log.c.lane)
        .order_by(queue_log.c.lane)
    ).all()
    return [
        LaneDrained(row.lane, row.attempts, row.done, row.dead, float(row.median_lag), float(row.worst_lag))
        for row in rows
    ]

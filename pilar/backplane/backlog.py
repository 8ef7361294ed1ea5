"""What is waiting. What belongs here: counts for sensors, pages and benchmarks; nothing changes anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, or_, select

from pilar.backplane.queue_tables import dead_letter, queue, scheduled


@dataclass(frozen=True)
class Waiting:
    """Work of one lane that is due and not claimed."""

    lane: str
    count: int
    oldest: datetime


def waiting(connection: Connection, now: datetime, *, for_at_least: timedelta = timedelta(0)) -> list[Waiting]:
    """What waits in each lane, by real time, leaving out what is leased or came in too recently."""
    rows = connection.execute(
        select(
            queue.c.lane,
            func.count().label("count"),
            func.min(queue.c.due_at).label("oldest"),
        )
        .where(
            queue.c.due_at <= now - for_at_least,
            or_(queue.c.lease_until.is_(None), queue.c.lease_until < now),
        )
        .group_by(queue.c.lane)
        .order_by(queue.c.lane)
    ).all()
    return [Waiting(row.lane, row[1], row.oldest) for row in rows]


def later_due(connection: Connection, *, business_now: datetime, real_now: datetime) -> int:
    """How much scheduled work has come due and is not promoted yet."""
    due = or_(
        scheduled.c.business_time.is_(True) & (scheduled.c.due_at <= business_now),
        scheduled.c.business_time.is_(False) & (scheduled.c.due_at <= real_now),
    )
    return int(connection.execute(select(func.count()).select_from(scheduled).where(due)).scalar_one())


def dead_letters(connection: Connection) -> int:
    """How much work can't be done without help."""
    return int(connection.execute(select(func.count()).select_from(dead_letter)).scalar_one())

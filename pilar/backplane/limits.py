"""Limits on how often something may be done: a count per subject and window of real time.

What belongs here: counting. Which limits there are is said where they apply.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete
from sqlalchemy.dialects.postgresql import insert as upsert

from pilar.backplane.tables import limit_counter
from pilar.errors import TooManyRequests


@dataclass(frozen=True)
class Limit:
    """At most `amount` per `window`, counted for each subject."""

    name: str
    amount: int
    window: timedelta


EVENTS = Limit("events_posted", 1_000, timedelta(hours=1))
JOBS = Limit("jobs_posted", 500, timedelta(hours=1))
LOCKS = Limit("locks_acquired", 100, timedelta(minutes=1))
"""What comes in over the API, for each workspace."""


def take(connection: Connection, limit: Limit, subject: str, now: datetime, *, cost: int = 1) -> int:
    """Count one use and return how many are left in this window.

    Raises:
        TooManyRequests: the limit is reached; `retry_after` is the time until the window ends. The use is counted
            all the same if the caller commits, so that hammering does not pay.
    """
    start = _window_start(limit.window, now)
    statement = upsert(limit_counter).values(name=limit.name, subject=subject, window_start=start, count=cost)
    count = connection.execute(
        statement.on_conflict_do_update(
            constraint=limit_counter.primary_key, set_={"count": limit_counter.c.count + cost}
        ).returning(limit_counter.c.count)
    ).scalar_one()
    if count > limit.amount:
        raise TooManyRequests(
            f"At most {limit.amount} per {_words(limit.window)}: wait and try again.",
            retry_after=start + limit.window - now,
        )
    return limit.amount - int(count)


def forget_past_windows(connection: Connection, now: datetime, *, older_than: timedelta = timedelta(days=2)) -> int:
    """Delete counters of windows that ended long ago; return how many."""
    return connection.execute(delete(limit_counter).where(limit_counter.c.window_start < now - older_than)).rowcount


def _window_start(window: timedelta, now: datetime) -> datetime:
    seconds = window.total_seconds()
    return datetime.fromtimestamp(now.timestamp() // seconds * seconds, UTC)


def _words(window: timedelta) -> str:
    names = {timedelta(minutes=1): "minute", timedelta(hours=1): "hour", timedelta(days=1): "day"}
    return names.get(window, f"{window.total_seconds():g} seconds")

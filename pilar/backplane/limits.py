"""Limits on how often something may be done: a count per subject and window of real time.

What belongs here: counting, and the limits of a workspace on the backplane itself. Others are said where they apply.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, func, text, update

from pilar.backplane.tables import limit_counter
from pilar.errors import Invalid, TooManyRequests


@dataclass(frozen=True)
class Limit:
    """At most `amount` per `window`, counted for each subject."""

    name: str
    amount: int
    window: timedelta


EVENTS = Limit("events_posted", 1_000, timedelta(hours=1))
"""Events that a workspace posts."""

JOBS = Limit("jobs_posted", 500, timedelta(hours=1))
"""Jobs that a workspace posts."""

LOCKS = Limit("locks_acquired", 100, timedelta(minutes=1))
"""Locks that a workspace asks for, whether it gets them or not."""

_MOST = 2**31 - 1
"""What the counter holds."""

# In the order of subjects, so that two batches wait for each other in no circle.
_TAKE_MANY = text(
    """
    insert into limit_counter as counter (name, subject, window_start, count)
    select :name, subject, :start, cost
    from unnest(cast(:subjects as text[]), cast(:costs as int[])) as given (subject, cost)
    order by subject
    on conflict (name, subject, window_start)
      do update set count = least(cast(counter.count as bigint) + excluded.count, :most)
    returning subject, count as counted
    """
)


def take(connection: Connection, limit: Limit, subject: str, now: datetime, *, cost: int = 1) -> int:
    """Count uses and return how many are left in this window.

    Args:
        connection: a transaction in the fleet's scope.
        limit: which.
        subject: who is counted.
        now: real time.
        cost: how many uses these are: all of them fit, or none.

    Raises:
        Invalid: so many at once never fit.
        TooManyRequests: the limit is reached; `retry_after` is the time until the window ends. The uses are counted
            all the same if the caller commits, so that hammering does not pay.
    """
    if cost > limit.amount:
        raise Invalid(f"At most {limit.amount} per {_words(limit.window)}: {cost} at once are too many.")
    left = take_many(connection, limit, {subject: cost}, now)[subject]
    if left < 0:
        raise TooManyRequests(
            f"At most {limit.amount} per {_words(limit.window)}: wait and try again.",
            retry_after=_window_start(limit.window, now) + limit.window - now,
        )
    return left


def give_back(connection: Connection, limit: Limit, subject: str, now: datetime) -> None:
    """Count one use less in this window, where it turned out to be none; never below zero."""
    window = limit_counter.c.window_start == _window_start(limit.window, now)
    counter = update(limit_counter).filter_by(name=limit.name, subject=subject).where(window)
    connection.execute(counter.values(count=func.greatest(limit_counter.c.count - 1, 0)))


def take_many(connection: Connection, limit: Limit, costs: Mapping[str, int], now: datetime) -> dict[str, int]:
    """Count uses of many subjects in one statement; how many are left to each, negative for who is over the limit.

    Args:
        connection: a transaction in the fleet's scope.
        limit: which.
        costs: how many uses, by subject.
        now: real time.
    """
    if any(not 0 < cost <= _MOST for cost in costs.values()):
        raise ValueError("a cost is a positive number")
    values = {
        "name": limit.name,
        "start": _window_start(limit.window, now),
        "subjects": list(costs),
        "costs": list(costs.values()),
        "most": _MOST,
    }
    return {row.subject: limit.amount - int(row.counted) for row in connection.execute(_TAKE_MANY, values)}


def forget_past_windows(connection: Connection, now: datetime, *, older_than: timedelta = timedelta(days=2)) -> int:
    """Delete counters of windows that ended long ago; return how many."""
    return connection.execute(delete(limit_counter).where(limit_counter.c.window_start < now - older_than)).rowcount


def _window_start(window: timedelta, now: datetime) -> datetime:
    seconds = window.total_seconds()
    return datetime.fromtimestamp(now.timestamp() // seconds * seconds, UTC)


def _words(window: timedelta) -> str:
    names = {timedelta(minutes=1): "minute", timedelta(hours=1): "hour", timedelta(days=1): "day"}
    return names.get(window, f"{window.total_seconds():g} seconds")

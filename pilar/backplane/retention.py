"""What is made ahead and what is dropped. What belongs here: partitions of the queue's log, and forgetting by age."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, delete, text

from pilar.backplane import budgets, heartbeat, idempotency, limits, locks
from pilar.backplane.tables import idempotency_key
from pilar.clocks import Clocks

MADE_AHEAD = 7
LOG_KEPT_FOR = timedelta(days=30)
KEYS_KEPT_FOR = timedelta(days=90)
"""Longer than any provider retries a webhook."""


@dataclass(frozen=True)
class CleanedUp:
    """What one clean-up did."""

    partitions_made: int
    partitions_dropped: int
    keys: int
    locks: int
    counters: int
    answers: int
    heartbeats: int
    reservations: int


def clean_up(connection: Connection, clocks: Clocks) -> CleanedUp:
    """Make partitions ahead, and forget what is past its time."""
    now = clocks.real.now()
    return CleanedUp(
        partitions_made=make_partitions(connection, now),
        partitions_dropped=drop_partitions(connection, now),
        keys=connection.execute(
            delete(idempotency_key).where(idempotency_key.c.recorded_at < now - KEYS_KEPT_FOR)
        ).rowcount,
        locks=locks.remove_expired(connection, now),
        counters=limits.forget_past_windows(connection, now),
        answers=idempotency.forget_old(connection, now),
        heartbeats=heartbeat.forget_dead(connection, now),
        reservations=budgets.expire_reservations(connection, now),
    )


def make_partitions(connection: Connection, now: datetime) -> int:
    """Make the log's partitions for today and the days ahead; return how many were missing.

    Rows of a day without one go to the default partition, so a missed run loses nothing.
    """
    made = connection.execute(
        text("select pilar_make_log_partitions(:first, :days)"),
        {"first": now.astimezone(UTC).date(), "days": MADE_AHEAD + 1},
    ).scalar_one()
    return int(made)


def drop_partitions(connection: Connection, now: datetime) -> int:
    """Drop the log's partitions that are past their time; return how many."""
    last: date = (now - LOG_KEPT_FOR).astimezone(UTC).date()
    return int(connection.execute(text("select pilar_drop_log_partitions(:before)"), {"before": last}).scalar_one())

"""What is made ahead and what is forgotten. What belongs here: partitions of the queue's log, and forgetting by age.

What does not: how long anything is kept (the settings say), and what the rooms above forget of their own.

Each batch is a transaction of its own, so that a clean-up blocks nobody for long and one that is killed has lost
nothing. Facts and audit entries are append-only for everybody who works with them; they go through the owner's
functions alone, which take what is finished and past its time and nothing else (`docs/adr/0015-the-ledger.md`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, column, delete, exists, select, table, text, tuple_

from pilar.backplane import budgets, heartbeat, idempotency, limits, locks, tallies
from pilar.backplane.tables import effect, idempotency_key
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.settings import Settings

MADE_AHEAD = 7
BATCH = 5_000
"""Rows that one transaction looks at."""


_pending = table("pending_work", column("position"))


@dataclass(frozen=True)
class Keep:
    """How long things are kept.

    Attributes:
        log: the log of attempts.
        keys: idempotency keys.
        deliveries: webhooks as they came, with their bodies; while one is kept, its repetition is told.
        facts: events and jobs that are done.
        effects: settled effects of kinds that pass; what stands for good at a provider is never forgotten.
        audit: the audit log; its seal stays.
    """

    log: timedelta
    keys: timedelta
    deliveries: timedelta
    facts: timedelta
    effects: timedelta
    audit: timedelta

    @staticmethod
    def of(settings: Settings) -> Keep:
        """As the settings say."""
        return Keep(
            log=timedelta(days=settings.log_kept_days),
            keys=timedelta(days=settings.keys_kept_days),
            deliveries=timedelta(days=settings.deliveries_kept_days),
            facts=timedelta(days=settings.facts_kept_days),
            effects=timedelta(days=settings.effects_kept_days),
            audit=timedelta(days=settings.audit_kept_days),
        )


@dataclass(frozen=True)
class CleanedUp:
    """What one clean-up did.

    Attributes:
        is_complete: whether it came to the end; else the deadline did first, and the next clean-up goes on.
    """

    partitions_made: int
    partitions_dropped: int
    keys: int
    tallies: int
    locks: int
    counters: int
    answers: int
    heartbeats: int
    reservations: int
    budgets: int
    deliveries: int
    events: int
    jobs: int
    effects: int
    audit_entries: int
    is_complete: bool


def clean_up(
    database: Database,
    clocks: Clocks,
    keep: Keep,
    *,
    effect_kinds: Sequence[str] = (),
    deadline: datetime | None = None,
    batch: int = BATCH,
) -> CleanedUp:
    """Make partitions ahead, and forget what is past its time.

    Args:
        database: each batch is a transaction of its own.
        clocks: real time decides; of budgets, business time.
        keep: how long things are kept.
        effect_kinds: kinds of effects that may be forgotten at all.
        deadline: when to begin no further batch (real time).
        batch: how many rows one transaction looks at.

    Raises:
        Transient: the database is away; what was forgotten until then stays so.
    """
    now = clocks.real.now()
    forgetting = _Forgetting(database, clocks, deadline, batch)

    def once(work: Callable[[Connection], int]) -> int:
        with database.transaction(Scope.fleet()) as connection:
            return work(connection)

    return CleanedUp(
        partitions_made=once(lambda connection: make_partitions(connection, now)),
        partitions_dropped=once(lambda connection: drop_partitions(connection, now - keep.log)),
        # Without a worker they are added up here alone.
        tallies=once(
            lambda connection: tallies.add_up(connection, now) + tallies.forget_old(connection, now - keep.log)
        ),
        locks=once(lambda connection: locks.remove_expired(connection, now)),
        counters=once(lambda connection: limits.forget_past_windows(connection, now)),
        answers=once(lambda connection: idempotency.forget_old(connection, now)),
        heartbeats=once(lambda connection: heartbeat.forget_dead(connection, now)),
        reservations=once(lambda connection: budgets.expire_reservations(connection, now)),
        budgets=forgetting.budgets(),
        keys=forgetting.keys(now - keep.keys),
        deliveries=forgetting.facts("inbox", now - keep.deliveries),
        events=forgetting.facts("autopilot_event", now - keep.facts),
        jobs=forgetting.facts("autopilot_job", now - keep.facts),
        effects=forgetting.effects(now - keep.effects, effect_kinds),
        audit_entries=forgetting.audit(now - keep.audit),
        is_complete=not forgetting.is_cut_short,
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


def drop_partitions(connection: Connection, before: datetime) -> int:
    """Drop the log's partitions that end before a day; return how many."""
    day: date = before.astimezone(UTC).date()
    return int(connection.execute(text("select pilar_drop_log_partitions(:before)"), {"before": day}).scalar_one())


def _is_pending() -> ColumnElement[bool]:
    return exists(select(_pending.c.position).where(_pending.c.position == idempotency_key.c.position))


class _Forgetting:
    """Forgets in batches until nothing is left to forget, or the deadline has come."""

    def __init__(self, database: Database, clocks: Clocks, deadline: datetime | None, batch: int) -> None:
        self._database = database
        self._clocks = clocks
        self._deadline = deadline
        self._batch = batch
        self.is_cut_short = False

    def budgets(self) -> int:
        """What was used in hours and days that ended long ago, by business time."""
        now = self._clocks.business.now()
        return self._until_none(lambda connection: budgets.forget_past_windows(connection, now, most=self._batch))

    def keys(self, before: datetime) -> int:
        """Idempotency keys. While the work of one waits, its key keeps a second one from being asked for."""
        key = (idempotency_key.c.workspace_id, idempotency_key.c.digest)
        old = select(*key).where(idempotency_key.c.recorded_at < before, ~_is_pending()).limit(self._batch)
        statement = delete(idempotency_key).where(tuple_(*key).in_(old))
        return self._until_none(lambda connection: connection.execute(statement).rowcount)

    def facts(self, name: str, before: datetime) -> int:
        """Facts by position, from the lowest on: what is not finished is stepped over, and stays."""
        above, gone = -1, 0
        statement = text(f"select reached, old, gone from pilar_forget_{name}(:before, :above, :size)")
        while self._goes_on():
            with self._database.transaction(Scope.fleet()) as connection:
                values = {"before": before, "above": above, "size": self._batch}
                done = connection.execute(statement, values).one()
            gone += done.gone
            # Positions grow with time, but for a few that a connection had in reserve: all are young from here on.
            if done.reached is None or done.old == 0:
                break
            above = done.reached
        return gone

    def effects(self, before: datetime, kinds: Sequence[str]) -> int:
        """Effects that are settled."""
        old = (
            select(effect.c.id)
            .where(effect.c.settled_at < before, effect.c.state.in_(["confirmed", "failed"]), effect.c.kind.in_(kinds))
            .order_by(effect.c.settled_at)
            .limit(self._batch)
        )
        statement = delete(effect).where(effect.c.id.in_(old))
        return self._until_none(lambda connection: connection.execute(statement).rowcount)

    def audit(self, before: datetime) -> int:
        """Audit entries, by whole segments that are sealed."""
        statement = text("select pilar_forget_audit(:before, :now)")
        values = {"before": before, "now": self._clocks.real.now()}
        return self._until_none(lambda connection: int(connection.execute(statement, values).scalar_one()))

    def _until_none(self, forget: Callable[[Connection], int]) -> int:
        gone = 0
        while self._goes_on():
            with self._database.transaction(Scope.fleet()) as connection:
                forgotten = forget(connection)
            gone += forgotten
            if forgotten == 0:
                break
        return gone

    def _goes_on(self) -> bool:
        if self._deadline is not None and self._clocks.real.now() >= self._deadline:
            self.is_cut_short = True
        return not self.is_cut_short

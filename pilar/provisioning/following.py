"""Following up steps that wait: reminders, looks for a wake-up that was lost, and the end of a wait in vain.

What belongs here: one sweep over all studios, in batches, each batch in one transaction with what follows from it, so
that a sweep that is killed has done whole batches and nothing else. The worker and Dagster both run it, at the same
time if it happens so. What does not: the rules (`waits.py`), SQL (`wait_store.py`), mails (`wait_notices.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection

from pilar.backplane import audit, facts
from pilar.backplane.facts import Cause, Event, Lane, emit, enqueue
from pilar.backplane.notices import IncidentRequested, Severity, incident
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.provisioning import number_waits, told_incidents, wait_store, waits
from pilar.provisioning.events import AdvanceProvisioning, TellOwner, WaitExpired
from pilar.provisioning.runner import at_once

BATCH = 500


@dataclass(frozen=True)
class FollowedUp:
    """What a sweep found: reminders that came due, waits that expired, steps that were let look again."""

    reminded: int = 0
    expired: int = 0
    looked: int = 0

    @property
    def total(self) -> int:
        """How much there was to do."""
        return self.reminded + self.expired + self.looked


def follow_up(database: Database, clocks: Clocks, *, deadline: datetime) -> FollowedUp:
    """Do what is due about waits, by business time.

    Args:
        database: all studios' waits.
        clocks: both clocks.
        deadline: when to begin no other batch (real time); the rest is the next sweep's.
    """

    def swept(batch: Callable[[Connection, Clocks], int]) -> int:
        total = 0
        while clocks.real.now() < deadline:
            with database.transaction(Scope.fleet()) as connection:
                found = batch(connection, clocks)
            total += found
            if found < BATCH:
                break
        return total

    swept(_schedule)
    # What has expired is not reminded of any more.
    expired = swept(_expire) + swept(partial(number_waits.expire, size=BATCH))
    reminded = swept(_remind) + swept(partial(number_waits.remind, size=BATCH))
    return FollowedUp(expired=expired, reminded=reminded, looked=swept(_look))


def _schedule(connection: Connection, clocks: Clocks) -> int:
    """Waits of before they were followed up begin now."""
    rows = wait_store.unscheduled(connection, BATCH)
    now = clocks.business.now()
    times = [waits.times_of(row.waits_on, now, row.name) for row in rows]
    keys = [(row.job_id, row.name) for row in rows]
    wait_store.set_moments(connection, keys, "waits_from", [now] * len(rows))
    wait_store.set_moments(connection, keys, "remind_at", [one.remind_at for one in times])
    wait_store.set_moments(connection, keys, "look_at", [one.look_at for one in times])
    wait_store.set_moments(connection, keys, "expires_at", [one.expires_at for one in times])
    return len(rows)


def _remind(connection: Connection, clocks: Clocks) -> int:
    now = clocks.business.now()
    rows = wait_store.due(connection, "remind_at", now, BATCH)
    keys = [(row.job_id, row.name) for row in rows]
    # Who was not looked after for days gets one reminder for all that have come due.
    due = [waits.reminders_due(row.waits_on, row.waits_from, now) for row in rows]
    wait_store.set_moments(connection, keys, "remind_at", [following for _, following in due])
    wait_store.set_reminders(connection, keys, [number for number, _ in due])
    for row, (number, _) in zip(rows, due, strict=True):
        if waits.POLICIES[row.waits_on].reminded == "owner":
            _tell_owner(connection, clocks, row, number)
        else:
            days = (now - row.waits_from).days
            since = "since today" if days < 1 else f"for {days} day{'s' if days > 1 else ''}"
            _tell_founder(connection, clocks, row, f"reminder:{number}", "medium", f"It has waited {since}.")
    return len(rows)


def _look(connection: Connection, clocks: Clocks) -> int:
    now = clocks.business.now()
    rows = wait_store.due(connection, "look_at", now, BATCH)
    following = [now + every if (every := waits.look_every(row.waits_on, row.name)) else None for row in rows]
    wait_store.set_moments(connection, [(row.job_id, row.name) for row in rows], "look_at", following)
    for row in rows:
        look = facts.Job(
            payload=AdvanceProvisioning(job_id=row.job_id),
            key=f"{row.job_id}:look:{row.name}:{now.isoformat()}",
            workspace_id=row.workspace_id,
            lane=Lane.BULK,
            concurrency=at_once(row.workspace_id),
        )
        enqueue(connection, clocks, [look], Cause(row.correlation_id))
    return len(rows)


def _expire(connection: Connection, clocks: Clocks) -> int:
    rows = wait_store.due(connection, "expires_at", clocks.business.now(), BATCH)
    wait_store.expire(connection, [(row.job_id, row.name) for row in rows])
    for row in rows:
        audit.record(
            connection,
            actor=audit.SYSTEM,
            action="provisioning.wait_expired",
            subject=f"step:{row.name}",
            now=clocks.real.now(),
            workspace_id=row.workspace_id,
            correlation_id=row.correlation_id,
            details={"on": row.waits_on, "reason": row.wait_reason, "round": row.wait_round},
        )
        told = Event(
            payload=WaitExpired(job_id=row.job_id, step=row.name, waits_on=row.waits_on),
            key=f"expired:{row.job_id}:{row.name}:{row.wait_round}",
            aggregate=("provisioning_job", str(row.job_id)),
            workspace_id=row.workspace_id,
        )
        emit(connection, clocks, [told], Cause(row.correlation_id))
        _tell_founder(connection, clocks, row, "expired", "high", "It has waited in vain and is not followed any more.")
        _tell_owner(connection, clocks, row, 0)
    return len(rows)


def _tell_owner(connection: Connection, clocks: Clocks, row: Any, number: int) -> None:
    tell = facts.Job(
        payload=TellOwner(job_id=row.job_id, step=row.name, wait_round=row.wait_round, number=number),
        key=f"tell:{row.job_id}:{row.name}:{row.wait_round}:{number}",
        workspace_id=row.workspace_id,
        lane=Lane.BULK,
    )
    enqueue(connection, clocks, [tell], Cause(row.correlation_id))


def _tell_founder(
    connection: Connection, clocks: Clocks, row: Any, occasion: str, severity: Severity, since: str
) -> None:
    known_by = told_incidents.vain_wait if occasion == "expired" else told_incidents.long_wait
    where: Sequence[str] = [row.wait_link] if row.wait_link else []
    request = IncidentRequested(
        dedupe_key=known_by(row.job_id, row.name),
        title=f"Provisioning waits: {row.title or row.name}",
        description=" ".join([row.wait_reason, since, *where]),
        severity=severity,
        component="provisioning",
    )
    key = f"{row.job_id}:{row.name}:{row.wait_round}:{occasion}"
    asked = incident(request, key=key, workspace_id=row.workspace_id)
    emit(connection, clocks, [asked], Cause(row.correlation_id))

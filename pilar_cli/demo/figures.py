"""Reading what happened from the database. What belongs here: the demonstration's queries over several rooms' tables.

They are here because no room may look into so many others; nothing is ever written.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, func, select

from pilar.affiliates.tables import ledger_entry
from pilar.backplane.tables import effect, inbox
from pilar.database.engine import Database, Scope
from pilar.provisioning.tables import provisioning_job, provisioning_step
from pilar.workspaces.tables import workspace


@dataclass(frozen=True)
class StepTimes:
    """A step of a studio; times are real time."""

    name: str
    status: str
    started_at: datetime | None
    completed_at: datetime | None
    waits_on: str | None
    wait_reason: str | None
    wait_since: datetime | None
    error: str | None

    @property
    def seconds(self) -> float | None:
        """From the first attempt to completion."""
        if self.started_at is None or self.completed_at is None:
            return None
        return (self.completed_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class Studio:
    """A studio on its way."""

    subscription: str
    workspace_id: UUID
    state: str
    """The studio's own; `provisioning` before there is one."""
    steps: tuple[StepTimes, ...]

    @property
    def is_active(self) -> bool:
        """Whether it works."""
        return self.state == "active" and self.completed_at is not None

    @property
    def completed_at(self) -> datetime | None:
        """When its last step was completed, None before."""
        moments = [step.completed_at for step in self.steps]
        return max((moment for moment in moments if moment), default=None) if all(moments) else None

    @property
    def current(self) -> StepTimes | None:
        """The step it is at."""
        return next((step for step in self.steps if step.completed_at is None), None)


def studios(database: Database, subscriptions: Collection[str]) -> dict[str, Studio]:
    """The studios that were begun for these subscriptions, by subscription."""
    query = (
        select(provisioning_job, workspace.c.state.label("workspace_state"))
        .outerjoin(workspace, workspace.c.workspace_id == provisioning_job.c.workspace_id)
        .where(provisioning_job.c.stripe_subscription_id.in_(subscriptions))
    )
    with database.transaction(Scope.fleet()) as connection:
        jobs = connection.execute(query).all()
        steps = _steps(connection, [job.id for job in jobs])
    return {
        job.stripe_subscription_id: Studio(
            job.stripe_subscription_id,
            job.workspace_id,
            job.workspace_state or "provisioning",
            tuple(steps.get(job.id, ())),
        )
        for job in jobs
    }


def active_studios(database: Database) -> list[UUID]:
    """Every studio that works, of earlier runs too."""
    query = select(workspace.c.workspace_id).where(workspace.c.state == "active")
    with database.transaction(Scope.fleet()) as connection:
        return list(connection.scalars(query))


def inbox_counts(database: Database) -> dict[str, int]:
    """How many deliveries were taken in from each provider."""
    query = select(inbox.c.provider, func.count()).group_by(inbox.c.provider)
    with database.transaction(Scope.fleet()) as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def effect_counts(database: Database) -> dict[str, int]:
    """How many effects of each kind are on record as done."""
    query = select(effect.c.kind, func.count()).where(effect.c.state == "confirmed").group_by(effect.c.kind)
    with database.transaction(Scope.fleet()) as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def has_commission(database: Database, affiliate: UUID) -> bool:
    """Whether an affiliate has earned anything."""
    return _has_entry(database, affiliate, "earned")


def has_clawback(database: Database, affiliate: UUID) -> bool:
    """Whether something of what an affiliate had earned was taken back."""
    return _has_entry(database, affiliate, "clawed_back")


def _has_entry(database: Database, affiliate: UUID, kind: str) -> bool:
    query = select(ledger_entry.c.id).filter_by(affiliate_id=affiliate, kind=kind).limit(1)
    with database.transaction(Scope.fleet()) as connection:
        return connection.execute(query).first() is not None


def _steps(connection: Connection, jobs: Sequence[UUID]) -> dict[UUID, list[StepTimes]]:
    found: dict[UUID, list[StepTimes]] = {}
    query = select(provisioning_step).where(provisioning_step.c.job_id.in_(jobs)).order_by(provisioning_step.c.ordinal)
    for row in connection.execute(query):
        found.setdefault(row.job_id, []).append(
            StepTimes(
                row.name,
                row.status,
                row.started_at,
                row.completed_at,
                row.waits_on,
                row.wait_reason,
                row.wait_since,
                row.error,
            )
        )
    return found

"""The SQL of provisioning. What belongs here: reading and writing rows; the rules are in the runner and the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from pilar.errors import NotFound
from pilar.provisioning.steps import STEPS_VERSION, Job, Step
from pilar.provisioning.tables import provisioning_job, provisioning_step, verification_code


@dataclass(frozen=True)
class NewJob:
    """A job to be begun."""

    id: UUID
    workspace_id: UUID
    stripe_subscription_id: str
    stripe_customer_id: str
    correlation_id: UUID
    setup_token_hash: bytes
    sealed_setup_token: bytes


def create_job(connection: Connection, job: NewJob, steps: Sequence[Step], now: datetime) -> bool:
    """Begin a job unless the subscription has one; return whether it is new."""
    made = connection.execute(
        insert(provisioning_job)
        .values(
            workspace_id=job.workspace_id,
            id=job.id,
            steps_version=STEPS_VERSION,
            state="running",
            stripe_subscription_id=job.stripe_subscription_id,
            stripe_customer_id=job.stripe_customer_id,
            correlation_id=job.correlation_id,
            setup_token_hash=job.setup_token_hash,
            sealed_setup_token=job.sealed_setup_token,
            setup_round=0,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["stripe_subscription_id"])
    ).rowcount
    if made:
        ensure_steps(connection, job.workspace_id, job.id, steps)
    return made == 1


def ensure_steps(connection: Connection, workspace_id: UUID, job_id: UUID, steps: Sequence[Step]) -> None:
    """Give a job the rows of its steps: of those it was begun with, and those that have come since."""
    rows = [
        {
            "workspace_id": workspace_id,
            "job_id": job_id,
            "name": step.name,
            "ordinal": ordinal,
            "title": step.title,
            "status": "pending",
            "attempts": 0,
        }
        for ordinal, step in enumerate(steps, start=1)
    ]
    statement = insert(provisioning_step).values(rows)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["workspace_id", "job_id", "name"],
            set_={"ordinal": statement.excluded.ordinal, "title": statement.excluded.title},
            where=or_(
                provisioning_step.c.ordinal != statement.excluded.ordinal,
                provisioning_step.c.title.is_distinct_from(statement.excluded.title),
            ),
        )
    )
    connection.execute(update(provisioning_job).filter_by(id=job_id).values(steps_version=STEPS_VERSION))


def get_job(connection: Connection, job_id: UUID) -> Row[Any]:
    """A job's row; raise `NotFound` where this scope sees none."""
    return _one(connection.execute(select(provisioning_job).filter_by(id=job_id)).one_or_none())


def job_of_workspace(connection: Connection, workspace_id: UUID) -> Row[Any]:
    """The job of a studio; raise `NotFound` where this scope sees none."""
    return _one(connection.execute(select(provisioning_job).filter_by(workspace_id=workspace_id)).one_or_none())


def find_job_of_workspace(connection: Connection, workspace_id: UUID) -> Row[Any] | None:
    """The job of a studio, if it has one."""
    return connection.execute(select(provisioning_job).filter_by(workspace_id=workspace_id)).one_or_none()


def job_by_token(connection: Connection, token_hash: bytes) -> Row[Any]:
    """The job that a set-up link leads to; raise `NotFound` for a link that leads nowhere."""
    found = connection.execute(select(provisioning_job).filter_by(setup_token_hash=token_hash)).one_or_none()
    if found is None:
        raise NotFound("This link leads nowhere: ask for a new one.")
    return found


def job_of_subscription(connection: Connection, subscription_id: str) -> Row[Any] | None:
    """The job of a paid subscription, if there is one."""
    return connection.execute(select(provisioning_job).filter_by(stripe_subscription_id=subscription_id)).one_or_none()


def steps_of(connection: Connection, job_id: UUID) -> list[Row[Any]]:
    """A job's steps, in order."""
    query = select(provisioning_step).filter_by(job_id=job_id).order_by(provisioning_step.c.ordinal)
    return list(connection.execute(query).all())


def job_view(row: Row[Any], steps: Sequence[Row[Any]]) -> Job:
    """A job as its steps see it."""
    return Job(
        id=row.id,
        workspace_id=row.workspace_id,
        stripe_subscription_id=row.stripe_subscription_id,
        stripe_customer_id=row.stripe_customer_id,
        correlation_id=row.correlation_id,
        setup_round=row.setup_round,
        results={step.name: step.result or {} for step in steps if step.status == "completed"},
    )


def set_step(connection: Connection, job_id: UUID, name: str, values: Mapping[str, Any]) -> None:
    """Change a step's row."""
    connection.execute(update(provisioning_step).filter_by(job_id=job_id, name=name).values(dict(values)))


def begin_step(connection: Connection, job_id: UUID, name: str, now: datetime) -> None:
    """Note that a step is attempted; the time of its first attempt stays."""
    connection.execute(
        update(provisioning_step)
        .filter_by(job_id=job_id, name=name)
        .values(
            status="in_progress",
            attempts=provisioning_step.c.attempts + 1,
            started_at=func.coalesce(provisioning_step.c.started_at, now),
        )
    )


def set_job(connection: Connection, job_id: UUID, values: Mapping[str, Any]) -> None:
    """Change a job's row."""
    connection.execute(update(provisioning_job).filter_by(id=job_id).values(dict(values)))


def save_code(connection: Connection, workspace_id: UUID, message_id: str, sealed_code: bytes, now: datetime) -> None:
    """Keep a verification code; the same message is kept once."""
    connection.execute(
        insert(verification_code)
        .values(workspace_id=workspace_id, message_id=message_id, sealed_code=sealed_code, received_at=now)
        .on_conflict_do_nothing()
    )


def unused_code(connection: Connection, workspace_id: UUID) -> Row[Any] | None:
    """The newest verification code that was not tried yet."""
    return connection.execute(
        select(verification_code)
        .filter_by(workspace_id=workspace_id, used_at=None)
        .order_by(verification_code.c.received_at.desc())
        .limit(1)
    ).one_or_none()


def codes_tried(connection: Connection, workspace_id: UUID) -> int:
    """How many verification codes were tried."""
    tried = select(func.count()).select_from(verification_code).filter_by(workspace_id=workspace_id)
    return int(connection.execute(tried.where(verification_code.c.used_at.is_not(None))).scalar_one())


def codes_received(connection: Connection, workspace_id: UUID) -> int:
    """How many verification codes have come, tried or not."""
    received = select(func.count()).select_from(verification_code).filter_by(workspace_id=workspace_id)
    return int(connection.execute(received).scalar_one())


def use_code(connection: Connection, workspace_id: UUID, message_id: str, now: datetime) -> None:
    """Note that a verification code was tried."""
    connection.execute(
        update(verification_code).filter_by(workspace_id=workspace_id, message_id=message_id).values(used_at=now)
    )


def _one(row: Row[Any] | None) -> Row[Any]:
    if row is None:
        raise NotFound("There is no such provisioning job.")
    return row

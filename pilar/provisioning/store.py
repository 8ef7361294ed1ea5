"""The SQL of provisioning. What belongs here: reading and writing rows; the rules are in the runner and the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, case, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from pilar.database.schema import Timestamp
from pilar.errors import NotFound
from pilar.provisioning.steps import STEPS_VERSION, Job, Step
from pilar.provisioning.tables import provisioning_job, provisioning_step, verification_code

RETIRED = "retired"
ENDED_STEPS = ("completed", "undone", RETIRED)
"""The statuses of steps that stay as they are when they have gone from the list."""
TAKEN_BACK = ("undoing", "undone")
"""The states of a job that does not go on any more."""

NO_WAIT: Mapping[str, Any] = {
    "waits_on": None,
    "wait_reason": None,
    "wait_since": None,
    "wait_link": None,
    "waits_from": None,
    "waits_for": None,
    "reminders": 0,
    "remind_at": None,
    "look_at": None,
    "expires_at": None,
}
"""What a step's row says of its wait once it waits no more; what woke it and how often it waited stays."""


def wait_is_over(now: datetime) -> dict[str, Any]:
    """The same for a step that goes on at a moment of business time, or is given up: how long it waited is added up."""
    return {**NO_WAIT, "waited_seconds": waited_until(now)}


def waited_until(now: datetime) -> ColumnElement[float]:
    """How long a step has waited by a moment of business time in all, its present wait with it, in seconds."""
    present = func.extract("epoch", literal(now, Timestamp) - provisioning_step.c.waits_from)
    return provisioning_step.c.waited_seconds + func.greatest(func.coalesce(present, 0), 0)


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
            begun_with=[step.name for step in steps],
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
    """Give a job the rows of the present list of steps: those it was begun with, and those that have come since.

    A step that is not in the list any more keeps its row: a finished one for its result, any other as retired, until
    it comes back.
    """
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
            set_={
                "ordinal": statement.excluded.ordinal,
                "title": statement.excluded.title,
                "status": case((provisioning_step.c.status == RETIRED, "pending"), else_=provisioning_step.c.status),
            },
            where=or_(
                provisioning_step.c.ordinal != statement.excluded.ordinal,
                provisioning_step.c.title.is_distinct_from(statement.excluded.title),
                provisioning_step.c.status == RETIRED,
            ),
        )
    )
    connection.execute(
        update(provisioning_step)
        .filter_by(job_id=job_id)
        .where(
            provisioning_step.c.name.not_in([step.name for step in steps]),
            provisioning_step.c.status.not_in(ENDED_STEPS),
        )
        .values(status=RETIRED, **NO_WAIT)
    )


def are_up_to_date(rows: Sequence[Row[Any]], steps: Sequence[Step]) -> bool:
    """Whether a job's rows are those of the present list, so that `ensure_steps` has nothing to write.

    That is so at nearly every step, and the statement took nearly a fifth of the worker's time for a signup.
    """
    listed = {step.name: (ordinal, step.title) for ordinal, step in enumerate(steps, start=1)}
    present = {row.name: (row.ordinal, row.title) for row in rows if row.name in listed and row.status != RETIRED}
    left = [row for row in rows if row.name not in listed and row.status not in ENDED_STEPS]
    return present == listed and not left


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
        results={
            step.name: step.result or {} for step in steps if step.status == "completed" or step.result is not None
        },
    )


def set_step(connection: Connection, job_id: UUID, name: str, values: Mapping[str, Any]) -> None:
    """Change a step's row."""
    connection.execute(update(provisioning_step).filter_by(job_id=job_id, name=name).values(dict(values)))


def begin_step(connection: Connection, job_id: UUID, name: str, now: datetime, business_now: datetime) -> None:
    """Note that a step is attempted; the time of its first attempt stays, by the real clock and by the business'."""
    connection.execute(
        update(provisioning_step)
        .filter_by(job_id=job_id, name=name)
        .values(
            status="in_progress",
            attempts=provisioning_step.c.attempts + 1,
            started_at=func.coalesce(provisioning_step.c.started_at, now),
            begun_at=func.coalesce(provisioning_step.c.begun_at, business_now),
        )
    )


def set_job(connection: Connection, job_id: UUID, values: Mapping[str, Any]) -> None:
    """Change a job's row."""
    connection.execute(update(provisioning_job).filter_by(id=job_id).values(dict(values)))


def move_job(connection: Connection, job_id: UUID, state: str, **values: Any) -> None:
    """Change the state of a job, unless it has been taken back meanwhile."""
    connection.execute(
        update(provisioning_job)
        .filter_by(id=job_id)
        .where(provisioning_job.c.state.not_in(TAKEN_BACK))
        .values(state=state, **values)
    )


def lock_job(connection: Connection, workspace_id: UUID) -> Row[Any]:
    """The job of a studio, which nobody else changes until the transaction ends; raise `NotFound` where none is."""
    query = select(provisioning_job).filter_by(workspace_id=workspace_id).with_for_update()
    return _one(connection.execute(query).one_or_none())


def waits_on(connection: Connection, job_id: UUID, party: str) -> bool:
    """Whether a step of a job waits on somebody."""
    query = select(provisioning_step.c.name).filter_by(job_id=job_id, waits_on=party)
    return connection.execute(query).first() is not None


def stop_waits(connection: Connection, job_id: UUID) -> None:
    """Have no step of a job wait any more: nobody is reminded, and it is not looked for."""
    connection.execute(
        update(provisioning_step)
        .filter_by(job_id=job_id)
        .where(provisioning_step.c.status.in_(["waiting", "expired"]))
        .values(status="in_progress", **NO_WAIT)
    )


def note_wake(connection: Connection, job_id: UUID, cause: str, now: datetime) -> None:
    """Keep with the steps of a job that wait what lets them look again; `now` is real time."""
    connection.execute(
        update(provisioning_step)
        .filter_by(job_id=job_id)
        .where(provisioning_step.c.waits_on.is_not(None))
        .values(woken_by=cause[:200], woken_at=now)
    )


def save_code(connection: Connection, workspace_id: UUID, message_id: str, sealed_code: bytes, now: datetime) -> None:
    """Keep a verification code; the same message is kept once."""
    connection.execute(
        insert(verification_code)
        .values(workspace_id=workspace_id, message_id=message_id, sealed_code=sealed_code, received_at=now)
        .on_conflict_do_nothing()
    )


def unused_code(connection: Connection, workspace_id: UUID, since: datetime | None = None) -> Row[Any] | None:
    """The newest verification code that was not tried yet, of those that have come since then (real time)."""
    query = select(verification_code).filter_by(workspace_id=workspace_id, used_at=None)
    if since is not None:
        query = query.where(verification_code.c.received_at >= since)
    return connection.execute(query.order_by(verification_code.c.received_at.desc()).limit(1)).one_or_none()


def codes_tried(connection: Connection, workspace_id: UUID, since: datetime | None = None) -> int:
    """How many verification codes were tried, of those that have come since then (real time)."""
    tried = select(func.count()).select_from(verification_code).filter_by(workspace_id=workspace_id)
    if since is not None:
        tried = tried.where(verification_code.c.received_at >= since)
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


def use_codes(connection: Connection, workspace_id: UUID, now: datetime) -> None:
    """Note that no verification code that is there is to be tried any more."""
    connection.execute(update(verification_code).filter_by(workspace_id=workspace_id, used_at=None).values(used_at=now))


def _one(row: Row[Any] | None) -> Row[Any]:
    if row is None:
        raise NotFound("There is no such provisioning job.")
    return row

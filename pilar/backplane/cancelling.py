"""Taking a job out of work, and putting it off. What belongs here: one job at a time, by its id, as somebody asked for.

What does not: a handler that puts its own work off (`handlers.Snooze`), and many dead letters at once
(`dead_letters.py`).

A job may move while it is looked for: it comes due, is claimed, tried again, let in. Each move is one transaction, so a
statement sees it in one place, waits for whoever is moving it, and finds it gone from there; the next statement sees it
where it went. So it is looked for again, a few times.

**Cancelling what is being worked on.** Its row is gone, so its worker settles nothing: the result is refused as a stale
holder's is. A transactional handler is undone with its batch, which is run again without it; one that works outside
ends as it would have, what it did outside stays done, and its result is not recorded. In no case is there another
attempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from pilar.backplane import audit
from pilar.backplane.work import JobState, Status, find_job
from pilar.clocks import Clocks
from pilar.database.engine import wake_workers
from pilar.errors import Busy, Conflict, NotFound
from pilar.ids import FLEET
from pilar.masking import mask_text

_LOOKS = 10


@dataclass(frozen=True)
class Cancelled:
    """A job that will not be tried any more.

    Attributes:
        job_id: which.
        was: where it was; `cancelled` where it had been before.
        was_running: whether somebody was at work on it: what they did outside stays done.
    """

    job_id: UUID
    was: Status

    @property
    def was_running(self) -> bool:
        """Whether somebody was at work on it."""
        return self.was is Status.IN_PROGRESS


_WORK = "position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts"

_TAKE_OUT = """
with due as (
  delete from queue where position = :position returning *
), later as (
  delete from scheduled where position = :position returning *
), aside as (
  delete from parked where position = :position returning *
), dead as (
  delete from dead_letter where position = :position returning *
), gone as (
  select position, handler, kind, workspace_id, type, lane, attempts, due_at, leased_at as claimed_at,
         case when lease_until is null then 'pending' else 'in_progress' end as was
  from due
  union all
  select position, handler, kind, workspace_id, type, lane, attempts, case when business_time then :now else due_at end,
         null, case when attempts > 0 then 'retrying' else 'scheduled' end
  from later
  union all
  select position, handler, kind, workspace_id, type, lane, attempts, due_at, null, 'parked' from aside
  union all
  select position, handler, kind, workspace_id, type, lane, attempts, failed_at, null, 'failed' from dead
), freed as (
  delete from unique_work u using gone g where u.position = g.position
), log as (
  insert into queue_log (finished_at, position, handler, fencing_token, kind, workspace_id, lane, type, outcome,
                         attempts, due_at, claimed_at, worker, error)
  select :now, position, handler, nextval('fencing_token'), kind, workspace_id, lane, type, 'cancelled', attempts,
         due_at, coalesce(claimed_at, :now), :actor, :reason
  from gone
)
select was from gone
"""

# A lease that has run out is nobody's: whoever held it is refused.
_TAKE_UP = f"""
with due as (
  delete from queue where position = :position and (lease_until is null or lease_until < :now) returning *
), later as (
  delete from scheduled where position = :position returning *
), aside as (
  delete from parked where position = :position returning *
), gone as (
  select {_WORK}, concurrency_key, concurrency_limit, unique_key from due
  union all select {_WORK}, concurrency_key, concurrency_limit, unique_key from later
  union all select {_WORK}, concurrency_key, concurrency_limit, unique_key from aside
)"""

_PUT_OFF = f"""
{_TAKE_UP}
insert into scheduled ({_WORK}, concurrency_key, concurrency_limit, unique_key, due_at, business_time)
select {_WORK}, concurrency_key, concurrency_limit, unique_key, :due_at, :business_time from gone
"""

_BRING_FORWARD = f"""
{_TAKE_UP}, in_turn as (
  insert into parked ({_WORK}, concurrency_key, concurrency_limit, unique_key, due_at, held_by)
  select {_WORK}, concurrency_key, concurrency_limit, unique_key, :now, 'key:' || concurrency_key
  from gone where concurrency_key is not null
), at_once as (
  insert into queue ({_WORK}, unique_key, due_at)
  select {_WORK}, unique_key, :now from gone where concurrency_key is null
)
select from gone
"""


def cancel(
    connection: Connection,
    clocks: Clocks,
    job_id: UUID,
    *,
    actor: str,
    reason: str | None = None,
    workspace_id: UUID | None = None,
) -> Cancelled:
    """Have a job not done, or not tried again.

    Args:
        connection: under the fleet's scope.
        clocks: both.
        job_id: which.
        actor: who cancels, as in the audit log.
        reason: why.
        workspace_id: whose it must be; None: anybody's.

    Returns:
        Where it was. Cancelling twice is cancelling once.

    Raises:
        NotFound: there is no such job, or it is another studio's.
        Conflict: it has ended.
        Busy: it moves faster than it can be caught: try again.
    """
    job = _look_up(connection, job_id, workspace_id)
    values = {
        "position": job.position,
        "now": clocks.real.now(),
        "actor": actor,
        "reason": None if reason is None else mask_text(reason),
    }
    for _ in range(_LOOKS):
        found = connection.execute(text(_TAKE_OUT), values).first()
        if found is not None:
            was = Status(found.was)
            _record(connection, clocks, "queue.cancelled", job, actor, {"was": was, "reason": reason})
            return Cancelled(job_id, was)
        status = find_job(connection, job_id).status
        if status is Status.CANCELLED:
            return Cancelled(job_id, status)
        if status in _ENDED:
            raise Conflict(f"The job has ended ({status}): it can't be cancelled any more.", status=status)
    raise Busy("The job is being moved just now: try again.")


def reschedule(
    connection: Connection,
    clocks: Clocks,
    job_id: UUID,
    due_at: datetime | None,
    business_time: bool = False,
    *,
    actor: str,
    workspace_id: UUID | None = None,
) -> None:
    """Have a job that waits done at another time. How often it was tried stays as it is.

    Args:
        connection: under the fleet's scope.
        clocks: both.
        job_id: which.
        due_at: not before this moment; None: now.
        business_time: whether `due_at` is business time, else real time.
        actor: who does it, as in the audit log.
        workspace_id: whose it must be; None: anybody's.

    Raises:
        NotFound: there is no such job, or it is another studio's.
        Conflict: it is being worked on, is a dead letter, or has ended.
        Busy: it moves faster than it can be caught: try again.
    """
    job = _look_up(connection, job_id, workspace_id)
    now = clocks.real.now()
    values: dict[str, Any] = {"position": job.position, "now": now}
    statement = _BRING_FORWARD
    if due_at is not None:
        statement, values = _PUT_OFF, {**values, "due_at": due_at, "business_time": business_time}
    for _ in range(_LOOKS):
        if connection.execute(text(statement), values).rowcount:
            told = {"due_at": due_at.isoformat() if due_at else None, "business_time": business_time}
            _record(connection, clocks, "queue.rescheduled", job, actor, told)
            wake_workers(connection)
            return
        found = find_job(connection, job_id)
        if found.status is Status.FAILED:
            raise Conflict("The job is a dead letter: requeue it.", status=found.status)
        if found.status in _ENDED:
            raise Conflict(f"The job has ended ({found.status}): it can't be put off any more.", status=found.status)
        if found.lease_until is not None and found.lease_until >= now:
            raise Conflict("The job is being worked on: it can't be put off until that has ended.", status=found.status)
    raise Busy("The job is being moved just now: try again.")


def snooze(
    connection: Connection,
    clocks: Clocks,
    job_id: UUID,
    delay: timedelta,
    *,
    actor: str,
    workspace_id: UUID | None = None,
) -> datetime:
    """Put a job that waits off, in real time; return until when. As `reschedule`."""
    due_at = clocks.real.now() + delay
    reschedule(connection, clocks, job_id, due_at, actor=actor, workspace_id=workspace_id)
    return due_at


_ENDED = frozenset({Status.COMPLETED, Status.DISCARDED, Status.CANCELLED, Status.ARCHIVED})


def _look_up(connection: Connection, job_id: UUID, workspace_id: UUID | None) -> JobState:
    job = find_job(connection, job_id)
    if workspace_id is not None and (job.workspace_id or FLEET) != workspace_id:
        raise NotFound(f"There is no job with the id {job_id}.")
    return job


def _record(
    connection: Connection, clocks: Clocks, action: str, job: JobState, actor: str, details: dict[str, Any]
) -> None:
    audit.record(
        connection,
        actor=actor,
        action=action,
        subject=f"job:{job.id}",
        now=clocks.real.now(),
        workspace_id=job.workspace_id,
        correlation_id=job.correlation_id,
        details={"type": job.type, **details},
    )

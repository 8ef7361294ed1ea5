"""Taking a job back: a signup that is refunded or cancelled before its studio opens.

What belongs here: when that may be, and running the steps' compensations, the last step first. What does not: what
they are (`compensations.py`).

A job that is being taken back does not go on any more, whatever wakes it; asking and advancing exclude each other by
the job's lock. Each compensation goes through the effect ledger and is kept as done, so after a kill it goes on where
it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.backplane.facts import Cause, Event, Payload, emit, enqueue
from pilar.backplane.facts import Job as QueuedJob
from pilar.backplane.handlers import Work
from pilar.backplane.locks import LockKeeper
from pilar.backplane.notices import IncidentRequested, incident
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import Conflict, Invalid, Permanent
from pilar.ids import new_id
from pilar.masking import mask_text
from pilar.provisioning import store, told_incidents
from pilar.provisioning.events import ProvisioningUndone, UndoBegun, UndoProvisioning
from pilar.provisioning.job_lock import job_lock
from pilar.provisioning.steps import DatabaseStep, Job, OutsideStep, Step

UNTOUCHED = ("pending", "undone", store.RETIRED)


def undo(connection: Connection, clocks: Clocks, workspace_id: UUID, *, actor: str, reason: str) -> bool:
    """Have a studio's job taken back; asked again, it is tried again. Return whether there is anything left to do.

    Args:
        connection: a transaction of the fleet's.
        clocks: both clocks.
        workspace_id: the studio's.
        actor: who, as in the audit log.
        reason: why, as a sentence.

    Raises:
        NotFound: there is no such job.
        Conflict: the studio has opened: it is closed by way of its subscription.
        Invalid: there is no reason.
    """
    if not reason.strip():
        raise Invalid("Say why it is taken back: the reason is kept.")
    job = store.lock_job(connection, workspace_id)
    if job.state == "undone":
        return False
    if job.state == "completed":
        raise Conflict("This studio has opened: cancel its subscription, and it is closed in order.")
    store.set_job(connection, job.id, {"state": "undoing", "undo_reason": mask_text(reason)[:500]})
    store.stop_waits(connection, job.id)
    steps = [step.name for step in store.steps_of(connection, job.id)]
    told_incidents.step_is_over(connection, clocks, job, steps, "The signup is taken back.")
    audit.record(
        connection,
        actor=actor,
        action="provisioning.undo_asked_for",
        subject=f"job:{job.id}",
        now=clocks.real.now(),
        workspace_id=workspace_id,
        correlation_id=job.correlation_id,
        details={"reason": reason},
    )
    attempt, cause = new_id(), Cause(job.correlation_id)
    work = QueuedJob(payload=UndoProvisioning(job_id=job.id), key=f"{job.id}:{attempt}", workspace_id=workspace_id)
    enqueue(connection, clocks, [work], cause)
    emit(connection, clocks, [_event(job, UndoBegun(job_id=job.id), f"undo:{job.id}:{attempt}")], cause)
    return True


class Undoer:
    """Runs compensations."""

    def __init__(
        self, database: Database, clocks: Clocks, locks: LockKeeper, steps: Sequence[Step], *, lock_ttl: timedelta
    ) -> None:
        """Take the steps in order, and how long a job stays locked when its worker dies."""
        self._database = database
        self._clocks = clocks
        self._locks = locks
        self._steps = {step.name: step for step in steps}
        self._lock_ttl = lock_ttl

    def run(self, work: Work[UndoProvisioning]) -> dict[str, Any]:
        """Take back every step that was begun, the last one first; where a provider refuses, the founder is told.

        Raises:
            Transient: a provider can't be asked now; what is taken back already stays so.
            Snooze: the job is being advanced: its step has to end first.
        """
        job_id = work.content.job_id
        with job_lock(self._database, self._locks, job_id, work, self._lock_ttl) as renew:
            undone: list[str] = []
            while True:
                step, job = self._next(job_id)
                if step is None:
                    return {"undone": undone}
                try:
                    self._take_back(step, job)
                except Permanent as error:
                    self._stuck(step, job, work, error)
                    return {"undone": undone, "stuck": step.name}
                undone.append(step.name)
                renew()

    def _next(self, job_id: UUID) -> tuple[Step | None, Job]:
        with self._database.transaction(Scope.fleet()) as connection:
            row = store.get_job(connection, job_id)
            rows = store.steps_of(connection, job_id)
            job = store.job_view(row, rows)
            if row.state != "undoing":
                return None, job
            for one in reversed(rows):
                step = self._steps.get(one.name)
                if step is not None and step.undo is not None and one.status not in UNTOUCHED:
                    return step, job
            store.set_job(connection, job_id, {"state": "undone"})
            self._audit(connection, "provisioning.undone", f"job:{job_id}", job, reason=row.undo_reason)
            told = _event(row, ProvisioningUndone(job_id=job_id), f"undone:{job_id}")
            emit(connection, self._clocks, [told], Cause(row.correlation_id))
            return None, job

    def _take_back(self, step: Step, job: Job) -> None:
        if isinstance(step, OutsideStep) and step.undo is not None:
            found = step.undo(job)
            with self._database.transaction(Scope.fleet()) as connection:
                self._done(connection, step, job, dict(found))
        elif isinstance(step, DatabaseStep) and step.undo is not None:
            with self._database.transaction(Scope.fleet()) as connection:
                self._done(connection, step, job, dict(step.undo(connection, job)))

    def _done(self, connection: Connection, step: Step, job: Job, found: dict[str, Any]) -> None:
        store.set_step(connection, job.id, step.name, {"status": "undone", "error": None})
        told_incidents.step_is_over(connection, self._clocks, job, [step.name], "The step is taken back.")
        self._audit(connection, "provisioning.step_undone", f"step:{step.name}", job, **found)

    def _stuck(self, step: Step, job: Job, work: Work[Any], error: Permanent) -> None:
        text = mask_text(str(error))
        with self._database.transaction(Scope.fleet()) as connection:
            store.set_step(connection, job.id, step.name, {"status": "failed", "error": text})
            self._audit(connection, "provisioning.undo_failed", f"step:{step.name}", job, error=text)
            request = IncidentRequested(
                dedupe_key=told_incidents.undo_stuck(job.id, step.name),
                title=f"A signup can't be taken back: {step.title}",
                description=text,
                severity="high",
                component="provisioning",
            )
            asked = incident(
                request, key=f"{job.id}:undo:{step.name}:{work.fencing_token}", workspace_id=job.workspace_id
            )
            emit(connection, self._clocks, [asked], Cause(job.correlation_id))

    def _audit(self, connection: Connection, action: str, subject: str, job: Job, **details: Any) -> None:
        audit.record(
            connection,
            actor=audit.SYSTEM,
            action=action,
            subject=subject,
            now=self._clocks.real.now(),
            workspace_id=job.workspace_id,
            correlation_id=job.correlation_id,
            details=details,
        )


def _event(job: Any, payload: Payload, key: str) -> Event:
    return Event(payload=payload, key=key, aggregate=("provisioning_job", str(job.id)), workspace_id=job.workspace_id)

"""Takes a provisioning job from step to step, as far as it goes.

What belongs here: order, attempts, waits, failures and their record. What does not: what the steps do.

A step that waits is simply run again when something may have changed: it looks for what it waits for, so a wake-up
that comes twice, early or late does no harm. Whoever writes what a step waits for enqueues the wake-up in the same
transaction, so none is lost. One advance per job runs at a time, under a lock with an expiry; should it outlive its
lock, the effect ledger still lets no effect happen twice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit, facts
from pilar.backplane.facts import Cause, Concurrency, Event, emit, enqueue
from pilar.backplane.handlers import Work
from pilar.backplane.locks import LockKeeper
from pilar.backplane.notices import IncidentRequested, incident
from pilar.backplane.retries import backoff
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import CircuitOpen, NotConfigured, Permanent, Transient
from pilar.masking import mask_text
from pilar.provisioning import store, told_incidents, waits
from pilar.provisioning.events import AdvanceProvisioning, StepCompleted, StepFailed, StepWaits
from pilar.provisioning.job_lock import job_lock
from pilar.provisioning.steps import DatabaseStep, Done, Job, OutsideStep, Step, Wait
from pilar.workspaces.standing_store import is_closed

log = logging.getLogger(__name__)

AT_ONCE = 10


def wake(
    connection: Connection,
    clocks: Clocks,
    job: Any,
    *,
    cause: str,
    correlation_id: UUID,
    after: timedelta = timedelta(0),
) -> None:
    """Have a job advanced: in the transaction of what may let it go on.

    Args:
        connection: that transaction.
        clocks: both clocks.
        job: the job's row.
        cause: what happened, as an idempotency key.
        correlation_id: the story it belongs to.
        after: not before so much real time has passed.
    """
    store.note_wake(connection, job.id, cause, clocks.real.now())
    advance = facts.Job(
        payload=AdvanceProvisioning(job_id=job.id),
        key=f"{job.id}:{cause}",
        workspace_id=job.workspace_id,
        due_at=clocks.real.now() + after if after else None,
        concurrency=at_once(job.workspace_id),
    )
    enqueue(connection, clocks, [advance], Cause(correlation_id=correlation_id))


def at_once(workspace_id: UUID) -> Concurrency:
    """How many of a studio's provisioning jobs may run at a time; the others wait their turn."""
    return Concurrency(f"provisioning:{workspace_id}", AT_ONCE)


class Runner:
    """Advances provisioning jobs."""

    def __init__(
        self,
        database: Database,
        clocks: Clocks,
        locks: LockKeeper,
        steps: Sequence[Step],
        *,
        lock_ttl: timedelta,
        public_url: str,
    ) -> None:
        """Take the steps in order, how long a job stays locked when its worker dies, and where our pages are."""
        self._database = database
        self._clocks = clocks
        self._locks = locks
        self._steps = {step.name: step for step in steps}
        self._lock_ttl = lock_ttl
        self._public_url = public_url

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps, in order."""
        return tuple(self._steps.values())

    def advance(self, work: Work[AdvanceProvisioning]) -> dict[str, Any]:
        """Run a job's steps until it is complete, waits, or a step fails.

        Raises:
            Transient: a step could not be done now; the queue tries again.
            Snooze: the job is being advanced elsewhere.
        """
        job_id = work.content.job_id
        with job_lock(self._database, self._locks, job_id, work, self._lock_ttl) as renew:
            done: list[str] = []
            while True:
                step, job, state = self._next(job_id)
                if step is None:
                    return {"completed": done, "state": state}
                if isinstance(step, DatabaseStep):
                    self._run_in_database(step, job)
                else:
                    outcome = self._run_outside(step, job, work, has_advanced=bool(done))
                    if isinstance(outcome, str):
                        return {"completed": done, "state": outcome, "step": step.name}
                done.append(step.name)
                renew()

    def _next(self, job_id: UUID) -> tuple[Step | None, Job, str]:
        """The first step of the present list that is not completed, or None where there is none or none is wanted."""
        with self._database.transaction(Scope.fleet()) as connection:
            row = store.get_job(connection, job_id)
            if row.state == "completed" or row.state in store.TAKEN_BACK:
                return None, store.job_view(row, []), row.state
            if is_closed(connection, row.workspace_id):
                return None, store.job_view(row, []), "closed"  # nothing is had for a studio that is given up
            rows = store.steps_of(connection, job_id)
            if not store.are_up_to_date(rows, self.steps):
                store.ensure_steps(connection, row.workspace_id, job_id, self.steps)
                rows = store.steps_of(connection, job_id)
            job = store.job_view(row, rows)
            status = {step.name: step.status for step in rows}
            for name, step in self._steps.items():
                if status[name] != "completed":
                    return step, job, row.state
            store.move_job(connection, job_id, "completed", completed_at=self._clocks.business.now())
            # Also what was told about steps that are in the list no more.
            told_incidents.step_is_over(connection, self._clocks, job, status, "The studio is ready.")
            return None, job, "completed"

    def _run_in_database(self, step: DatabaseStep, job: Job) -> None:
        with self._database.transaction(Scope.fleet()) as connection:
            self._begin(connection, step, job)
            self._complete(connection, step, job, Done(step.run(connection, job)))

    def _run_outside(self, step: OutsideStep, job: Job, work: Work[Any], *, has_advanced: bool) -> Done | str:
        with self._database.transaction(Scope.fleet()) as connection:
            self._begin(connection, step, job)
        try:
            outcome = step.run(job)
        except NotConfigured as error:
            outcome = Wait("us", error.message)
        except Permanent as error:
            self._note(step, job, work, error, failed=True)
            return "failed"
        except CircuitOpen as error:
            self._note(step, job, work, error, failed=False)
            raise  # the provider was not asked: no try is used up
        except Exception as error:
            # Transient, or a defect: both are worth another try, and neither is worth an endless one.
            failed = not has_advanced and work.attempts >= work.max_attempts
            self._note(step, job, work, error, failed=failed, begins_anew=has_advanced)
            if failed:
                return "failed"
            if has_advanced:
                return "begins anew"
            raise
        with self._database.transaction(Scope.fleet()) as connection:
            if isinstance(outcome, Wait):
                self._wait(connection, step, job, work, outcome)
                return "waiting"
            self._complete(connection, step, job, outcome)
        return outcome

    def _begin(self, connection: Connection, step: Step, job: Job) -> None:
        store.begin_step(connection, job.id, step.name, self._clocks.real.now(), self._clocks.business.now())

    def _complete(self, connection: Connection, step: Step, job: Job, outcome: Done) -> None:
        now, business_now = self._clocks.real.now(), self._clocks.business.now()
        store.set_step(
            connection,
            job.id,
            step.name,
            {
                "status": "completed",
                "completed_at": now,
                "ended_at": business_now,
                "result": dict(outcome.result),
                "error": None,
                **store.wait_is_over(business_now),
            },
        )
        store.move_job(connection, job.id, "running")
        told_incidents.step_is_over(connection, self._clocks, job, [step.name], "The step is done.")
        self._audit(connection, "provisioning.step_completed", step, job)
        self._tell(connection, job, StepCompleted(job_id=job.id, step=step.name), f"{job.id}:{step.name}")

    def _wait(self, connection: Connection, step: Step, job: Job, work: Work[Any], outcome: Wait) -> None:
        row = next(row for row in store.steps_of(connection, job.id) if row.name == step.name)
        values: dict[str, Any] = {
            "status": "waiting",
            "waits_on": outcome.on,
            "wait_reason": outcome.reason,
            "wait_link": outcome.link or waits.where_to_act(outcome.on, job.workspace_id, self._public_url),
            "error": None,
        }
        now = self._clocks.business.now()
        # A wait on the same party goes on; one that has expired and was tried again is a new one.
        is_new = row.waits_on != outcome.on or row.expires_at is None
        if is_new:
            values |= {
                "wait_since": self._clocks.real.now(),
                "wait_round": row.wait_round + 1,
                "waits_from": now,
                "waited_seconds": store.waited_until(now),
                "waits_for": waits.woken_by(step.name, outcome.on),
                "reminders": 0,
                **asdict(waits.times_of(outcome.on, now, step.name)),
            }
        store.set_step(connection, job.id, step.name, values)
        store.move_job(connection, job.id, "waiting")
        if is_new:
            reason = "Another wait has begun."
            told_incidents.wait_is_over(connection, self._clocks, job, [step.name], reason)
            self._audit(connection, "provisioning.step_waits", step, job, on=outcome.on, reason=outcome.reason)
        # Told each time, with the work that noticed it in the key: who shows the step shows its attempts too.
        told = StepWaits(job_id=job.id, step=step.name, waits_on=outcome.on)
        self._tell(connection, job, told, f"waits:{job.id}:{step.name}:{work.fencing_token}")

    def _note(
        self, step: Step, job: Job, work: Work[Any], error: Exception, *, failed: bool, begins_anew: bool = False
    ) -> None:
        """Keep what went wrong.

        A step that is the first to fail after others were completed goes on in work of its own: the attempts that
        those took are not to be missing to it.
        """
        with self._database.transaction(Scope.fleet()) as connection:
            text = mask_text(str(error))
            values: dict[str, Any] = {"status": "failed" if failed else "in_progress", "error": text}
            over = store.wait_is_over(self._clocks.business.now()) if failed else {}
            store.set_step(connection, job.id, step.name, {**values, **over})
            told = StepFailed(job_id=job.id, step=step.name, given_up=failed)
            attempt = f"{step.name}:{work.fencing_token}"
            self._tell(connection, job, told, f"failed:{job.id}:{attempt}")
            if begins_anew:
                asked_for = error.retry_after if isinstance(error, Transient) else None
                wake(
                    connection,
                    self._clocks,
                    job,
                    cause=f"anew:{attempt}",
                    correlation_id=job.correlation_id,
                    after=backoff(1, at_least=asked_for),
                )
            if not failed:
                return
            store.move_job(connection, job.id, "failed")
            told_incidents.wait_is_over(connection, self._clocks, job, [step.name], "The step has failed.")
            self._audit(connection, "provisioning.step_failed", step, job, error=text)
            attempts = next(row.attempts for row in store.steps_of(connection, job.id) if row.name == step.name)
            request = IncidentRequested(
                dedupe_key=told_incidents.stuck(job.id, step.name),
                title=f"Provisioning is stuck: {step.title}",
                description=text,
                severity="high",
                component="provisioning",
            )
            asked = incident(request, key=f"{job.id}:{step.name}:{attempts}", workspace_id=job.workspace_id)
            emit(connection, self._clocks, [asked], Cause(job.correlation_id))

    def _tell(self, connection: Connection, job: Job, payload: facts.Payload, key: str) -> None:
        event = Event(
            payload=payload, key=key, aggregate=("provisioning_job", str(job.id)), workspace_id=job.workspace_id
        )
        emit(connection, self._clocks, [event], Cause(job.correlation_id))

    def _audit(self, connection: Connection, action: str, step: Step, job: Job, **details: Any) -> None:
        audit.record(
            connection,
            actor=audit.SYSTEM,
            action=action,
            subject=f"step:{step.name}",
            now=self._clocks.real.now(),
            workspace_id=job.workspace_id,
            correlation_id=job.correlation_id,
            details=details,
        )

"""Starting a stuck job again by hand. What belongs here: the founder's and the owner's click."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane import audit
from pilar.backplane.facts import Cause, Event, emit
from pilar.clocks import Clocks
from pilar.errors import Conflict, Invalid
from pilar.ids import new_id
from pilar.provisioning import store
from pilar.provisioning.events import ProvisioningResumed
from pilar.provisioning.runner import wake
from pilar.workspaces.standing_store import is_closed


def retry(
    connection: Connection, clocks: Clocks, workspace_id: UUID, actor: str, *, from_step: str | None = None
) -> None:
    """Have a studio's job tried again from the step it stopped at; finished steps stay finished.

    Args:
        connection: a transaction of the fleet's.
        clocks: both clocks.
        workspace_id: the studio's.
        actor: who, as in the audit log.
        from_step: have this step and all after it run again, finished or not. What they had done at providers is
            found there and not done twice.

    Raises:
        NotFound: this scope sees no such studio.
        Conflict: the job is complete and no step is named, or it was taken back or closed.
        Invalid: the job has no step by that name.
    """
    job = store.lock_job(connection, workspace_id)
    if job.state in store.TAKEN_BACK:
        raise Conflict("This signup was taken back: it does not go on. A new payment begins a new studio.")
    if is_closed(connection, workspace_id):
        raise Conflict(
            "This studio is closed for good: nothing is had for it any more. A new payment begins a new one."
        )
    if job.state == "completed" and from_step is None:
        raise Conflict("This studio is ready: there is nothing to try again.")
    steps = [step for step in store.steps_of(connection, job.id) if step.status != store.RETIRED]
    over = store.wait_is_over(clocks.business.now())
    # What was done runs anew and is timed anew; what goes on keeps the time that it has taken.
    anew = {"begun_at": None, "ended_at": None, "waited_seconds": 0}
    for step in _from(steps, from_step):
        times = anew if step.status == "completed" else {}
        values = {"status": "pending", "error": None, "completed_at": None, **over, **times}
        store.set_step(connection, job.id, step.name, values)
    store.set_job(connection, job.id, {"state": "running", "completed_at": None})
    audit.record(
        connection,
        actor=actor,
        action="provisioning.retried",
        subject=f"job:{job.id}",
        now=clocks.real.now(),
        workspace_id=workspace_id,
        correlation_id=job.correlation_id,
        details={"from": from_step} if from_step else {},
    )
    attempt = f"retry:{new_id()}"
    wake(connection, clocks, job, cause=attempt, correlation_id=job.correlation_id)
    event = Event(
        payload=ProvisioningResumed(job_id=job.id),
        key=f"resumed:{job.id}:{attempt}",
        aggregate=("provisioning_job", str(job.id)),
        workspace_id=workspace_id,
    )
    emit(connection, clocks, [event], Cause(job.correlation_id))


def _from(steps: Sequence[Row[Any]], name: str | None) -> Sequence[Row[Any]]:
    """The steps that are to run again: those that failed or waited in vain, or the named one and all after it."""
    if name is None:
        return [step for step in steps if step.status in ("failed", "expired")]
    names = [step.name for step in steps]
    if name not in names:
        raise Invalid(f"This job has no step {name[:100]!r}: name one of {', '.join(names)}.")
    return [step for step in steps[names.index(name) :] if step.status != "pending"]

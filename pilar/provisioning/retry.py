"""Starting a stuck job again by hand. What belongs here: the founder's and the owner's click."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.backplane.facts import Cause, Event, emit
from pilar.clocks import Clocks
from pilar.errors import Conflict
from pilar.ids import new_id
from pilar.provisioning import store
from pilar.provisioning.events import ProvisioningResumed
from pilar.provisioning.runner import wake


def retry(connection: Connection, clocks: Clocks, workspace_id: UUID, actor: str) -> None:
    """Have a studio's job tried again from the step it stopped at; finished steps stay finished.

    Raises:
        NotFound: this scope sees no such studio.
        Conflict: the job is complete.
    """
    job = store.job_of_workspace(connection, workspace_id)
    if job.state == "completed":
        raise Conflict("This studio is ready: there is nothing to try again.")
    for step in store.steps_of(connection, job.id):
        if step.status == "failed":
            store.set_step(connection, job.id, step.name, {"status": "pending", "error": None})
    store.set_job(connection, job.id, {"state": "running"})
    audit.record(
        connection,
        actor=actor,
        action="provisioning.retried",
        subject=f"job:{job.id}",
        now=clocks.real.now(),
        workspace_id=workspace_id,
        correlation_id=job.correlation_id,
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

"""Asking Meta what a studio still lacks: the step that waits for it, and the job that keeps what pages show fresh.

What belongs here: reading it, keeping it, waiting for it, and reading it again where there is news. What does not: what
each answer means (`prerequisites.py`).
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.facts import Cause, Event, Lane, emit, enqueue
from pilar.backplane.facts import Job as QueuedJob
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import Permanent
from pilar.messaging import number_store, template_store
from pilar.messaging.events import AccountTold
from pilar.messaging.purposes import purposes_of
from pilar.providers.whatsapp.client import GraphClient
from pilar.providers.whatsapp.standing import read_standing
from pilar.provisioning import prerequisite_store, store
from pilar.provisioning.events import ReadPrerequisites, WebhookRecreate
from pilar.provisioning.prerequisites import Prerequisite, judge, waiting_for
from pilar.provisioning.runner import wake
from pilar.provisioning.steps import Done, Job, Wait
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import unseal


def ask_to_read(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    *,
    occasion: str,
    story: Cause,
    lane: Lane = Lane.DEFAULT,
) -> None:
    """Have Meta asked again what a studio lacks, if it ever was; many who ask at once are one.

    Args:
        connection: the transaction of what asks for it.
        clocks: both clocks.
        workspace_id: the studio.
        occasion: why; the same occasion asks once.
        story: what it belongs to.
        lane: the queue's.
    """
    if prerequisite_store.rows_of(connection, workspace_id):
        job = QueuedJob(
            payload=ReadPrerequisites(), key=f"prerequisites:{occasion}", workspace_id=workspace_id, lane=lane,
            unique_key="prerequisites:now",
        )  # fmt: skip
        enqueue(connection, clocks, [job], story)


class PrerequisiteSteps:
    """WhatsApp's prerequisites."""

    def __init__(self, database: Database, clocks: Clocks, graph: GraphClient, box: SecretBox) -> None:
        self._database = database
        self._clocks = clocks
        self._graph = graph
        self._box = box

    def check(self, job: Job) -> Done | Wait:
        """Ask Meta how each thing stands and keep it; done once nothing is left that keeps the studio from sending."""
        found = self._read(
            job.workspace_id,
            job.result("whatsapp_connection")["business_account"],
            job.result("whatsapp_registration")["phone_number_id"],
            mending=Cause(job.correlation_id),
        )
        if waits := waiting_for(found):
            return Wait(*waits)
        return Done({one.name: one.state for one in found})

    def on_told(self, connection: Connection, work: Work[AccountTold]) -> dict[str, bool]:
        """WhatsApp has told something: a studio that is not open yet looks whether it can go on.

        It is woken wherever it stands: what was told while its step has been asking may be newer than the answer.
        """
        if work.workspace_id is None:
            return {"woken": False}
        job = store.find_job_of_workspace(connection, work.workspace_id)
        if job is not None and job.state not in ("completed", "failed", *store.TAKEN_BACK):
            wake(connection, self._clocks, job, cause=f"told:{work.id}", correlation_id=work.correlation_id)
            return {"woken": True}
        ask_to_read(connection, self._clocks, work.workspace_id, occasion=f"told:{work.id}", story=work.cause)
        return {"woken": False}

    def on_job(self, work: Work[ReadPrerequisites]) -> dict[str, Any]:
        """Ask Meta again, and keep what it says.

        Raises:
            Transient: Meta does not answer.
        """
        if work.workspace_id is None:
            raise Permanent("Prerequisites are a studio's, and this work names none.")
        with self._database.transaction(Scope.fleet()) as connection:
            account = workspaces.get_integration(connection, work.workspace_id, "whatsapp")
        if account is None or account.state != "connected" or not (account.external_id and account.phone_number_id):
            return {"skipped": "the studio has no number on WhatsApp"}
        found = self._read(work.workspace_id, account.external_id, account.phone_number_id)
        return {one.name: one.state for one in found}

    def _read(
        self, workspace_id: UUID, account: str, number_id: str, *, mending: Cause | None = None
    ) -> list[Prerequisite]:
        """Ask and keep; `mending` has webhooks that don't come to us mended, which looks do at an open studio."""
        with self._database.transaction(Scope.fleet()) as connection:
            integration = workspaces.get_integration(connection, workspace_id, "whatsapp")
        token = unseal(self._box, integration)["access_token"]
        standing = read_standing(self._graph, token, account, number_id)
        is_subscribed = self._graph.subscribed(token, account)
        now = self._clocks.real.now()
        with self._database.transaction(Scope.fleet()) as connection:
            purposes = purposes_of(template_store.templates_of(connection, workspace_id))
            reason = number_store.standing_of(connection, workspace_id).name_reason
            found = judge(standing, is_subscribed=is_subscribed, purposes=purposes, name_reason=reason)
            prerequisite_store.keep(connection, workspace_id, found, now)
            if not is_subscribed and mending is not None:
                asked = Event(
                    payload=WebhookRecreate(),
                    key=f"prerequisite:{workspace_id}:{now.isoformat()}",
                    aggregate=("workspace", str(workspace_id)),
                    workspace_id=workspace_id,
                )
                emit(connection, self._clocks, [asked], mending)
        return found

"""Provisioning that somebody asks for. What belongs here: answering the events; steps and their order are elsewhere.

Nothing is bought or connected twice by asking twice: a finished step stays finished, and an effect is looked for before
it would be repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import Permanent
from pilar.provisioning import store
from pilar.provisioning.drift import LEFT, MENDED, Drift
from pilar.provisioning.events import ResumeAskedFor, WebhookRecreate
from pilar.provisioning.retry import retry
from pilar.workspaces import store as workspaces
from pilar.workspaces.standing_store import is_closed


def resume_at(
    connection: Connection, clocks: Clocks, workspace_id: UUID, steps: Sequence[str], actor: str
) -> dict[str, Any]:
    """Have a studio's job go on from the step it stands at, if that is meant; return which, or why not.

    Args:
        connection: a transaction of the fleet's.
        clocks: both clocks.
        workspace_id: the studio's.
        steps: the steps that are meant; none: any.
        actor: who, as in the audit log.

    Raises:
        NotFound: there is no such studio.
    """
    job = store.job_of_workspace(connection, workspace_id)
    rows = [step for step in store.steps_of(connection, job.id) if step.status != store.RETIRED]
    stands_at = next((step.name for step in rows if step.status != "completed"), None)
    if job.state in store.TAKEN_BACK:
        return {"resumed": None, "why": "The signup was taken back."}
    if is_closed(connection, workspace_id):
        return {"resumed": None, "why": "The studio is closed."}
    if job.state == "completed" or stands_at is None:
        return {"resumed": None, "why": "The studio is ready."}
    if steps and stands_at not in steps:
        return {"resumed": None, "why": f"The studio stands at {stands_at}."}
    retry(connection, clocks, workspace_id, actor)
    return {"resumed": stands_at}


class Resumer:
    """Has stuck jobs tried again."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def on_asked(self, connection: Connection, work: Work[ResumeAskedFor]) -> dict[str, Any]:
        """Have the studio's job go on from the step it stands at, if that is meant; return which, or why not."""
        if work.workspace_id is None:
            raise Permanent("A provisioning job belongs to a studio.")
        return resume_at(connection, self._clocks, work.workspace_id, work.content.steps, audit.SYSTEM)


class WebhookKeeper:
    """Has a studio's WhatsApp account send us its webhooks."""

    def __init__(self, database: Database, drift: Drift) -> None:
        self._database = database
        self._drift = drift

    def on_asked(self, work: Work[WebhookRecreate]) -> dict[str, Any]:
        """Subscribe to the account anew, unless its webhooks are sent to us or that was tried too often of late."""
        if work.workspace_id is None:
            raise Permanent("A WhatsApp account belongs to a studio.")
        with self._database.transaction(Scope.fleet()) as connection:
            account = workspaces.get_integration(connection, work.workspace_id, "whatsapp")
        if account is None or account.external_id is None:
            raise Permanent("This studio has no WhatsApp account yet.")
        done = self._drift.mend_whatsapp(work, account)
        why = {"why": "It was tried too often within an hour."} if done == LEFT else {}
        return {"subscribed_anew": done == MENDED, **why}

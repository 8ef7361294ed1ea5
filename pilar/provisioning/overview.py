"""Where each studio stands at this moment. What belongs here: reading for the API; nothing changes anything.

Pages read what the operator's room makes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select

from pilar.crypto import SecretBox
from pilar.errors import NotFound
from pilar.provisioning.setup import setup_link
from pilar.provisioning.steps import Step
from pilar.provisioning.store import RETIRED
from pilar.provisioning.tables import provisioning_job, provisioning_step
from pilar.workspaces.tables import integration, subscription, workspace


@dataclass(frozen=True)
class StepView:
    """A step; times are real time, except for what follows a wait, which is business time."""

    name: str
    title: str
    status: str
    attempts: int
    started_at: datetime | None
    completed_at: datetime | None
    error: str | None
    waits_on: str | None
    wait_reason: str | None
    wait_since: datetime | None
    wait_link: str | None
    waits_for: str | None
    reminders: int
    remind_at: datetime | None
    expires_at: datetime | None
    woken_by: str | None
    woken_at: datetime | None


@dataclass(frozen=True)
class StudioSummary:
    """A studio in a list.

    Attributes:
        state: the job's state while the studio is being made (running, waiting, failed), then the studio's own.
        step: the step it is at, None when all are done.
    """

    workspace_id: UUID
    name: str
    state: str
    plan: str | None
    step: StepView | None
    steps_done: int
    steps_total: int
    created_at: datetime
    activated_at: datetime | None


@dataclass(frozen=True)
class StudioDetail:
    """A studio with its steps."""

    summary: StudioSummary
    steps: list[StepView]
    country: str | None
    time_zone: str | None
    phone_number: str | None
    subscription_status: str | None
    integrations: dict[str, str] = field(default_factory=dict)


class Overview:
    """Reads where studios stand."""

    def __init__(self, steps: Sequence[Step], box: SecretBox, public_url: str) -> None:
        self._titles = {step.name: step.title for step in steps}
        self._box = box
        self._public_url = public_url

    def list_studios(
        self, connection: Connection, *, after: UUID | None = None, limit: int = 50, with_links: bool = True
    ) -> list[StudioSummary]:
        """Studios, the newest first (ids grow with time), from below the one given."""
        query = (
            select(provisioning_job, *_workspace_columns())
            .outerjoin(workspace, workspace.c.workspace_id == provisioning_job.c.workspace_id)
            .order_by(provisioning_job.c.workspace_id.desc())
            .limit(limit)
        )
        if after is not None:
            query = query.where(provisioning_job.c.workspace_id < after)
        jobs = connection.execute(query).all()
        steps = _steps_by_job(connection, [job.id for job in jobs])
        return [self._summary(job, steps.get(job.id, []), with_links=with_links) for job in jobs]

    def studio_detail(self, connection: Connection, workspace_id: UUID, *, with_links: bool = True) -> StudioDetail:
        """One studio with its steps; raise `NotFound` where this scope sees none."""
        job = connection.execute(
            select(provisioning_job, *_workspace_columns())
            .outerjoin(workspace, workspace.c.workspace_id == provisioning_job.c.workspace_id)
            .where(provisioning_job.c.workspace_id == workspace_id)
        ).one_or_none()
        if job is None:
            raise NotFound("There is no such studio.")
        rows = _steps_by_job(connection, [job.id]).get(job.id, [])
        accounts = connection.execute(select(integration).filter_by(workspace_id=workspace_id)).all()
        paid = connection.execute(select(subscription.c.status).filter_by(workspace_id=workspace_id)).scalar()
        return StudioDetail(
            summary=self._summary(job, rows, with_links=with_links),
            steps=[self._step(job, row, with_links=with_links) for row in rows],
            country=job.country,
            time_zone=job.time_zone,
            phone_number=next((row.phone_number for row in accounts if row.phone_number), None),
            subscription_status=paid,
            integrations={row.provider: row.state for row in accounts},
        )

    def _summary(self, job: Row[Any], steps: Sequence[Row[Any]], *, with_links: bool) -> StudioSummary:
        current = next((step for step in steps if step.status != "completed"), None)
        found = next((step.result or {} for step in steps if step.name == "customer_validation"), {})
        made = job.workspace_state
        return StudioSummary(
            workspace_id=job.workspace_id,
            name=job.name or found.get("studio_name") or "New studio",
            state=made if made and made != "provisioning" else job.state,
            plan=job.plan or found.get("plan"),
            step=self._step(job, current, with_links=with_links) if current else None,
            steps_done=sum(step.status == "completed" for step in steps),
            steps_total=len(steps),
            created_at=job.created_at,
            activated_at=job.activated_at,
        )

    def _step(self, job: Row[Any], row: Row[Any], *, with_links: bool) -> StepView:
        link = row.wait_link if with_links else None
        if with_links and link is None and row.waits_on == "studio":
            link = setup_link(self._public_url, self._box.open(job.sealed_setup_token))
        return StepView(
            name=row.name,
            title=self._titles.get(row.name, row.name.replace("_", " ").capitalize()),
            status=row.status,
            attempts=row.attempts,
            started_at=row.started_at,
            completed_at=row.completed_at,
            error=row.error,
            waits_on=row.waits_on,
            wait_reason=row.wait_reason,
            wait_since=row.wait_since,
            wait_link=link,
            waits_for=row.waits_for,
            reminders=row.reminders,
            remind_at=row.remind_at,
            expires_at=row.expires_at,
            woken_by=row.woken_by,
            woken_at=row.woken_at,
        )


def _workspace_columns() -> list[Any]:
    return [
        workspace.c.name,
        workspace.c.plan,
        workspace.c.country,
        workspace.c.time_zone,
        workspace.c.activated_at,
        workspace.c.state.label("workspace_state"),
    ]


def _steps_by_job(connection: Connection, jobs: Sequence[UUID]) -> dict[UUID, list[Row[Any]]]:
    found: dict[UUID, list[Row[Any]]] = {}
    query = (
        select(provisioning_step)
        .where(provisioning_step.c.job_id.in_(jobs), provisioning_step.c.status != RETIRED)
        .order_by(provisioning_step.c.ordinal)
    )
    for row in connection.execute(query):
        found.setdefault(row.job_id, []).append(row)
    return found

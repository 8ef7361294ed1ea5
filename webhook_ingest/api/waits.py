"""Who waits on whom. What belongs here: the shape of the answer; the waits are provisioning's."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from pilar.database.engine import Scope
from pilar.provisioning import wait_store
from webhook_ingest import cursors
from webhook_ingest.deps import System


class WaitItem(BaseModel):
    """A step that waits, or the number of a studio that is open: its replacement, or one that it has brought.

    `wait_since` and `woken_at` are real time, what follows is business time.
    """

    workspace_id: UUID
    step: str
    title: str | None
    status: str
    waits_on: str
    reason: str | None
    waits_for: str | None
    wait_since: datetime | None
    reminders: int
    remind_at: datetime | None
    expires_at: datetime | None
    woken_by: str | None
    woken_at: datetime | None
    link: str = Field(description="Where to act: at the provider, or on the studio's page.")


class PartyItem(BaseModel):
    """How many wait on a party; `expired` of them in vain."""

    waits_on: str
    count: int
    expired: int
    oldest: datetime | None


class WaitPage(BaseModel):
    """A page of waits by studio, with what they come to by party."""

    parties: list[PartyItem]
    items: list[WaitItem]
    next_cursor: str | None


def list_waits(app: System, limit: cursors.Limit = 50, cursor: cursors.Cursor = None) -> WaitPage:
    """Who waits on whom, studio by studio."""
    with app.database.transaction(Scope.fleet()) as connection:
        rows = wait_store.waits_of(connection, after=cursors.after_wait(cursor), limit=limit + 1)
        parties = wait_store.ages(connection)
    shown = rows[:limit]
    return WaitPage(
        parties=[PartyItem.model_validate(one, from_attributes=True) for one in parties],
        items=[
            WaitItem(
                workspace_id=row.workspace_id,
                step=row.name,
                title=row.title,
                status=row.status,
                waits_on=row.waits_on,
                reason=row.wait_reason,
                waits_for=row.waits_for,
                wait_since=row.wait_since,
                reminders=row.reminders,
                remind_at=row.remind_at,
                expires_at=row.expires_at,
                woken_by=row.woken_by,
                woken_at=row.woken_at,
                link=row.wait_link or f"{app.settings.public_url}/studios/{row.workspace_id}",
            )
            for row in shown
        ],
        next_cursor=cursors.wait(shown[-1].workspace_id, shown[-1].name) if len(rows) > limit else None,
    )

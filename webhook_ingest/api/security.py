"""The audit log, for a studio's owner. What belongs here: pages of it; the rows are masked since they were written."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from pilar.database.engine import Scope
from pilar.security.trail import read_trail
from webhook_ingest import cursors
from webhook_ingest.deps import System


class AuditItem(BaseModel):
    """Who did what, on what, when (real time)."""

    id: UUID
    actor: str
    action: str
    subject: str
    details: dict[str, Any]
    correlation_id: UUID | None
    recorded_at: datetime


class AuditPage(BaseModel):
    """A page of the audit log, the newest first."""

    items: list[AuditItem]
    next_cursor: str | None


def workspace_audit(
    app: System, workspace_id: UUID, limit: cursors.Limit = 50, cursor: cursors.Cursor = None
) -> AuditPage:
    """A studio's audit log, the newest first."""
    before = cursors.after_position(cursor)
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        found = read_trail(connection, workspace_id, before=before, limit=limit + 1)
    items = [AuditItem.model_validate(one, from_attributes=True) for one in found[:limit]]
    next_cursor = cursors.encode(found[limit - 1].position) if len(found) > limit else None
    return AuditPage(items=items, next_cursor=next_cursor)

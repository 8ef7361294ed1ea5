"""Reading the audit log. What belongs here: pages of it; whoever does something writes it (`backplane.audit`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.security import store


@dataclass(frozen=True)
class AuditEntry:
    """Who did what; details are masked since they were written."""

    position: int
    id: UUID
    actor: str
    action: str
    subject: str
    details: Mapping[str, Any]
    correlation_id: UUID | None
    recorded_at: datetime


def read_trail(
    connection: Connection,
    workspace_id: UUID | None,
    *,
    before: int | None,
    limit: int,
    actor: str | None = None,
    action: str | None = None,
) -> list[AuditEntry]:
    """Audit entries, the newest first, from below a position.

    Args:
        connection: what its scope sees is read.
        workspace_id: of one studio; None: all.
        before: below this position; None: the newest.
        limit: at most so many.
        actor: by one actor; None: by anybody.
        action: of one action; None: of any.
    """
    return [
        AuditEntry(
            position=row.position,
            id=row.id,
            actor=row.actor,
            action=row.action,
            subject=row.subject,
            details=row.details,
            correlation_id=row.correlation_id,
            recorded_at=row.recorded_at,
        )
        for row in store.audit_rows(connection, workspace_id, before=before, limit=limit, actor=actor, action=action)
    ]

"""The audit log (who did what, for accountability) and the activity log (what happened, told to the studio).

What belongs here: appending to both. Nothing updates or deletes an audit row: the database refuses it, and the seal
(`sealing.py`) shows it where somebody gets around that. Details are masked on the way in, so that no reader has to
remember to.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Connection, insert
from sqlalchemy.dialects.postgresql import insert as upsert

from pilar.backplane.tables import activity_log, audit_log
from pilar.ids import new_id
from pilar.masking import mask

SYSTEM = "system"


def record(
    connection: Connection,
    *,
    actor: str,
    action: str,
    subject: str,
    now: datetime,
    workspace_id: UUID | None = None,
    correlation_id: UUID | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Append to the audit log.

    Args:
        connection: the transaction of what is audited: both happen, or neither.
        actor: who, as `system`, `admin:<user id>`, `owner:<user id>`, `token:<token id>`.
        action: what, as `provisioning.step_completed`.
        subject: on what, as `step:workspace_creation`.
        now: real time.
        workspace_id: in which studio, if any.
        correlation_id: the story it belongs to.
        details: more, in JSON; masked here.
    """
    connection.execute(
        insert(audit_log).values(
            id=new_id(),
            workspace_id=workspace_id,
            actor=actor,
            action=action,
            subject=subject,
            correlation_id=correlation_id,
            details=mask(dict(details or {})),
            recorded_at=now,
        )
    )


def tell(
    connection: Connection,
    workspace_id: UUID,
    *,
    key: str,
    type: str,  # noqa: A002 - the column's name
    text: str,
    now: datetime,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Append one sentence to a studio's activity log, once per key; `now` is business time."""
    statement = upsert(activity_log).values(
        workspace_id=workspace_id,
        id=uuid5(workspace_id, key),
        type=type,
        text=text,
        details=dict(details or {}),
        occurred_at=now,
    )
    connection.execute(statement.on_conflict_do_nothing())

"""Effects whose outcome is not known. What belongs here: listing them for people; deciding is `effects.py`'s."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from pilar.backplane.tables import effect
from pilar.masking import mask_text


@dataclass(frozen=True)
class UnknownEffect:
    """An effect whose outcome is not known.

    Attributes:
        needs_a_person: nothing settles it any more but `decide`; else it is still being looked for.
        key: masked.
        request: masked when it was recorded.
        error: masked; of the last attempt or look.
        risks: how often it was done again though its outcome was not known.
    """

    id: UUID
    workspace_id: UUID | None
    kind: str
    key: str
    needs_a_person: bool
    attempts: int
    risks: int
    looks: int
    attempted_at: datetime
    given_up_at: datetime | None
    error: str | None
    request: Mapping[str, Any]
    correlation_id: UUID | None


def unknown_effects(connection: Connection, *, before: UUID | None = None, limit: int = 50) -> list[UnknownEffect]:
    """Effects whose outcome is not known, the newest first, from below an id; those under way are not among them."""
    query = select(effect).where(effect.c.state == "unknown").order_by(effect.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(effect.c.id < before)
    return [
        UnknownEffect(
            id=row.id,
            workspace_id=row.workspace_id,
            kind=row.kind,
            key=mask_text(row.key),
            needs_a_person=row.given_up_at is not None,
            attempts=row.attempts,
            risks=row.risks,
            looks=row.looks,
            attempted_at=row.attempted_at,
            given_up_at=row.given_up_at,
            error=row.error,
            request=row.request,
            correlation_id=row.correlation_id,
        )
        for row in connection.execute(query).all()
    ]

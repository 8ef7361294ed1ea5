"""Watching the scores. What belongs here: which are out of date and which are low; not how they are made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, and_, or_, select

from pilar.health.tables import workspace_health_score
from pilar.workspaces.tables import workspace


@dataclass(frozen=True)
class Weak:
    """A studio with a low score."""

    workspace_id: UUID
    score: int
    weakest: str


def stale_scores(connection: Connection, since: datetime) -> list[UUID]:
    """The studios that were active at a moment of business time and have not been scored after it."""
    scores = workspace_health_score
    query = (
        select(workspace.c.workspace_id)
        .outerjoin(scores, scores.c.workspace_id == workspace.c.workspace_id)
        .where(
            workspace.c.state == "active",
            workspace.c.activated_at < since,
            or_(scores.c.scored_at.is_(None), scores.c.scored_at < since),
        )
        .order_by(workspace.c.workspace_id)
    )
    return list(connection.execute(query).scalars())


def weakest(connection: Connection, limit: int) -> list[Weak]:
    """The studios with the lowest scores, those below 100 only, the lowest first."""
    scores = workspace_health_score
    is_open = and_(workspace.c.workspace_id == scores.c.workspace_id, workspace.c.state != "closed")
    query = (
        select(scores.c.workspace_id, scores.c.score, scores.c.weakest)
        .join(workspace, is_open)
        .where(scores.c.score < 100)
        .order_by(scores.c.score, scores.c.workspace_id)
        .limit(limit)
    )
    return [Weak(*row) for row in connection.execute(query)]

"""The SQL of how studios stand. What belongs here: reading and writing the rows; the rule is `standing.py`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pilar.workspaces.tables import studio_standing, subscription


def find_standing(connection: Connection, workspace_id: UUID) -> Row[Any] | None:
    """How a studio stands; None where it was never looked at."""
    return connection.execute(select(studio_standing).filter_by(workspace_id=workspace_id)).one_or_none()


def is_closed(connection: Connection, workspace_id: UUID) -> bool:
    """Whether a studio was closed."""
    query = select(studio_standing.c.workspace_id).filter_by(workspace_id=workspace_id)
    return connection.execute(query.where(studio_standing.c.closed_at.is_not(None))).first() is not None


def find_subscription(connection: Connection, workspace_id: UUID) -> Row[Any] | None:
    """What Stripe said of a studio's subscription; None where it was never asked."""
    return connection.execute(select(subscription).filter_by(workspace_id=workspace_id)).one_or_none()


def keep_standing(connection: Connection, workspace_id: UUID, values: Mapping[str, Any]) -> None:
    """Keep how a studio stands; what is not named stays as it was."""
    statement = upsert(studio_standing).values(workspace_id=workspace_id, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["workspace_id"], set_=dict(values)))


def change_standing(connection: Connection, workspace_id: UUID, values: Mapping[str, Any]) -> None:
    """Change what is kept of a studio that was looked at."""
    connection.execute(update(studio_standing).filter_by(workspace_id=workspace_id).values(**values))


def subscriptions_to_read(
    connection: Connection, *, read_before: datetime, business_now: datetime, limit: int
) -> list[Row[Any]]:
    """Subscriptions that Stripe was not asked about since a moment, or of which time has made something else.

    Those of closed studios are left alone. Needs the fleet's scope.
    """
    query = (
        select(subscription.c.workspace_id, subscription.c.stripe_subscription_id, subscription.c.read_at)
        .outerjoin(studio_standing, studio_standing.c.workspace_id == subscription.c.workspace_id)
        .where(
            or_(subscription.c.read_at < read_before, studio_standing.c.changes_at <= business_now),
            studio_standing.c.closed_at.is_(None),
        )
        .order_by(subscription.c.read_at)
        .limit(limit)
    )
    return list(connection.execute(query))


def studios_to_erase(connection: Connection, business_now: datetime, limit: int) -> list[UUID]:
    """Closed studios whose time has come, and that have given back what they had. Needs the fleet's scope."""
    query = (
        select(studio_standing.c.workspace_id)
        .where(
            studio_standing.c.erase_at <= business_now,
            studio_standing.c.released_at.is_not(None),
            studio_standing.c.erased_at.is_(None),
        )
        .order_by(studio_standing.c.erase_at)
        .limit(limit)
    )
    return list(connection.execute(query).scalars())

"""The SQL of offers. What belongs here: reading and writing which times a lead may choose from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, insert, select, tuple_, update

from pilar.agents.tables import slot_offer
from pilar.bookings import store as calendar


def add(connection: Connection, values: Mapping[str, Any]) -> None:
    """Keep an offer."""
    connection.execute(insert(slot_offer).values(**values))


def of_cause(connection: Connection, workspace_id: UUID, cause: str) -> Row[Any] | None:
    """The offer that a cause has made, if it has."""
    query = select(slot_offer).filter_by(workspace_id=workspace_id, cause=cause)
    return connection.execute(query).one_or_none()


def find(connection: Connection, workspace_id: UUID, lead_id: UUID, offer_id: UUID) -> Row[Any] | None:
    """An offer to that lead."""
    query = select(slot_offer).filter_by(workspace_id=workspace_id, lead_id=lead_id, id=offer_id)
    return connection.execute(query).one_or_none()


def newest(connection: Connection, workspace_id: UUID, lead_id: UUID) -> Row[Any] | None:
    """The newest offer to a lead, however it stands."""
    query = select(slot_offer).filter_by(workspace_id=workspace_id, lead_id=lead_id)
    return connection.execute(query.order_by(slot_offer.c.made_at.desc(), slot_offer.c.id.desc()).limit(1)).first()


def moments(offer: Row[Any]) -> tuple[datetime, ...]:
    """The times of an offer, in the order of their numbers."""
    return tuple(datetime.fromisoformat(one) for one in offer.slots)


def keep_booking(connection: Connection, workspace_id: UUID, offer_id: UUID, booking_id: UUID) -> None:
    """Keep what an offer has led to."""
    connection.execute(
        update(slot_offer).filter_by(workspace_id=workspace_id, id=offer_id).values(booking_id=booking_id)
    )


def forget_before(connection: Connection, moment: datetime, most: int) -> int:
    """Delete offers that expired before a moment of business time, at most so many; return how many were."""
    key = (slot_offer.c.workspace_id, slot_offer.c.id)
    old = select(*key).where(slot_offer.c.expires_at < moment).order_by(slot_offer.c.expires_at).limit(most)
    return connection.execute(delete(slot_offer).where(tuple_(*key).in_(old))).rowcount


def booked_at(connection: Connection, workspace_id: UUID, booking_id: UUID) -> datetime:
    """The time that was booked."""
    return calendar.get_booking(connection, workspace_id, booking_id).starts_at

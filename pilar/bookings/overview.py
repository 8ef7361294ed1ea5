"""What the calendar's page reads. What belongs here: bookings as people see them; who booked is named elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pilar.bookings import store


@dataclass(frozen=True)
class BookingView:
    """A booking on a page; times in UTC."""

    id: UUID
    lead_id: UUID
    name: str
    """What is booked."""
    starts_at: datetime
    ends_at: datetime
    state: str


def upcoming(connection: Connection, workspace_id: UUID, now: datetime, limit: int) -> list[BookingView]:
    """What begins from a moment of business time on, the soonest first; cancelled ones are told too."""
    rows = store.bookings_after(connection, workspace_id, now, limit)
    return [BookingView(row.id, row.lead_id, row.name, row.starts_at, row.ends_at, row.state) for row in rows]

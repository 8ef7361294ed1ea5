"""The calendar's SQL. What belongs here: reading and writing rows; the rules are in `availability` and `bookings`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.errors import ExclusionViolation
from sqlalchemy import Connection, Row, and_, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from pilar.bookings.availability import Hours, Interval
from pilar.bookings.tables import booking, event_type, opening_hours
from pilar.errors import Conflict, NotFound


@dataclass(frozen=True)
class Booking:
    """A booking, as its row has it; times in UTC."""

    workspace_id: UUID
    id: UUID
    event_type_id: UUID
    lead_id: UUID
    starts_at: datetime
    ends_at: datetime
    busy_until: datetime
    state: str
    source: str
    cause: str
    created_at: datetime
    busy_from: datetime
    cancelled_at: datetime | None = None
    sequence: int = 0
    """How often it was changed since it was made."""


def lock_calendar(connection: Connection, workspace_id: UUID) -> None:
    """Have everybody else who books in this studio wait until this transaction is over.

    Not the studio's row: whatever else changes or refers to the studio goes on meanwhile.
    """
    lock = text("select pg_advisory_xact_lock(hashtextextended(:calendar, 0))")
    connection.execute(lock, {"calendar": f"calendar:{workspace_id}"})


def get_event_type(connection: Connection, workspace_id: UUID, slug: str) -> Row[Any]:
    """What is booked under a short name; raise `NotFound` where there is none, or it can't be booked any more."""
    query = select(event_type).filter_by(workspace_id=workspace_id, slug=slug, active=True)
    found = connection.execute(query).one_or_none()
    if found is None:
        raise NotFound(f"{slug!r} can't be booked in this studio.")
    return found


def hours_of(connection: Connection, workspace_id: UUID) -> list[Hours]:
    """The week's opening hours."""
    hours = opening_hours.c
    query = select(hours.weekday, hours.opens, hours.closes).filter_by(workspace_id=workspace_id)
    return [Hours(*row) for row in connection.execute(query.order_by(hours.weekday, hours.opens))]


def busy_between(connection: Connection, workspace_id: UUID, start: datetime, end: datetime) -> list[Interval]:
    """What is booked and reaches into a stretch of time, buffers included."""
    query = select(booking.c.busy_from, booking.c.busy_until).filter_by(workspace_id=workspace_id, state="booked")
    query = query.where(booking.c.busy_until > start, booking.c.busy_from < end)
    return [Interval(*row) for row in connection.execute(query)]


def bookings_after(connection: Connection, workspace_id: UUID, moment: datetime, limit: int) -> list[Row[Any]]:
    """Id, lead, what, from, to and state of what ends after a moment, the soonest first."""
    query = (
        select(
            booking.c.id, booking.c.lead_id, event_type.c.name, booking.c.starts_at, booking.c.ends_at, booking.c.state
        )
        .join(
            event_type,
            and_(event_type.c.workspace_id == booking.c.workspace_id, event_type.c.id == booking.c.event_type_id),
        )
        .where(booking.c.workspace_id == workspace_id, booking.c.ends_at > moment)
        .order_by(booking.c.starts_at, booking.c.id)
        .limit(limit)
    )
    return list(connection.execute(query))


def bookings_since(connection: Connection, workspace_id: UUID, moment: datetime, limit: int) -> list[Row[Any]]:
    """Bookings that end after a moment, cancelled ones too, each with what is booked; the soonest first."""
    query = (
        select(booking, event_type.c.name)
        .join(
            event_type,
            and_(event_type.c.workspace_id == booking.c.workspace_id, event_type.c.id == booking.c.event_type_id),
        )
        .where(booking.c.workspace_id == workspace_id, booking.c.ends_at > moment)
        .order_by(booking.c.starts_at, booking.c.id)
        .limit(limit)
    )
    return list(connection.execute(query))


def add_booking(connection: Connection, fresh: Booking) -> None:
    """Write a new booking.

    Raises:
        Conflict: the time is taken; the database itself refuses what the lock on the calendar did not keep away.
    """
    values = {name: getattr(fresh, name) for name in Booking.__dataclass_fields__}
    try:
        with connection.begin_nested():
            connection.execute(insert(booking).values(values))
    except IntegrityError as error:
        if isinstance(error.orig, ExclusionViolation):
            raise Conflict("That time is not free: choose another.") from error
        raise


def booking_of_cause(connection: Connection, workspace_id: UUID, cause: str) -> Booking | None:
    """The booking that a cause has led to, if it has."""
    row = connection.execute(select(booking).filter_by(workspace_id=workspace_id, cause=cause)).one_or_none()
    return _booking(row) if row else None


def get_booking(connection: Connection, workspace_id: UUID, booking_id: UUID) -> Booking:
    """A booking; raise `NotFound` where this scope sees none."""
    row = connection.execute(select(booking).filter_by(workspace_id=workspace_id, id=booking_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such booking.")
    return _booking(row)


def cancel_booking(connection: Connection, workspace_id: UUID, booking_id: UUID, now: datetime) -> bool:
    """Mark a booking as cancelled; return whether it was booked until now."""
    statement = update(booking).filter_by(workspace_id=workspace_id, id=booking_id, state="booked")
    values = {"state": "cancelled", "cancelled_at": now, "sequence": booking.c.sequence + 1}
    return connection.execute(statement.values(values)).rowcount == 1


def _booking(row: Row[Any]) -> Booking:
    return Booking(**{name: getattr(row, name) for name in Booking.__dataclass_fields__})

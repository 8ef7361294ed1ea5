"""Booking: what is free, taking it, giving it back.

What belongs here: the use cases. What does not: which times are free, as a rule (`availability.py`), and telling the
lead (rooms above answer the events).

Who books holds the studio's calendar until the commit, so that no two bookings overlap, and the table itself refuses
two that do; a cause books once, however
often it is told. What emits events needs the fleet's scope, what only reads does with the studio's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from pilar.backplane.facts import Cause, Event, emit
from pilar.bookings import availability, store
from pilar.bookings.availability import Slot
from pilar.bookings.events import BookingCancelled, BookingMade
from pilar.bookings.store import Booking
from pilar.clocks import Clocks
from pilar.errors import Conflict
from pilar.ids import new_id
from pilar.workspaces import features
from pilar.workspaces.store import get_workspace

DAYS_AHEAD = 14
"""How far ahead the first free time is looked for, in days."""


def free_slots(
    connection: Connection, workspace_id: UUID, slug: str, *, start: datetime, days: int, limit: int
) -> list[Slot]:
    """The times that can be booked, in order.

    Args:
        connection: the caller's transaction.
        workspace_id: the studio.
        slug: the event type's short name.
        start: slots start at this moment of business time or later.
        days: slots start at most so many days after that.
        limit: at most so many slots.

    Raises:
        NotFound: there is no such studio, or nothing by that name to be booked in it.
    """
    kind = store.get_event_type(connection, workspace_id, slug)
    return _free(connection, workspace_id, kind, start, start + timedelta(days=days), limit)


def book(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    slug: str,
    lead_id: UUID,
    starts_at: datetime,
    *,
    cause: str,
    source: str,
    story: Cause,
) -> Booking:
    """Book a time for a lead; a cause that has booked already gets the booking that it has.

    Args:
        connection: the caller's transaction; it holds the studio's calendar until its end.
        clocks: both clocks.
        workspace_id: the studio.
        slug: the event type's short name.
        lead_id: who comes.
        starts_at: one of the free slots' starts.
        cause: idempotency key of what asked for the booking.
        source: what led to it, such as `rule:trial`.
        story: what the event refers to.

    Raises:
        Conflict: that time is over, taken, or outside the opening hours, or the studio has no calendar.
        NotFound: there is no such studio, or nothing by that name to be booked in it.
    """
    store.lock_calendar(connection, workspace_id)
    if made := store.booking_of_cause(connection, workspace_id, cause):
        return made
    features.require(connection, workspace_id, "calendar")
    kind = store.get_event_type(connection, workspace_id, slug)
    if starts_at < clocks.business.now():
        raise Conflict("That time is over: choose another.")
    found = _free(connection, workspace_id, kind, starts_at, starts_at + availability.GRANULARITY, 1)
    if not found or found[0].starts_at != starts_at:
        raise Conflict("That time is not free: choose another.")
    return _make(connection, clocks, kind, found[0], lead_id, cause, source, story)


def book_first_free(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    slug: str,
    lead_id: UUID,
    *,
    cause: str,
    source: str,
    story: Cause,
    not_before: datetime | None = None,
    days: int = DAYS_AHEAD,
) -> Booking:
    """Book the first time that is free; a cause that has booked already gets the booking that it has.

    Args:
        connection: the caller's transaction; it holds the studio's calendar until its end.
        clocks: both clocks.
        workspace_id: the studio.
        slug: the event type's short name.
        lead_id: who comes.
        cause: idempotency key of what asked for the booking.
        source: what led to it, such as `rule:trial`.
        story: what the event refers to.
        not_before: business time; None, or a time that is over: from now on.
        days: how far ahead it is looked for.

    Raises:
        Conflict: nothing is free, or the studio has no calendar.
        NotFound: there is no such studio, or nothing by that name to be booked in it.
    """
    store.lock_calendar(connection, workspace_id)
    if made := store.booking_of_cause(connection, workspace_id, cause):
        return made
    features.require(connection, workspace_id, "calendar")
    kind = store.get_event_type(connection, workspace_id, slug)
    now = clocks.business.now()
    start = max(now, not_before or now)
    found = _free(connection, workspace_id, kind, start, start + timedelta(days=days), 1)
    if not found:
        raise Conflict(f"Nothing is free within {days} days.")
    return _make(connection, clocks, kind, found[0], lead_id, cause, source, story)


def cancel(connection: Connection, clocks: Clocks, workspace_id: UUID, booking_id: UUID, *, story: Cause) -> Booking:
    """Cancel a booking and return it; one that is cancelled stays as it is.

    Raises:
        NotFound: this scope sees no such booking.
    """
    fresh = store.cancel_booking(connection, workspace_id, booking_id, clocks.business.now())
    found = store.get_booking(connection, workspace_id, booking_id)
    if fresh:
        payload = BookingCancelled(booking_id=found.id, lead_id=found.lead_id)
        emit(connection, clocks, [_event(found, payload)], story)
    return found


def _free(
    connection: Connection, workspace_id: UUID, kind: Row[Any], start: datetime, end: datetime, limit: int
) -> list[Slot]:
    zone = ZoneInfo(get_workspace(connection, workspace_id).time_zone)
    # With a day more on either side: what is open past midnight belongs to the day before.
    first = start.astimezone(zone).date() - timedelta(days=1)
    days = (end.astimezone(zone).date() - first).days + 2
    duration, buffer = timedelta(minutes=kind.duration_minutes), timedelta(minutes=kind.buffer_minutes)
    before = timedelta(minutes=kind.buffer_before_minutes)
    return availability.free_slots(
        availability.opening_intervals(store.hours_of(connection, workspace_id), zone, first, days),
        store.busy_between(connection, workspace_id, start - before, end + duration + buffer),
        duration=duration,
        buffer=buffer,
        before=before,
        start=start,
        end=end,
        limit=limit,
    )


def _make(
    connection: Connection,
    clocks: Clocks,
    kind: Row[Any],
    slot: Slot,
    lead_id: UUID,
    cause: str,
    source: str,
    story: Cause,
) -> Booking:
    made = Booking(
        workspace_id=kind.workspace_id,
        id=new_id(),
        event_type_id=kind.id,
        lead_id=lead_id,
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        busy_from=slot.starts_at - timedelta(minutes=kind.buffer_before_minutes),
        busy_until=slot.ends_at + timedelta(minutes=kind.buffer_minutes),
        state="booked",
        source=source,
        cause=cause,
        created_at=clocks.business.now(),
    )
    store.add_booking(connection, made)
    emit(connection, clocks, [_event(made, BookingMade(booking_id=made.id, lead_id=lead_id))], story)
    return made


def _event(about: Booking, payload: BookingMade | BookingCancelled) -> Event:
    return Event(
        payload=payload,
        key=f"{payload.type_name}:{about.id}",
        aggregate=("booking", str(about.id)),
        workspace_id=about.workspace_id,
    )

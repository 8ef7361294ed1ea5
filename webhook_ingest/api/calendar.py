"""A studio's calendar, for programs and for other calendars.

What belongs here: the shape of what comes and goes; what is free and who may book it is the calendar's own rule.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from pilar.backplane import audit
from pilar.backplane.facts import Cause
from pilar.bookings import bookings, feeds, ics, overview
from pilar.bookings.feeds import Feed
from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.messaging.store import get_lead, lead_names
from pilar.workspaces.store import get_workspace
from webhook_ingest.deps import Asked, System

Shortly = Annotated[str, Field(min_length=1, max_length=100)]


class SlotItem(BaseModel):
    """A time that can be booked, in UTC."""

    starts_at: datetime
    ends_at: datetime


class FreeSlots(BaseModel):
    """What is free, in order."""

    workspace_id: UUID
    event_type: str
    time_zone: str
    slots: list[SlotItem]


class NewBooking(BaseModel):
    """Who wants to come, and when: one of the free times."""

    model_config = ConfigDict(extra="forbid")

    event_type: Shortly
    lead_id: UUID
    starts_at: AwareDatetime


class BookingItem(BaseModel):
    """A booking; times in UTC."""

    id: UUID
    lead_id: UUID
    starts_at: datetime
    ends_at: datetime
    state: str


class ListedBooking(BookingItem):
    """A booking in a list."""

    name: str


class Bookings(BaseModel):
    """What is booked from now on, the soonest first; what was called off is told too."""

    items: list[ListedBooking]


class NewFeed(BaseModel):
    """Who will follow the calendar."""

    model_config = ConfigDict(extra="forbid")

    name: Shortly


class FeedItem(BaseModel):
    """A secret address of the calendar, without its secret."""

    id: UUID
    name: str
    created_at: datetime
    revoked_at: datetime | None


class MadeFeed(FeedItem):
    """A new one, with the address: it is told this once."""

    address: str


class Feeds(BaseModel):
    """A studio's secret addresses, the newest first."""

    items: list[FeedItem]


def free_slots(
    app: System,
    workspace_id: UUID,
    event_type: Annotated[str, Query(max_length=100)],
    start: AwareDatetime | None = None,
    days: Annotated[int, Query(ge=1, le=62)] = bookings.DAYS_AHEAD,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> FreeSlots:
    """The times that can be booked, from now or from a later moment on."""
    now = app.clocks.business.now()
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        zone = get_workspace(connection, workspace_id).time_zone
        found = bookings.free_slots(
            connection, workspace_id, event_type, start=max(start or now, now), days=days, limit=limit
        )
    slots = [SlotItem(starts_at=one.starts_at, ends_at=one.ends_at) for one in found]
    return FreeSlots(workspace_id=workspace_id, event_type=event_type, time_zone=zone, slots=slots)


def list_bookings(app: System, workspace_id: UUID, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> Bookings:
    """What is booked from now on."""
    now = app.clocks.business.now()
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        found = overview.upcoming(connection, workspace_id, now, limit)
    return Bookings(items=[ListedBooking.model_validate(one, from_attributes=True) for one in found])


def new_booking(app: System, caller: Asked, workspace_id: UUID, wanted: NewBooking) -> BookingItem:
    """Book a free time for a lead of the studio's."""
    # Events are the fleet's to write; that the lead is the studio's is in the statement.
    with app.database.transaction(Scope.fleet()) as connection:
        lead = get_lead(connection, workspace_id, wanted.lead_id)
        made = bookings.book(
            connection,
            app.clocks,
            workspace_id,
            wanted.event_type,
            lead.id,
            wanted.starts_at,
            cause=f"request:{new_id()}",
            source=f"staff:{caller.principal.actor}",
            story=Cause.new(),
        )
        _record(connection, app, caller, workspace_id, "bookings.made", made.id)
    return BookingItem.model_validate(made, from_attributes=True)


def cancel_booking(app: System, caller: Asked, workspace_id: UUID, booking_id: UUID) -> BookingItem:
    """Call a booking off; one that is called off stays so."""
    with app.database.transaction(Scope.fleet()) as connection:
        gone = bookings.cancel(connection, app.clocks, workspace_id, booking_id, story=Cause.new())
        _record(connection, app, caller, workspace_id, "bookings.cancelled", booking_id)
    return BookingItem.model_validate(gone, from_attributes=True)


def list_feeds(app: System, workspace_id: UUID) -> Feeds:
    """The calendar's secret addresses, without their secrets."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        return Feeds(items=[_item(one) for one in feeds.feeds_of(connection, workspace_id)])


def new_feed(app: System, caller: Asked, workspace_id: UUID, wanted: NewFeed) -> MadeFeed:
    """Make a secret address that other calendars can follow."""
    with app.database.transaction(Scope.fleet()) as connection:
        made, token = feeds.make(connection, app.clocks, workspace_id, wanted.name, caller.principal.actor)
    return MadeFeed(**_item(made).model_dump(), address=address_of(app.settings.public_url, token))


def revoke_feed(app: System, caller: Asked, workspace_id: UUID, feed_id: UUID) -> None:
    """Have a secret address show nothing any more."""
    with app.database.transaction(Scope.fleet()) as connection:
        feeds.revoke(connection, app.clocks, workspace_id, feed_id, caller.principal.actor)


def follow(app: System, token: str) -> Response:
    """The calendar at a secret address, as other calendars read it."""
    with app.database.transaction(Scope.fleet()) as connection:
        workspace_id = feeds.studio_of(connection, token)
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        name = get_workspace(connection, workspace_id).name
        entries = feeds.booked(connection, workspace_id, app.clocks.business.now())
        names = lead_names(connection, workspace_id, [lead for _, lead in entries])
    body = ics.calendar(name, feeds.titled(entries, names))
    headers = {"cache-control": "private, max-age=300", "content-disposition": 'inline; filename="calendar.ics"'}
    return Response(body, media_type="text/calendar; charset=utf-8", headers=headers)


def address_of(public_url: str, token: str) -> str:
    """Where the calendar with that secret is read."""
    return f"{public_url}/calendar/{token}.ics"


def _item(feed: Feed) -> FeedItem:
    return FeedItem.model_validate(feed, from_attributes=True)


def _record(
    connection: Connection, app: System, caller: Asked, workspace_id: UUID, action: str, booking_id: UUID
) -> None:
    audit.record(
        connection,
        actor=caller.principal.actor,
        action=action,
        subject=f"booking:{booking_id}",
        now=app.clocks.real.now(),
        workspace_id=workspace_id,
    )

"""A studio's calendar as a section of its configuration. What belongs here: putting it in force, and reading it.

What is booked stays booked: an event type that is gone from the section can't be booked any more, and keeps its row.
"""

from __future__ import annotations

from datetime import datetime, time
from uuid import UUID

from sqlalchemy import Connection

from pilar.bookings import configuration_store as store
from pilar.ids import new_id
from pilar.workspaces.configuration import CalendarConfiguration, CalendarEventType, CalendarHours


def put_in_force(
    connection: Connection, workspace_id: UUID, wanted: CalendarConfiguration, now: datetime
) -> dict[str, int]:
    """Have a studio's event types and opening hours be those of the section; `now` is business time."""
    kinds = [_kind(workspace_id, one, now, active=one.active and wanted.enabled) for one in wanted.event_types]
    store.keep_event_types(connection, workspace_id, kinds)
    hours = [
        {"workspace_id": workspace_id, "weekday": one.weekday, "opens": _time(one.opens), "closes": _time(one.closes)}
        for one in wanted.hours
    ]
    store.replace_hours(connection, workspace_id, hours)
    return {"event_types": len(kinds), "opening_hours": len(hours)}


def in_force(connection: Connection, workspace_id: UUID) -> CalendarConfiguration | None:
    """The section that a studio's calendar amounts to; None where it has none."""
    kinds, hours = store.event_types_of(connection, workspace_id), store.hours_of(connection, workspace_id)
    if not kinds and not hours:
        return None
    return CalendarConfiguration(
        event_types=tuple(
            CalendarEventType(
                slug=row.slug,
                name=row.name,
                duration_minutes=row.duration_minutes,
                buffer_before_minutes=row.buffer_before_minutes,
                buffer_after_minutes=row.buffer_minutes,
                active=row.active,
            )
            for row in kinds
        ),
        hours=tuple(
            CalendarHours(weekday=row.weekday, opens=f"{row.opens:%H:%M}", closes=f"{row.closes:%H:%M}")
            for row in hours
        ),
    )


def _kind(workspace_id: UUID, wanted: CalendarEventType, now: datetime, *, active: bool) -> dict[str, object]:
    return {
        "workspace_id": workspace_id,
        "id": new_id(),
        "slug": wanted.slug,
        "name": wanted.name,
        "duration_minutes": wanted.duration_minutes,
        "buffer_before_minutes": wanted.buffer_before_minutes,
        "buffer_minutes": wanted.buffer_after_minutes,
        "active": active,
        "created_at": now,
    }


def _time(text: str) -> time:
    return time.fromisoformat(text)

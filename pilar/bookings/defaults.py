"""The calendar a new studio starts with. What belongs here: the defaults and putting them in place."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pilar.bookings import configuration
from pilar.workspaces.configuration import CalendarConfiguration, CalendarEventType, CalendarHours

EVENT_TYPES = (
    CalendarEventType(slug="trial-session", name="Trial session", duration_minutes=45, buffer_after_minutes=15),
    CalendarEventType(slug="intake", name="Intake interview", duration_minutes=30, buffer_after_minutes=10),
    CalendarEventType(slug="personal-training", name="Personal training", duration_minutes=60, buffer_after_minutes=15),
)

OPENING_HOURS = tuple(
    CalendarHours(weekday=weekday, opens="09:00", closes="20:00" if weekday < 6 else "14:00") for weekday in range(1, 7)
)
"""Monday to Friday 9 to 20, Saturday 9 to 14, in the studio's time zone."""


def default_calendar() -> CalendarConfiguration:
    """The calendar of a studio that has not configured one."""
    return CalendarConfiguration(event_types=EVENT_TYPES, hours=OPENING_HOURS)


def install(connection: Connection, workspace_id: UUID, now: datetime) -> dict[str, int]:
    """Give a studio its calendar; what is there already stays as the studio made it."""
    present = configuration.in_force(connection, workspace_id)
    if present is not None:
        return {"event_types": 0, "opening_hours": 0}
    return configuration.put_in_force(connection, workspace_id, default_calendar(), now)

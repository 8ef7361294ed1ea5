"""The calendar a new studio starts with. What belongs here: the defaults and putting them in place."""

from __future__ import annotations

from datetime import datetime, time
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pilar.bookings.tables import event_type, opening_hours
from pilar.ids import new_id

EVENT_TYPES = (
    ("trial-session", "Trial session", 45, 15),
    ("intake", "Intake interview", 30, 10),
    ("personal-training", "Personal training", 60, 15),
)
"""Slug, name, minutes, minutes kept free afterwards."""

OPENING_HOURS = tuple((weekday, time(9), time(20) if weekday < 6 else time(14)) for weekday in range(1, 7))
"""Monday to Friday 9 to 20, Saturday 9 to 14, in the studio's time zone."""


def install(connection: Connection, workspace_id: UUID, now: datetime) -> dict[str, int]:
    """Give a studio its calendar; what is there already stays as the studio made it."""
    added = connection.execute(
        insert(event_type)
        .values(
            [
                {
                    "workspace_id": workspace_id,
                    "id": new_id(),
                    "slug": slug,
                    "name": name,
                    "duration_minutes": minutes,
                    "buffer_minutes": buffer,
                    "active": True,
                    "created_at": now,
                }
                for slug, name, minutes, buffer in EVENT_TYPES
            ]
        )
        .on_conflict_do_nothing(index_elements=["workspace_id", "slug"])
    ).rowcount
    hours = connection.execute(
        insert(opening_hours)
        .values(
            [
                {"workspace_id": workspace_id, "weekday": weekday, "opens": opens, "closes": closes}
                for weekday, opens, closes in OPENING_HOURS
            ]
        )
        .on_conflict_do_nothing()
    ).rowcount
    return {"event_types": added, "opening_hours": hours}

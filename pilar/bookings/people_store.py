"""A lead's bookings. What belongs here: what the calendar does with them, as `pilar/people.py` asks every room."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text

from pilar.people import About, Moment, Room, told

_ALL = """
select b.*, t.name from booking b
join booking_event_type t on t.workspace_id = b.workspace_id and t.id = b.event_type_id
where b.workspace_id = :w and b.lead_id = :lead
"""


def _move(about: About, to: UUID) -> None:
    statement = text("update booking set lead_id = :to where workspace_id = :w and lead_id = :lead")
    about.connection.execute(statement, {**about.key, "to": to})


def _tell(about: About) -> dict[str, list[dict[str, Any]]]:
    return {"bookings": told(about.connection.execute(text(f"{_ALL} order by b.starts_at"), about.key))}


def _erase(about: About) -> None:
    """Nobody comes any more: what is booked ahead is called off, and the time is free again."""
    statement = text(
        "update booking set state = 'cancelled', cancelled_at = :now, sequence = sequence + 1"
        " where workspace_id = :w and lead_id = :lead and state = 'booked' and starts_at > :now"
    )
    about.connection.execute(statement, about.key)


def _moments(about: About, limit: int) -> list[Moment]:
    rows = about.connection.execute(text(f"{_ALL} order by b.created_at desc limit :n"), {**about.key, "n": limit})
    return [
        Moment(row.created_at, "booking", f"{row.name}, {row.starts_at:%d %b %Y %H:%M} UTC", row.state) for row in rows
    ]


ROOM = Room("bookings", frozenset({"booking"}), _move, _tell, erase=_erase, moments=_moments)

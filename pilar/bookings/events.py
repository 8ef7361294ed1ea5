"""The calendar's events. What belongs here: their payloads."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pilar.backplane.facts import Payload


class BookingMade(Payload):
    """A lead has booked something in a studio."""

    type_name: ClassVar[str] = "booking.made"

    booking_id: UUID
    lead_id: UUID


class BookingCancelled(Payload):
    """A booking was cancelled: its time is free again."""

    type_name: ClassVar[str] = "booking.cancelled"

    booking_id: UUID
    lead_id: UUID

"""Everybody who keeps something about leads, and how a person is told from another.

What belongs here: the list that `app.py` fills, carried to where it is needed. What does not: what a room does.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.messaging.digests import PersonDigests
from pilar.people import About, Room


class People:
    """The rooms that keep something about leads, and digests of persons."""

    def __init__(self, box: SecretBox, rooms: Sequence[Room]) -> None:
        self.digests = PersonDigests(box)
        self.rooms = tuple(rooms)

    def withdraw(self, connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID) -> None:
        """Have every room call off what was to be sent to a lead unasked."""
        about = About(connection, workspace_id, lead_id, clocks.business.now())
        for room in self.rooms:
            room.withdraw(about)

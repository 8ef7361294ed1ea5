"""The coach's jobs. What belongs here: their payloads; references, never personal data."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pilar.backplane.facts import Payload


class SendNudge(Payload):
    """Have a planned nudge written to its lead, now that it is due."""

    type_name: ClassVar[str] = "coach.nudge"

    nudge_id: UUID

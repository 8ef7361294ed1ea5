"""The agents' events. What belongs here: their payloads; references, never personal data."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pilar.backplane.facts import Payload


class CoachingAskedFor(Payload):
    """A lead asked to be coached."""

    type_name: ClassVar[str] = "coaching.asked_for"
    from_outside: ClassVar[bool] = True

    lead_id: UUID

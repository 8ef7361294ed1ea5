"""The jobs of follow-ups. What belongs here: their payloads; references, never personal data."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pilar.backplane.facts import Payload


class SendFollowup(Payload):
    """Have a planned follow-up written to its lead, now that it is due."""

    type_name: ClassVar[str] = "followups.send"

    step_id: UUID

    @staticmethod
    def key_of(step_id: UUID, due_at: datetime) -> str:
        """The idempotency key: a step that is put off is due again, once. An invariant knows it too."""
        return f"{step_id}:{int(due_at.timestamp())}"

"""The work that is queued by all sides. What belongs here: its content and its type; nothing that queues it."""

from __future__ import annotations

import json
from typing import ClassVar
from uuid import UUID

from pilar.backplane.facts import Payload


class Chore(Payload):
    """Work that takes no time: the queue is measured, not its user. Its content is of a nudge's kind and size."""

    type_name: ClassVar[str] = "benchmark.chore"

    lead_id: UUID
    schedule_id: UUID
    plan_id: UUID
    template: str
    language: str
    period: str
    number: int
    sent: float = 0.0
    """When it was sent, where somebody wants to know how long it took to be handled."""


CHORE = Chore(
    lead_id=UUID("01998a7e-6d52-7c1a-8f3e-2b9d4a6c0e11"),
    schedule_id=UUID("01998a7e-6d52-7c1a-8f3e-2b9d4a6c0e12"),
    plan_id=UUID("01998a7e-6d52-7c1a-8f3e-2b9d4a6c0e13"),
    template="coach.morning_nudge",
    language="nl",
    period="2026-W05",
    number=12_345_678,
)
CONTENT = json.dumps(CHORE.model_dump(mode="json"))
"""What the peers are given: the same document."""

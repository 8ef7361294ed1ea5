"""Events that any room may emit for a higher one to answer. What belongs here: their payloads only.

An incident is asked for by event, since the rooms that notice trouble stand below the one that keeps incidents.
"""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from pilar.backplane.facts import Event, Payload

Severity = Literal["low", "medium", "high", "critical"]

ABOUT_INCIDENTS = "incident."
"""What the types of all events about incidents begin with."""


class IncidentRequested(Payload):
    """Somebody should know. The same `dedupe_key` while the incident is open adds to its count."""

    type_name: ClassVar[str] = "incident.requested"

    dedupe_key: str
    title: str
    description: str
    severity: Severity
    component: str


def incident(request: IncidentRequested, *, key: str, workspace_id: UUID | None = None) -> Event:
    """The event that asks for an incident.

    Args:
        request: what is the matter.
        key: idempotency key of this very occurrence.
        workspace_id: the studio it concerns, if any.
    """
    return Event(payload=request, key=key, aggregate=("incident", request.dedupe_key), workspace_id=workspace_id)

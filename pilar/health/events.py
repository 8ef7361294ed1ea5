"""The events of health. What belongs here: their payloads."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pilar.backplane.facts import Payload


class IncidentNoted(Payload):
    """An incident was opened, or has happened once more.

    What follows from an incident follows from this and not from the request for it: handlers of one event run in no
    order, so that another handler of the request could look before the incident is there.
    """

    type_name: ClassVar[str] = "incident.noted"

    incident_id: UUID

"""The jobs of access. What belongs here: their payloads; references, never personal data."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pilar.backplane.facts import Payload


class InviteMember(Payload):
    """Tell somebody by mail that they may work in a studio, with a link that signs them in."""

    type_name: ClassVar[str] = "security.invite_member"

    person_id: UUID

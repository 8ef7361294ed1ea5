"""The agents' events and jobs. What belongs here: their payloads; references, never personal data."""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from pilar.backplane.facts import Payload


class CoachingAskedFor(Payload):
    """A lead asked to be coached."""

    type_name: ClassVar[str] = "coaching.asked_for"
    from_outside: ClassVar[bool] = True

    lead_id: UUID


class AutoReplyRequest(Payload):
    """A lead's message is to be answered by the agent, if nobody has answered it yet."""

    type_name: ClassVar[str] = "support.auto_reply_request"
    from_outside: ClassVar[bool] = True

    message_id: UUID


class EscalationNeeded(Payload):
    """A person is to answer a lead from now on."""

    type_name: ClassVar[str] = "support.escalation_needed"
    from_outside: ClassVar[bool] = True

    lead_id: UUID
    reason: str = Field(min_length=1, max_length=300)


class AnswerTurn(Payload):
    """A model is to answer what a lead wrote."""

    type_name: ClassVar[str] = "agents.answer_turn"

    turn_id: UUID


class ReadRefusal(Payload):
    """A model is to read whether a lead's message refuses to be written to."""

    type_name: ClassVar[str] = "agents.read_refusal"

    message_id: UUID


class SupportIncident(Payload):
    """Somebody at a studio, or a program of theirs, has noticed trouble that the founder should know of."""

    type_name: ClassVar[str] = "support.incident_created"
    from_outside: ClassVar[bool] = True

    key: str = Field(min_length=1, max_length=100)
    """While an incident of the studio with this key is open, it is counted and not opened anew."""
    title: str = Field(min_length=1, max_length=200)
    description: str = Field(default="", max_length=2_000)
    severity: Literal["low", "medium", "high"] = "medium"
    component: str = Field(default="support", min_length=1, max_length=50)

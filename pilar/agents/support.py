"""Support that somebody asks for: an answer, a person, the founder's attention.

What belongs here: answering the events by what is there for it: the agent's rules, the hand-over, incidents.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.agents.answering import Answerer
from pilar.agents.events import AutoReplyRequest, EscalationNeeded, SupportIncident
from pilar.backplane.facts import emit
from pilar.backplane.handlers import Work
from pilar.backplane.notices import IncidentRequested, incident
from pilar.clocks import Clocks
from pilar.errors import Permanent
from pilar.messaging import conversations
from pilar.messaging import store as messaging
from pilar.messaging.events import MessageReceived


class Support:
    """Does what support is asked for."""

    def __init__(self, clocks: Clocks, answerer: Answerer) -> None:
        self._clocks = clocks
        self._answerer = answerer

    def on_reply_requested(self, connection: Connection, work: Work[AutoReplyRequest]) -> dict[str, Any]:
        """Answer a lead's message by rules, as if it had just come in; one is answered once."""
        studio = _studio(work)
        message = messaging.get_message(connection, studio, work.content.message_id)
        if message.direction != "in":
            return {"silent": "the lead did not write this"}
        told = MessageReceived(message_id=message.id, lead_id=message.lead_id)
        return self._answerer.answer(connection, studio, told, work.cause)

    def on_escalation(self, connection: Connection, work: Work[EscalationNeeded]) -> dict[str, bool]:
        """Have a person answer the lead from now on."""
        wanted = work.content
        handed_over = conversations.hand_over(
            connection, self._clocks, _studio(work), wanted.lead_id, wanted.reason, work.cause
        )
        return {"handed_over": handed_over}

    def on_incident(self, connection: Connection, work: Work[SupportIncident]) -> dict[str, str]:
        """Ask for an incident; its key is the studio's own, so that no studio can speak for another."""
        told = work.content
        request = IncidentRequested(
            dedupe_key=f"support:{work.workspace_id or 'fleet'}:{told.key}",
            title=told.title,
            description=told.description,
            severity=told.severity,
            component=told.component,
        )
        emit(
            connection,
            self._clocks,
            [incident(request, key=f"support:{work.id}", workspace_id=work.workspace_id)],
            work.cause,
        )
        return {"asked_for": request.dedupe_key}


def _studio(work: Work[Any]) -> UUID:
    if work.workspace_id is None:
        raise Permanent("A lead belongs to a studio.")
    return work.workspace_id

"""A nudge is due. What belongs here: making it a message, or saying why not.

Whether the message goes is the verdict's: quiet hours, consent and all the rest are asked at the last moment, and the
reason is kept with the message.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row

from pilar.backplane.facts import Lane
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.coach import store, texts
from pilar.coach.events import SendNudge
from pilar.coach.planning import schedules_of
from pilar.errors import Permanent
from pilar.messaging import store as messaging
from pilar.messaging.outbox import NewMessage, queue_message
from pilar.workspaces.configuration import StudioConfiguration
from pilar.workspaces.store import load_configuration

LATEST = timedelta(hours=2)
"""How late a nudge may still be made a message, in business time: nobody wants a good morning at noon."""

CAUSE = "nudge:"
"""What the cause of a nudge's message begins with; its id follows."""

ENDED = "ended"
LATE = "late"
TURNED_OFF = "turned_off"

SKIPPED = {
    ENDED: "The lead is not coached any more.",
    LATE: "It was noticed too late.",
    TURNED_OFF: "The studio has turned this kind of coaching off.",
}
"""Why no message was made."""


class Dispatcher:
    """Makes nudges messages."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def run(self, connection: Connection, work: Work[SendNudge]) -> dict[str, str]:
        """Put a nudge's message into the outbox, once, or keep why there is none."""
        if work.workspace_id is None:
            raise Permanent("A nudge belongs to a studio.")
        known = store.find_nudge(connection, work.workspace_id, work.content.nudge_id)
        if known is None:
            return {"skipped": "withdrawn"}
        # The lead before the nudge, as everybody who decides about a lead does.
        lead = messaging.lock_lead(connection, work.workspace_id, known.lead_id)
        nudge = store.find_nudge(connection, work.workspace_id, known.id, hold=True)
        if nudge is None:
            return {"skipped": "withdrawn"}
        if nudge.message_id is not None or nudge.skipped is not None:
            return {"skipped": "again"}
        enrolment = store.find_enrolment(connection, work.workspace_id, lead.id)
        _, document = load_configuration(connection, work.workspace_id)
        code = self._against(nudge, enrolment, document)
        if code is not None or enrolment is None:
            store.change_nudge(connection, work.workspace_id, nudge.id, {"skipped": code or ENDED})
            return {"skipped": code or ENDED}
        message = NewMessage(
            lead_id=lead.id,
            category="marketing",
            origin=f"coach:{nudge.type}",
            cause=f"{CAUSE}{nudge.id}",
            text=texts.text_of(nudge.type, lead.language, enrolment.motivation_style, lead.name, document.studio.name),
            template=texts.TEMPLATE,
            parameters=(texts.first_name(lead.name, lead.language), document.studio.name),
            lane=Lane.BULK,
        )
        stored = queue_message(connection, self._clocks, work.workspace_id, message, work.cause)
        store.change_nudge(connection, work.workspace_id, nudge.id, {"message_id": stored})
        return {"queued": str(stored)}

    def _against(self, nudge: Row[Any], enrolment: Row[Any] | None, document: StudioConfiguration) -> str | None:
        if enrolment is None or enrolment.ended_at is not None:
            return ENDED
        if self._clocks.business.now() - nudge.due_at > LATEST:
            return LATE
        return None if nudge.type in schedules_of(document) else TURNED_OFF

"""A follow-up is due. What belongs here: making it a message, putting it off, or saying why there is none.

Whether the message goes is the verdict's: quiet hours, consent and all the rest are asked at the last moment, and the
reason is kept with the message.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from pilar.backplane.facts import Lane, enqueue
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.errors import Permanent
from pilar.followups import store, timing
from pilar.followups.events import SendFollowup
from pilar.followups.planning import LATEST, most_a_day, send_job, zones_of
from pilar.messaging import store as messaging
from pilar.messaging import template_store
from pilar.messaging.names import first_name
from pilar.messaging.outbox import NewMessage, queue_message
from pilar.messaging.purposes import best_of, variables_of
from pilar.messaging.template_choices import filled
from pilar.workspaces.store import load_configuration

CAUSE = "followup:"
"""What the cause of a follow-up's message begins with; its step's id follows."""

SKIPPED = {
    "replied": "The lead wrote.",
    "with_person": "A person took the conversation over.",
    "opted_out": "The lead does not want it.",
    "booked": "The lead has booked.",
    "not_a_lead": "They are no lead any more.",
    "closed": "The studio is not active.",
    "turned_off": "The studio has turned it off.",
    "no_template": "There is no such template.",
    "late": "It was noticed too late.",
    "erased": "The lead was erased.",
}
"""Why no message was made, by code."""


class FollowupSender:
    """Makes steps messages."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def run(self, connection: Connection, work: Work[SendFollowup]) -> dict[str, str]:
        """Put a follow-up's message into the outbox, once, or keep why there is none; too many a day wait."""
        if work.workspace_id is None:
            raise Permanent("A follow-up belongs to a studio.")
        known = store.find_step(connection, work.workspace_id, work.content.step_id)
        if known is None:
            return {"skipped": "withdrawn"}
        # The lead before the step, as everybody who decides about a lead does.
        lead = messaging.lock_lead(connection, work.workspace_id, known.lead_id)
        step = store.find_step(connection, work.workspace_id, known.id, hold=True)
        if step is None or step.lead_id != lead.id:
            return {"skipped": "withdrawn"}
        if step.message_id is not None or step.skipped is not None:
            return {"skipped": "again"}
        now = self._clocks.business.now()
        if step.due_at > now:
            return {"skipped": "put off"}
        return self._send(connection, work, lead, step, now)

    def _send(
        self, connection: Connection, work: Work[SendFollowup], lead: Row[Any], step: Row[Any], now: datetime
    ) -> dict[str, str]:
        about = store.about_step(connection, step.workspace_id, step.id, now)
        _, document = load_configuration(connection, step.workspace_id)
        most = most_a_day(document)
        usable = [row for row in template_store.templates_of(connection, step.workspace_id) if row.unusable is None]
        template = best_of(usable, about.template_name, lead.language)
        code = (
            about.against or ("turned_off" if most == 0 else None) or ("late" if now - step.due_at > LATEST else None)
        )
        if code is not None or template is None:
            store.change_step(connection, step.workspace_id, step.id, {"skipped": code or "no_template"})
            return {"skipped": code or "no_template"}
        zones = zones_of(lead.time_zone, lead.phone, about.studio_zone)
        if store.made_since(connection, step.workspace_id, lead.id, timing.day_begins(now, zones[0])) >= most:
            due = timing.due_at(timing.next_day(now, zones[0]), zones, about.time_of_day)
            store.change_step(connection, step.workspace_id, step.id, {"due_at": due})
            enqueue(connection, self._clocks, [send_job(step.workspace_id, step.id, due)], work.cause)
            return {"put_off": due.isoformat()}
        studio = document.studio.name
        parameters = (first_name(lead.name) or studio, studio)[: len(variables_of(template.body))]
        message = NewMessage(
            lead_id=lead.id,
            category="marketing" if template.category == "marketing" else "utility",
            origin=f"{store.ORIGIN}{about.name}",
            cause=f"{CAUSE}{step.id}",
            text=filled(template.body, parameters),
            template=template.name,
            parameters=parameters,
            lane=Lane.BULK,
        )
        stored = queue_message(connection, self._clocks, step.workspace_id, message, work.cause)
        store.change_step(connection, step.workspace_id, step.id, {"message_id": stored, "made_at": now})
        return {"queued": str(stored)}

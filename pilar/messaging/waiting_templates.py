"""What was kept back for a template. What belongs here: asking for it again once WhatsApp has decided."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.messaging import states, store, template_store
from pilar.messaging.events import TemplateChanged
from pilar.messaging.outbox import ask_to_send


class TemplateWaits:
    """Lets messages go that waited for a template; the verdict decides anew."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def on_template(self, connection: Connection, work: Work[TemplateChanged]) -> dict[str, Any]:
        """A template is no longer paused, or is gone for good: ask for what is kept back for its name."""
        if work.workspace_id is None or work.content.state == "paused":
            return {"skipped": "it is waited for"}
        template = template_store.get_template(connection, work.workspace_id, work.content.template_id)
        if template is None:
            return {"skipped": "it is gone"}
        held = store.held_for_template(connection, work.workspace_id, template.name)
        for row in held:
            store.change_message(connection, row.workspace_id, row.id, {"state": states.QUEUED})
            ask_to_send(connection, self._clocks, row.workspace_id, row.id, work.cause, occasion=f"template:{work.id}")
        return {"released": len(held)}

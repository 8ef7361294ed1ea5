"""What staff tell each other about a lead. What belongs here: keeping a note; the inbox and the lead's page show it.

A note is never sent: it stands in a table of its own, which nothing that sends reads.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.clocks import Clocks
from pilar.errors import Conflict, Invalid
from pilar.messaging import note_store, store

LONGEST_NOTE = 4_000
"""Characters."""


def add(
    connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, text: str, *, actor: str, form_id: str
) -> bool:
    """Keep a note about a lead; return whether it is new: the same form counts once.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        workspace_id: the studio's.
        lead_id: about whom.
        text: as typed; for the staff alone.
        actor: who, as in the audit log.
        form_id: of the form it was typed into.

    Raises:
        Invalid: there is no text, or too much of it.
        NotFound: there is no such lead.
        Conflict: the lead was erased.
    """
    text = text.strip()
    if not text:
        raise Invalid("Write something first.")
    if len(text) > LONGEST_NOTE:
        raise Invalid(f"A note has at most {LONGEST_NOTE} characters; this one has {len(text)}.")
    lead = store.lock_lead(connection, workspace_id, lead_id)
    if lead.lifecycle == "erased":
        raise Conflict("This lead was erased: nothing more is kept about them.")
    values = {"lead_id": lead.id, "text": text, "written_by": actor, "form_id": form_id}
    is_new = note_store.add(connection, workspace_id, {**values, "written_at": clocks.business.now()})
    if is_new:
        audit.record(
            connection,
            actor=actor,
            action="lead.noted",
            subject=f"lead:{lead.id}",
            now=clocks.real.now(),
            workspace_id=workspace_id,
            details={"characters": len(text)},
        )
    return is_new

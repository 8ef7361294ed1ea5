"""Who of the staff sees to a conversation, and what they tell each other about it. What belongs here: these two acts.

A note is never sent: it stands in a table of its own, which nothing that sends reads.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.clocks import Clocks
from pilar.errors import Invalid, NotFound
from pilar.messaging import note_store, store
from pilar.workspaces import store as workspaces

LONGEST_NOTE = 2_000
"""Characters."""


def assign(
    connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, person_id: UUID | None, actor: str
) -> bool:
    """Have somebody see to a conversation, or (None) nobody; return whether that is a change.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        workspace_id: the studio's.
        lead_id: whose conversation.
        person_id: one of the studio's people.
        actor: who says so, as in the audit log.

    Raises:
        Invalid: they don't work at this studio.
        NotFound: there is no such conversation.
    """
    store.lock_lead(connection, workspace_id, lead_id)
    thread = store.find_conversation(connection, workspace_id, lead_id)
    if thread is None:
        raise NotFound("There is no conversation with this lead yet.")
    if person_id is not None and not workspaces.is_member(connection, workspace_id, person_id):
        raise Invalid("They don't work at this studio: choose one of its people.")
    if thread.assigned_to == person_id:
        return False
    store.change_conversation(connection, workspace_id, lead_id, {"assigned_to": person_id})
    details = {"to": str(person_id) if person_id else None}
    _audit(connection, clocks, workspace_id, lead_id, actor, "conversation.assigned", details)
    return True


def take(connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, actor: str) -> None:
    """Have whoever acts see to a conversation that nobody sees to, if they are of the studio's people."""
    thread = store.find_conversation(connection, workspace_id, lead_id)
    person_id = _person(actor)
    if thread is None or thread.assigned_to is not None or person_id is None:
        return
    if workspaces.is_member(connection, workspace_id, person_id):
        assign(connection, clocks, workspace_id, lead_id, person_id, actor)


def add_note(
    connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, text: str, actor: str, *, form_id: str
) -> bool:
    """Keep a note on a conversation; return whether it is new: the same form counts once.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        workspace_id: the studio's.
        lead_id: whose conversation.
        text: as typed; for the staff alone.
        actor: who, as in the audit log.
        form_id: of the form it was typed into.

    Raises:
        Invalid: there is no text, or too much of it.
        NotFound: there is no such lead.
    """
    text = text.strip()
    if not text:
        raise Invalid("Write something first.")
    if len(text) > LONGEST_NOTE:
        raise Invalid(f"A note has at most {LONGEST_NOTE} characters; this one has {len(text)}.")
    store.get_lead(connection, workspace_id, lead_id)
    values = {"lead_id": lead_id, "author": actor, "text": text, "form_id": form_id}
    is_new = note_store.add(connection, workspace_id, {**values, "written_at": clocks.business.now()})
    if is_new:
        _audit(connection, clocks, workspace_id, lead_id, actor, "conversation.noted", {"characters": len(text)})
    return is_new


def _person(actor: str) -> UUID | None:
    """The person behind `owner:<id>` or `member:<id>`; None for everybody else."""
    kind, _, identity = actor.partition(":")
    try:
        return UUID(identity) if kind in ("owner", "member") else None
    except ValueError:
        return None


def _audit(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    lead_id: UUID,
    actor: str,
    action: str,
    details: dict[str, Any],
) -> None:
    audit.record(
        connection,
        actor=actor,
        action=action,
        subject=f"lead:{lead_id}",
        now=clocks.real.now(),
        workspace_id=workspace_id,
        details=details,
    )

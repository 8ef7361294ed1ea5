"""Who of the staff sees to a conversation. What belongs here: saying so. What does not: notes (`notes.py`)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.clocks import Clocks
from pilar.errors import Invalid, NotFound
from pilar.messaging import store
from pilar.workspaces import store as workspaces


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
    lead_id = store.lock_lead(connection, workspace_id, lead_id).id
    thread = store.find_conversation(connection, workspace_id, lead_id)
    if thread is None:
        raise NotFound("There is no conversation with this lead yet.")
    if person_id is not None and not workspaces.is_member(connection, workspace_id, person_id):
        raise Invalid("They don't work at this studio: choose one of its people.")
    if thread.assigned_to == person_id:
        return False
    store.change_conversation(connection, workspace_id, lead_id, {"assigned_to": person_id})
    audit.record(
        connection,
        actor=actor,
        action="conversation.assigned",
        subject=f"lead:{lead_id}",
        now=clocks.real.now(),
        workspace_id=workspace_id,
        details={"to": str(person_id) if person_id else None},
    )
    return True


def take(connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, actor: str) -> None:
    """Have whoever acts see to a conversation that nobody sees to, if they are of the studio's people."""
    thread = store.find_conversation(connection, workspace_id, lead_id)
    person_id = _person(actor)
    if thread is None or thread.assigned_to is not None or person_id is None:
        return
    if workspaces.is_member(connection, workspace_id, person_id):
        assign(connection, clocks, workspace_id, lead_id, person_id, actor)


def _person(actor: str) -> UUID | None:
    """The person behind `owner:<id>` or `member:<id>`; None for everybody else."""
    kind, _, identity = actor.partition(":")
    try:
        return UUID(identity) if kind in ("owner", "member") else None
    except ValueError:
        return None

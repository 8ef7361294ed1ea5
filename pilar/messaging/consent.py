"""Consent given and withdrawn. What belongs here: recording it, and what follows from it in the same transaction.

A withdrawal is in force when it is committed: what is queued is withdrawn with it, and what is sent later asks for it
under the lead's lock. The narrower scope never widens by itself, and a withdrawal of everything outlives a later
agreement to marketing unless that says START.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.facts import Cause, Event, emit
from pilar.clocks import Clocks
from pilar.messaging import store
from pilar.messaging.events import OptedOut

ConsentScope = Literal["marketing", "all"]


def grant(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    lead_id: UUID,
    scope: ConsentScope,
    source: str,
    proof: str,
) -> bool:
    """Record that a lead agreed; return whether that is new.

    Args:
        connection: a transaction; the lead's row gets held.
        clocks: both clocks.
        workspace_id: the studio's.
        lead_id: whose.
        scope: marketing, or all, which ends an earlier withdrawal of everything.
        source: keyword, wording, provider, staff or import.
        proof: what shows it; the same proof counts once.
    """
    store.lock_lead(connection, workspace_id, lead_id)
    values = {"granted": True, "source": source, "recorded_at": clocks.business.now()}
    return store.add_consent(connection, workspace_id, lead_id, {"scope": scope, "proof": proof, **values})


def withdraw(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    lead_id: UUID,
    scope: ConsentScope,
    source: str,
    proof: str,
    story: Cause,
) -> bool:
    """Record that a lead wants no more of it, and withdraw what is queued; return whether that is new.

    Arguments are those of `grant`, and the story that the event belongs to.
    """
    store.lock_lead(connection, workspace_id, lead_id)
    values = {"granted": False, "source": source, "recorded_at": clocks.business.now()}
    if not store.add_consent(connection, workspace_id, lead_id, {"scope": scope, "proof": proof, **values}):
        return False
    store.cancel_unsent(
        connection, workspace_id, lead_id, marketing_only=scope == "marketing", reason="The lead opted out."
    )
    event = Event(
        payload=OptedOut(lead_id=lead_id, scope=scope),
        key=f"{lead_id}:{scope}:{proof}",
        aggregate=("lead", str(lead_id)),
        workspace_id=workspace_id,
    )
    emit(connection, clocks, [event], story)
    return True

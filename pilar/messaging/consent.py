"""Consent given and withdrawn. What belongs here: recording it, and what follows from it in the same transaction.

A withdrawal is in force when it is committed: what is queued is withdrawn with it, and what is sent later asks for it
under the lead's lock. The narrower scope never widens by itself, and a withdrawal of everything outlives a later
agreement to marketing unless that says START. E-mail is a scope of its own: who agreed to be written to on WhatsApp has
not agreed to e-mail, and who wants no more e-mail may be written to on WhatsApp as before.

Who asks for silence from every studio gets it from each that knows their number, as a withdrawal of everything there,
and from those that meet them later: a digest of the number is kept. They may agree anew with one studio by START.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.facts import Cause, Event, emit
from pilar.clocks import Clocks
from pilar.errors import Invalid
from pilar.ids import new_id
from pilar.messaging import people_store, store, unclear
from pilar.messaging.events import OptedOut
from pilar.messaging.rooms import People

ConsentScope = Literal["marketing", "email", "all", "founder"]

THEIR_OWN = frozenset({"keyword", "wording", "model", "provider", "link"})
"""Sources that are the person's own words: who was erased is written to again only by these."""


def grant(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    lead_id: UUID,
    scope: ConsentScope,
    source: str,
    proof: str,
    people: People | None = None,
) -> bool:
    """Record that a lead agreed; return whether that is new.

    Args:
        connection: a transaction; the lead's row gets held.
        clocks: both clocks.
        workspace_id: the studio's.
        lead_id: whose.
        scope: marketing, email, or all, which ends an earlier withdrawal of everything.
        source: keyword, wording, provider, link, staff or import.
        proof: what shows it; the same proof counts once.
        people: who also forgets that the person was erased, where they agree themselves.

    Raises:
        Invalid: the scope is every studio's: one can only agree with one studio.
    """
    if scope == "founder":
        raise Invalid("Nobody agrees for every studio at once: use the scope marketing, email or all.")
    lead = store.lock_lead(connection, workspace_id, lead_id)
    values = {"granted": True, "source": source, "recorded_at": clocks.business.now()}
    if not store.add_consent(connection, workspace_id, lead.id, {"scope": scope, "proof": proof, **values}):
        return False
    if source in THEIR_OWN:
        unclear.end_others(connection, clocks, workspace_id, lead.id, proof, "none", source)
    if people is not None and source in THEIR_OWN:
        digests = people.digests.of(connection, (lead.phone, lead.provider_user_id, lead.email))
        people_store.release(connection, workspace_id, digests)
    return True


def withdraw(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    lead_id: UUID,
    scope: ConsentScope,
    source: str,
    proof: str,
    story: Cause,
    people: People,
) -> bool:
    """Record that a lead wants no more of it, and withdraw what is queued; return whether that is new.

    Arguments are those of `grant`, and the story that the event belongs to; `people` is who else calls off what was to
    be sent, and is needed for the scope of every studio.
    """
    if scope == "founder":
        if people is None:
            raise Invalid("A withdrawal from every studio needs the rooms of all of them.")
        return _everywhere(connection, clocks, workspace_id, lead_id, source, proof, story, people)
    lead = store.lock_lead(connection, workspace_id, lead_id)
    values = {"granted": False, "source": source, "recorded_at": clocks.business.now()}
    if not store.add_consent(connection, workspace_id, lead.id, {"scope": scope, "proof": proof, **values}):
        return False
    call_off(connection, clocks, workspace_id, lead.id, scope, source, proof, story, people)
    return True


def call_off(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    lead_id: UUID,
    scope: ConsentScope,
    source: str,
    proof: str,
    story: Cause,
    people: People,
) -> None:
    """Do what follows from a withdrawal that is recorded, in the same transaction; the lead's row is held."""
    store.cancel_unsent(connection, workspace_id, lead_id, scope=scope, reason="The lead opted out.")
    if scope != "email":
        people.withdraw(connection, clocks, workspace_id, lead_id)
    if scope in ("all", "founder"):
        unclear.end_others(connection, clocks, workspace_id, lead_id, proof, "all", source)
    event = Event(
        payload=OptedOut(lead_id=lead_id, scope=scope),
        key=f"{lead_id}:{scope}:{proof}",
        aggregate=("lead", str(lead_id)),
        workspace_id=workspace_id,
    )
    emit(connection, clocks, [event], story)


def keep_stopped(
    connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, story: Cause, people: People
) -> bool:
    """Have a lead who is new here, or whose number is, fall under what they asked of every studio; whether they do.

    The order of persons is held from here on (`people_store.among_persons`).
    """
    people_store.among_persons(connection)
    lead = store.lock_lead(connection, workspace_id, lead_id)
    stop = people_store.stopped(connection, people.digests.of(connection, (lead.phone, lead.provider_user_id)))
    if stop is None:
        return False
    proof = f"founder:{stop.proof}"
    return withdraw(connection, clocks, workspace_id, lead.id, "all", "founder", proof, story, people)


def _everywhere(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    lead_id: UUID,
    source: str,
    proof: str,
    story: Cause,
    people: People,
) -> bool:
    people_store.among_persons(connection, alone=True)
    lead = store.lock_lead(connection, workspace_id, lead_id)
    now = clocks.business.now()
    values = {"scope": "founder", "granted": False, "source": source, "proof": proof, "recorded_at": now}
    if not store.add_consent(connection, workspace_id, lead.id, values):
        return False
    digests = people.digests.of(connection, (lead.phone, lead.provider_user_id))
    reference = str(new_id())
    people_store.stop_everywhere(connection, digests, {"source": source, "proof": reference, "stopped_at": now})
    known = people_store.leads_by_phone(connection, lead.phone) if lead.phone else []
    for place in sorted({(workspace_id, lead.id), *((row.workspace_id, row.id) for row in known)}):
        withdraw(connection, clocks, *place, "all", "founder", f"founder:{reference}", story, people)
    return True

"""A person is to be forgotten, or to be told what is kept about them (GDPR, articles 15 and 17).

What belongs here: asking for an erasure, doing it as a job, and the export. What does not: what each room keeps
(`pilar/people.py`).

All of an erasure is one transaction: who is killed has erased nothing, and the job comes again. What stays says how
many messages there were and when, and of whom nothing; beside it a keyed digest, so that no file and no staff has the
person written to again. Who writes by themself afterwards is somebody new: they are answered, and nothing unasked for
is sent to them unless they agree themselves. No file and no staff can agree for them until they have written START.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit, shredding
from pilar.backplane.facts import Cause, Job, Lane, enqueue
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.errors import Conflict, Permanent, Transient
from pilar.messaging import people_room_store, people_store, store
from pilar.messaging.events import EraseLead
from pilar.messaging.rooms import People
from pilar.people import About
from pilar.workspaces import store as workspaces

ERASED = "erased"
"""The lifecycle of a lead of whom nothing is left."""


def ask(connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, *, actor: str) -> bool:
    """Have a lead erased; return whether that was not asked for before.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        workspace_id: the studio's.
        lead_id: who.
        actor: who asks for it, as in the audit log.

    Raises:
        NotFound: there is no such lead.
        Conflict: it is the studio's own owner, who gets its test messages.
    """
    lead = store.lock_lead(connection, workspace_id, lead_id)
    if lead.lifecycle == "staff":
        raise Conflict("This is the studio's owner, who gets its test messages: they go with the studio.")
    values = {"lead_id": lead.id, "asked_by": actor, "asked_at": clocks.business.now()}
    if not people_store.ask_to_erase(connection, {"workspace_id": workspace_id, **values}):
        return False
    job = Job(payload=EraseLead(lead_id=lead.id), key=str(lead.id), workspace_id=workspace_id, lane=Lane.DEFAULT)
    enqueue(connection, clocks, [job], Cause.new())
    audit.record(
        connection,
        actor=actor,
        action="lead.erasure_asked",
        subject=f"lead:{lead.id}",
        now=clocks.real.now(),
        workspace_id=workspace_id,
    )
    return True


def export(
    connection: Connection, clocks: Clocks, people: People, workspace_id: UUID, lead_id: UUID, *, actor: str
) -> dict[str, Any]:
    """All that is kept about a lead, by room and table; that it was asked for is audited.

    Arguments are those of `ask`, and every room that keeps something about leads. Raises `NotFound`.
    """
    lead = store.lock_lead(connection, workspace_id, lead_id)
    about = About(connection, workspace_id, lead.id, clocks.business.now())
    named = shredding.mentions(connection, people_room_store.names_of(about))
    audit.record(
        connection,
        actor=actor,
        action="lead.exported",
        subject=f"lead:{lead.id}",
        now=clocks.real.now(),
        workspace_id=workspace_id,
    )
    return {
        "lead_id": str(lead.id),
        "workspace_id": str(workspace_id),
        "told_at": clocks.business.now().isoformat(),
        **{room.name: room.tell(about) for room in people.rooms},
        "deliveries": [
            {
                "id": str(one.id),
                "provider": one.provider,
                "external_id": one.external_id,
                "received_at": one.received_at.isoformat(),
            }
            for one in named
        ],
    }


def names_of_studio(connection: Connection, workspace_id: UUID) -> list[str]:
    """What deliveries call a studio by."""
    whatsapp = workspaces.get_integration(connection, workspace_id, "whatsapp")
    return [] if whatsapp is None else [one for one in (whatsapp.phone_number_id, whatsapp.phone_number) if one]


class Eraser:
    """Does erasures."""

    def __init__(self, clocks: Clocks, people: People) -> None:
        self._clocks = clocks
        self._people = people

    def on_job(self, connection: Connection, work: Work[EraseLead]) -> dict[str, int | str]:
        """The job's handler: everything at once, once.

        Raises:
            Transient: a message of theirs is being handed over at this moment, whose answer would name them.
        """
        if work.workspace_id is None:
            raise Permanent("A lead belongs to a studio.")
        workspace_id = work.workspace_id
        # Before the lead: whoever adds a person holds the order of persons first.
        people_store.among_persons(connection, alone=True)
        lead = store.lock_lead(connection, workspace_id, work.content.lead_id)
        if lead.lifecycle == ERASED:
            return {"erased": "before"}
        if people_room_store.is_being_sent(connection, workspace_id, lead.id):
            raise Transient("A message of theirs is being handed over: they are erased once that is known to be done.")
        now = self._clocks.business.now()
        about = About(connection, workspace_id, lead.id, now)
        names = people_room_store.names_of(about)
        digests = self._people.digests.of(connection, (lead.phone, lead.provider_user_id, lead.email))
        people_store.suppress(connection, workspace_id, digests, now)
        deliveries = shredding.shred(connection, names, names_of_studio(connection, workspace_id))
        shredding.shred_answers(connection, [str(lead.id), *(one for one in (lead.phone, lead.email) if one)])
        # An erasure that was asked for a lead who was merged meanwhile is this one's.
        people_store.ask_to_erase(
            connection, {"workspace_id": workspace_id, "lead_id": lead.id, "asked_by": "system", "asked_at": now}
        )
        for room in self._people.rooms:
            room.withdraw(about)
            room.erase(about)
        # Whatever still names their id finds a lead who wants nothing.
        values = {"granted": False, "source": "staff", "proof": f"{ERASED}:{lead.id}", "recorded_at": now}
        store.add_consent(connection, workspace_id, lead.id, {"scope": "all", **values})
        people_store.end_erasure(connection, workspace_id, lead.id, now)
        audit.record(
            connection,
            actor="system",
            action="lead.erased",
            subject=f"lead:{lead.id}",
            now=self._clocks.real.now(),
            workspace_id=workspace_id,
            details={"deliveries": deliveries},
        )
        return {"erased": "now", "deliveries": deliveries}

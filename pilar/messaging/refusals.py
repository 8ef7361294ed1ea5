"""A lead refuses, in so many words or perhaps. What belongs here: silence, and what may be a refusal until it is told.

What does not: the words (`wording.py`), and having a model read them, which the room above does. From the commit of a
message that may refuse nothing marketing goes to its lead (`verdict.py` asks the table), until a model, somebody of
the staff, or the lead's own clear words tell; after a week it counts as a refusal of marketing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.backplane.facts import Cause, Event, Job, emit, enqueue
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.errors import Conflict, NotFound, Permanent
from pilar.messaging import consent, refusal_store, store
from pilar.messaging.consent import ConsentScope
from pilar.messaging.events import RefusalUnanswered, RefusalUnclear
from pilar.messaging.facts import opted_out_scope
from pilar.messaging.outbox import OPT_OUT_NOTICE, NewMessage, queue_message
from pilar.messaging.phrases import phrase
from pilar.messaging.rooms import People
from pilar.messaging.unclear import ASKED, SETTLED, TO_PERSON, UNANSWERED_AFTER, Refused, release
from pilar.workspaces import store as workspaces

MODEL, STAFF, UNANSWERED, LEAD = "model", "staff", "unanswered", "lead"
"""Who told: the source of the consent that is recorded."""


@dataclass(frozen=True)
class Told:
    """What was found, and by whom.

    Attributes:
        found: what the message refuses.
        source: one of those above.
        by: the actor, where somebody of the staff told; else the source.
        provider: whose model it was.
        model: as its provider names it.
        answer: what the model answered, in its code.
        language: ISO 639-1, as the model read it.
    """

    found: Refused
    source: str
    by: str = ""
    provider: str | None = None
    model: str | None = None
    answer: str | None = None
    language: str | None = None


def silence(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    lead_id: UUID,
    scope: ConsentScope,
    source: str,
    message_id: UUID,
    story: Cause,
    people: People,
) -> bool:
    """Withdraw their consent to everything, and say so once; return whether that is new."""
    proof = f"message:{message_id}"
    is_new = consent.withdraw(connection, clocks, workspace_id, lead_id, scope, source, proof, story, people)
    lead = store.get_lead(connection, workspace_id, lead_id)
    studio = workspaces.load_configuration(connection, workspace_id)[1].studio
    # One confirmation, then silence.
    notice = NewMessage(
        lead_id=lead_id,
        category="service",
        origin=OPT_OUT_NOTICE,
        cause=f"opted_out:{lead_id}",
        text=phrase("opted_out", lead.language, studio.name),
        reply_to=message_id,
    )
    queue_message(connection, clocks, workspace_id, notice, story)
    return is_new


def doubt(
    connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, message_id: UUID, story: Cause
) -> bool:
    """Keep that a message may refuse, and have it read; whether that is new. The lead is held.

    Who wants no messages at all has nothing left to refuse.
    """
    if opted_out_scope(store.consents(connection, workspace_id, lead_id)) == "all":
        return False
    now = clocks.business.now()
    question = {"message_id": message_id, "lead_id": lead_id, "state": ASKED, "since": now}
    if not refusal_store.add(connection, {"workspace_id": workspace_id, **question}):
        return False
    unclear = Event(
        payload=RefusalUnclear(message_id=message_id, lead_id=lead_id),
        key=str(message_id),
        aggregate=("lead", str(lead_id)),
        workspace_id=workspace_id,
    )
    emit(connection, clocks, [unclear], story)
    end = Job(
        payload=RefusalUnanswered(message_id=message_id),
        key=str(message_id),
        workspace_id=workspace_id,
        due_at=now + UNANSWERED_AFTER,
        business_time=True,
    )
    enqueue(connection, clocks, [end], story)
    return True


def leave_to_person(
    connection: Connection, workspace_id: UUID, message_id: UUID, why: str, told: Mapping[str, str] | None = None
) -> bool:
    """Have somebody of the staff tell, since no model did; whether it was still open.

    Args:
        connection: a transaction.
        workspace_id: the studio's.
        message_id: the lead's.
        why: a code, which the pages have in words.
        told: which model was asked and what it answered, as columns.
    """
    values = {"state": TO_PERSON, "why_person": why, **(told or {})}
    return refusal_store.change_open(connection, workspace_id, message_id, values)


def settle(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    message_id: UUID,
    told: Told,
    story: Cause,
    people: People,
) -> bool:
    """Act on what was found in a message that may refuse, once; whether nobody had told before.

    The proof of a withdrawal is the message, and who read it and how is kept with the question.

    Args:
        connection: a transaction.
        clocks: both clocks.
        workspace_id: the studio's.
        message_id: the lead's.
        told: what was found.
        story: the story it belongs to.
        people: who else calls off what was to be sent.

    Raises:
        NotFound: there is no such message.
    """
    message = store.get_message(connection, workspace_id, message_id)
    lead = store.lock_lead(connection, workspace_id, message.lead_id)
    values = {
        "state": SETTLED,
        "found": told.found,
        "told_by": told.by or told.source,
        "settled_at": clocks.business.now(),
    }
    of_model = {name: getattr(told, name) for name in ("provider", "model", "answer", "language")}
    values |= {name: value for name, value in of_model.items() if value is not None}
    if not refusal_store.change_open(connection, workspace_id, message_id, values):
        return False
    if told.found == "all":
        silence(connection, clocks, workspace_id, lead.id, "all", told.source, message_id, story, people)
    elif told.found == "marketing":
        proof = f"message:{message_id}"
        consent.withdraw(connection, clocks, workspace_id, lead.id, "marketing", told.source, proof, story, people)
    release(connection, clocks, workspace_id, lead.id, str(message_id))
    return True


def answer(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    lead_id: UUID,
    message_id: UUID,
    actor: str,
    people: People,
    *,
    refuses: bool,
) -> None:
    """Somebody of the staff tells whether a message refuses; who does refuses everything.

    A model that has not answered yet is not waited for.

    Raises:
        NotFound: the lead wrote no such message, or nothing is unclear about it.
        Conflict: somebody has told already.
    """
    lead = store.lock_lead(connection, workspace_id, lead_id)
    question = refusal_store.find(connection, workspace_id, message_id)
    if question is None or question.lead_id != lead.id:
        raise NotFound("There is no such message of this lead's that may be a refusal.")
    told = Told(found="all" if refuses else "none", source=STAFF, by=actor)
    if not settle(connection, clocks, workspace_id, message_id, told, Cause.new(), people):
        raise Conflict("Somebody has told already what this message means.")
    audit.record(
        connection,
        actor=actor,
        action="lead.refusal_told",
        subject=f"lead:{lead.id}",
        now=clocks.real.now(),
        workspace_id=workspace_id,
        details={"message": str(message_id), "refuses": refuses},
    )


class Unanswered:
    """Ends what nobody has told within a week."""

    def __init__(self, clocks: Clocks, people: People) -> None:
        self._clocks = clocks
        self._people = people

    def on_job(self, connection: Connection, work: Work[RefusalUnanswered]) -> dict[str, bool]:
        """Take a message that may refuse for a refusal of marketing, where that is still open."""
        if work.workspace_id is None:
            raise Permanent("A lead's message belongs to a studio.")
        message_id = work.content.message_id
        if refusal_store.find(connection, work.workspace_id, message_id) is None:
            return {"refused": False}  # who wrote it was erased since
        told = Told(found="marketing", source=UNANSWERED)
        done = settle(connection, self._clocks, work.workspace_id, message_id, told, work.cause, self._people)
        return {"refused": done}

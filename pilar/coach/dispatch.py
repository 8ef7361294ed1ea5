"""A nudge is due. What belongs here: making it a message, or saying why not.

Whether the message goes is the verdict's: quiet hours, consent and all the rest are asked at the last moment, and the
reason is kept with the message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane.facts import Lane
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.coach import dispatch_store, goal_store, plan_store, store, texts
from pilar.coach.events import SendNudge
from pilar.coach.fatigue import KEPT_BACK, LAST_QUESTION, PAUSED
from pilar.coach.plan_store import GOAL_REPORT, MISSED
from pilar.coach.planning import PREFIX, schedules_of
from pilar.coach.texts import About
from pilar.errors import Permanent
from pilar.messaging import store as messaging
from pilar.messaging.outbox import NewMessage, queue_message, queue_openings
from pilar.workspaces.configuration import StudioConfiguration
from pilar.workspaces.fleet import load_configurations
from pilar.workspaces.store import load_configuration

LATEST = timedelta(hours=2)
"""How late a nudge may still be made a message, in business time: nobody wants a good morning at noon."""

CAUSE = "nudge:"
"""What the cause of a nudge's message begins with; its id follows."""

ENDED = "ended"
LATE = "late"
TURNED_OFF = "turned_off"
NOTHING = "nothing"

SKIPPED = {
    ENDED: "The lead is not coached any more.",
    LATE: "It was noticed too late.",
    TURNED_OFF: "The studio has turned this kind of coaching off.",
    NOTHING: "There was nothing to write about any more.",
    **KEPT_BACK,
}
"""Why no message was made."""


def in_words(reason: str) -> str:
    """A reason's code for people: of this room's, or of the verdict's."""
    return SKIPPED.get(reason, reason.replace("_", " ").capitalize())


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
        enrolment = store.find_enrolment(connection, work.workspace_id, lead.id, hold=True)
        _, document = load_configuration(connection, work.workspace_id)
        code = self._against(connection, nudge, enrolment, document)
        if code is not None or enrolment is None:
            store.change_nudge(connection, work.workspace_id, nudge.id, {"skipped": code or ENDED})
            return {"skipped": code or ENDED}
        about = self._about(connection, nudge, lead, document)
        message = _message_of(nudge, lead.language, enrolment.motivation_style, about, document, lead.id)
        stored = queue_message(connection, self._clocks, work.workspace_id, message, work.cause)
        store.change_nudge(connection, work.workspace_id, nudge.id, {"message_id": stored})
        return {"queued": str(stored)}

    def run_together(self, connection: Connection, works: Sequence[Work[SendNudge]]) -> list[Mapping[str, str]]:
        """Do the same for many: those that there is nothing to be said against with a few statements for all."""
        nudges = {(work.workspace_id, work.content.nudge_id): work for work in works if work.workspace_id is not None}
        plain = self._plain(connection, list(nudges))
        openings = [(row.workspace_id, new, nudges[row.workspace_id, row.id].cause) for row, new in plain]
        made = queue_openings(connection, self._clocks, openings)
        stored = {(row.workspace_id, row.id): message for (row, _), message in zip(plain, made, strict=True)}
        dispatch_store.keep_messages(connection, stored)
        done = {id(nudges[key]): {"queued": str(message)} for key, message in stored.items()}
        return [done.get(id(work)) or self.run(connection, work) for work in works]

    def _plain(self, connection: Connection, keys: Sequence[tuple[UUID, UUID]]) -> list[tuple[Row[Any], NewMessage]]:
        """Those of these nudges that there is nothing to be said against, and what is written."""
        rows = dispatch_store.held(connection, keys)
        documents = load_configurations(connection, {row.workspace_id for row in rows})
        plain = []
        for row in rows:
            document = documents.get(row.workspace_id)
            is_plain = document is not None and row.type not in (GOAL_REPORT, MISSED, LAST_QUESTION)
            if document is None or not is_plain or self._untimely(row, document) is not None:
                continue
            about = About(row.name, document.studio.name, row.target or "", row.progress or 0)
            plain.append((row, _message_of(row, row.language, row.motivation_style, about, document)))
        return plain

    def _untimely(self, nudge: Row[Any], document: StudioConfiguration) -> str | None:
        if self._clocks.business.now() - nudge.due_at > LATEST:
            return LATE
        in_force = dict(schedules_of(document))
        is_on = bool(in_force) if nudge.type == LAST_QUESTION else nudge.type in in_force
        return None if is_on else TURNED_OFF

    def _against(
        self, connection: Connection, nudge: Row[Any], enrolment: Row[Any] | None, document: StudioConfiguration
    ) -> str | None:
        if enrolment is None or enrolment.ended_at is not None:
            return ENDED
        if (code := self._untimely(nudge, document)) is not None:
            return code
        now = self._clocks.business.now()
        if nudge.type == LAST_QUESTION:
            return self._against_asking(connection, nudge, enrolment)
        if enrolment.paused_at is not None:
            return PAUSED
        # What it was planned for may have been mended since: the training made up for, the goal reached.
        has = plan_store.has_something(connection, nudge.workspace_id, nudge.lead_id, nudge.type, now, nudge.id)
        return None if has else NOTHING

    def _against_asking(self, connection: Connection, nudge: Row[Any], enrolment: Row[Any]) -> str | None:
        """Who has written meanwhile has answered, also where that has not led to anything yet."""
        thread = messaging.find_conversation(connection, nudge.workspace_id, nudge.lead_id)
        wrote = thread.last_inbound_at if thread else None
        paused = enrolment.paused_at
        return NOTHING if paused is None or (wrote is not None and wrote > paused) else None

    def _about(self, connection: Connection, nudge: Row[Any], lead: Row[Any], document: StudioConfiguration) -> About:
        goal = goal_store.current_goal(connection, nudge.workspace_id, lead.id)
        if goal is None:
            return About(lead.name, document.studio.name)
        return About(lead.name, document.studio.name, goal.target, goal.progress)


def _message_of(
    nudge: Row[Any],
    language: str,
    style: str,
    about: About,
    document: StudioConfiguration,
    lead_id: UUID | None = None,
) -> NewMessage:
    """What a nudge is written as, to its lead or to whom that one was merged into."""
    wording = wording_of(document, nudge.type)
    return NewMessage(
        lead_id=lead_id or nudge.lead_id,
        category="marketing",
        origin=f"coach:{nudge.type}",
        cause=f"{CAUSE}{nudge.id}",
        text=_text(nudge.type, language, style, about, wording),
        template=wording.template,
        parameters=(texts.first_name(about.name, language), document.studio.name),
        lane=Lane.BULK,
    )


@dataclass(frozen=True)
class Wording:
    """How a studio has a type of nudge written: the template, and its own texts by language."""

    template: str
    texts: Mapping[str, str]


def _text(kind: str, language: str, style: str, about: About, wording: Wording) -> str:
    if kind == LAST_QUESTION:
        return texts.last_question(language, about)
    return texts.text_of(kind, language, style, about, wording.texts)


def wording_of(document: StudioConfiguration, kind: str) -> Wording:
    """A studio's wording of a type; of several schedules of the type the first that says something counts."""
    entries = [one for one in document.coaching.schedules if one.enabled and one.type == f"{PREFIX}{kind}"]
    template = next((one.template for one in entries if one.template), texts.TEMPLATE)
    return Wording(template, next((one.texts for one in entries if one.texts), {}))

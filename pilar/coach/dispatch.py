"""A nudge is due. What belongs here: making it a message, having a model write it first, or saying why neither.

Whether the message goes is the verdict's: quiet hours, consent and all the rest are asked at the last moment, and the
reason is kept with the message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane.facts import Job, Lane, enqueue
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.coach import composing, dispatch_store, store
from pilar.coach.events import PersonaliseNudge, SendNudge
from pilar.coach.fatigue import LAST_QUESTION
from pilar.coach.personalising import why_no_model
from pilar.coach.plan_store import GOAL_REPORT, MISSED
from pilar.coach.standing import ENDED, untimely, why_not
from pilar.coach.texts import About
from pilar.errors import Permanent
from pilar.messaging import store as messaging
from pilar.messaging.outbox import queue_openings
from pilar.workspaces.fleet import load_configurations
from pilar.workspaces.store import load_configuration

_BY_ITSELF = frozenset({GOAL_REPORT, MISSED, LAST_QUESTION})
"""Kinds of which more is to be known before they are written."""


class Dispatcher:
    """Makes nudges messages."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def run(self, connection: Connection, work: Work[SendNudge]) -> dict[str, str]:
        """Put a nudge's message into the outbox, once, have it written, or keep why there is none."""
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
        now = self._clocks.business.now()
        code = why_not(connection, now, nudge, enrolment, document)
        if code is not None or enrolment is None:
            store.change_nudge(connection, work.workspace_id, nudge.id, {"skipped": code or ENDED})
            return {"skipped": code or ENDED}
        told: dict[str, str] = {}
        if document.coaching.written_by == "model" and nudge.type != LAST_QUESTION:
            reason = why_no_model(connection, now, document, lead)
            if reason is None:
                self._have_written(connection, work)
                return {"asked": "model"}
            told = {"not_by_model": reason}
        facts = composing.about(connection, document, lead, nudge.type, now, nudge.id)
        usable = composing.usable_templates(connection, work.workspace_id)
        draft = composing.compose(document, nudge.type, lead.language, enrolment.motivation_style, facts, usable)
        cause = f"{composing.CAUSE}{nudge.id}"
        draft = composing.with_more(connection, self._clocks, document, lead, nudge.type, cause, draft)
        return {"queued": str(composing.put_out(connection, self._clocks, nudge, draft, work.cause, told))}

    def run_together(self, connection: Connection, works: Sequence[Work[SendNudge]]) -> list[Mapping[str, str]]:
        """Do the same for many: those that there is nothing to be said against with a few statements for all."""
        nudges = {(work.workspace_id, work.content.nudge_id): work for work in works if work.workspace_id is not None}
        plain = self._plain(connection, list(nudges))
        openings = [
            (
                row.workspace_id,
                composing.as_message(row.lead_id, row.type, f"{composing.CAUSE}{row.id}", draft),
                nudges[row.workspace_id, row.id].cause,
            )
            for row, draft in plain
        ]
        stored = queue_openings(connection, self._clocks, openings)
        written = [
            dispatch_store.Written(row.workspace_id, row.id, message, draft.written_by)
            for (row, draft), message in zip(plain, stored, strict=True)
        ]
        dispatch_store.keep_messages(connection, written)
        done = {id(nudges[one.workspace_id, one.nudge_id]): {"queued": str(one.message_id)} for one in written}
        return [done.get(id(work)) or self.run(connection, work) for work in works]

    def _plain(
        self, connection: Connection, keys: Sequence[tuple[UUID, UUID]]
    ) -> list[tuple[Row[Any], composing.Draft]]:
        """Those of these nudges that there is nothing to be said against and no model writes, and their words."""
        rows = dispatch_store.held(connection, keys)
        documents = load_configurations(connection, {row.workspace_id for row in rows})
        now = self._clocks.business.now()
        plain = []
        for row in rows:
            document = documents.get(row.workspace_id)
            if document is None or document.coaching.written_by == "model" or row.type in _BY_ITSELF:
                continue
            if untimely(now, row, document) is None:
                facts = About(row.name, document.studio.name, row.target or "", row.progress or 0)
                draft = composing.compose(document, row.type, row.language, row.motivation_style, facts)
                plain.append((row, draft))
        return plain

    def _have_written(self, connection: Connection, work: Work[SendNudge]) -> None:
        """Hand the nudge to what asks a model: that takes its time, and holds no lead meanwhile."""
        job = Job(
            payload=PersonaliseNudge(nudge_id=work.content.nudge_id),
            key=str(work.content.nudge_id),
            workspace_id=work.workspace_id,
            lane=Lane.BULK,
        )
        enqueue(connection, self._clocks, [job], work.cause)

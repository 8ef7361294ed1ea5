"""Nudges that somebody asks for. What belongs here: answering the events; planning and sending are elsewhere here."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.coach import store
from pilar.coach.events import NudgeAskedFor
from pilar.coach.plan_store import GOAL_REPORT, MISSED
from pilar.coach.planning import plan_now
from pilar.coach.standing import in_words
from pilar.errors import Conflict, Permanent
from pilar.messaging.store import get_lead

SERVED = "Nobody is coached, or they have had it as often as they want it."
TURNED_OFF = "The studio has turned this kind of coaching off."
WHY_NOBODY = {
    GOAL_REPORT: "Nobody who is coached has a goal that they work on, or they have had the report already.",
    MISSED: "Nobody who is coached has missed a training, as far as it is known, or they were written to already.",
}
"""Why a kind was planned for nobody."""
ENOUGH = "Those for whom it was due have had enough for now: the row of each nudge says why."
"""Why all that was due is kept back."""


def write_now(connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, kind: str) -> Row[Any]:
    """Plan one kind of nudge for a lead for this moment; return the nudge.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        workspace_id: the studio's.
        lead_id: whose.
        kind: of nudge.

    Raises:
        NotFound: the studio has no such lead.
        Conflict: none was planned; the message says why.
    """
    get_lead(connection, workspace_id, lead_id)
    enrolment = store.find_enrolment(connection, workspace_id, lead_id)
    if enrolment is None or enrolment.ended_at is not None:
        raise Conflict("This lead is not coached: they have to ask for it first.")
    planned = plan_now(connection, clocks, workspace_id, kind, lead_id=lead_id)
    if not planned.studios:
        raise Conflict(TURNED_OFF)
    nudge = store.newest_nudge(connection, workspace_id, lead_id, kind) if planned.nudges or planned.kept_back else None
    if nudge is None or not planned.nudges:
        why = in_words(nudge.skipped) if nudge is not None and nudge.skipped else WHY_NOBODY.get(kind, SERVED)
        raise Conflict(f"No message was planned. {why}")
    return nudge


class Coach:
    """Has nudges planned for now."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def on_asked(self, connection: Connection, work: Work[NudgeAskedFor]) -> dict[str, Any]:
        """Plan the kind for now; return for how many leads, or why for none."""
        if work.workspace_id is None:
            raise Permanent("A nudge belongs to a studio.")
        kind = work.content.kind
        planned = plan_now(connection, self._clocks, work.workspace_id, kind, lead_id=work.content.lead_id)
        if not planned.studios:
            return {"planned": 0, "why": TURNED_OFF}
        if planned.nudges:
            return {"planned": planned.nudges}
        return {"planned": 0, "why": ENOUGH if planned.kept_back else WHY_NOBODY.get(kind, SERVED)}

"""Nudges that somebody asks for. What belongs here: answering the events; planning and sending are elsewhere here."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.coach.events import NudgeAskedFor
from pilar.coach.plan_store import GOAL_REPORT, MISSED
from pilar.coach.planning import plan_now
from pilar.errors import Permanent

SERVED = "Nobody is coached, or they have had it as often as they want it."
WHY_NOBODY = {
    GOAL_REPORT: "Nobody who is coached has a goal that they work on, or they have had the report already.",
    MISSED: "Nobody who is coached has missed a training, as far as it is known, or they were written to already.",
}
"""Why a kind was planned for nobody."""
ENOUGH = "Those for whom it was due have had enough for now: the row of each nudge says why."
"""Why all that was due is kept back."""


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
            return {"planned": 0, "why": "The studio has turned this kind of coaching off."}
        if planned.nudges:
            return {"planned": planned.nudges}
        return {"planned": 0, "why": ENOUGH if planned.kept_back else WHY_NOBODY.get(kind, SERVED)}

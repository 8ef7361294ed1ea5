"""Nudges that somebody asks for. What belongs here: answering the events; planning and sending are elsewhere here."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.coach.events import NudgeAskedFor
from pilar.coach.planning import plan_now
from pilar.coach.texts import TYPES
from pilar.errors import Permanent


class Coach:
    """Has nudges planned for now."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def on_asked(self, connection: Connection, work: Work[NudgeAskedFor]) -> dict[str, Any]:
        """Plan the kind for now; return for how many leads, or why for none."""
        if work.workspace_id is None:
            raise Permanent("A nudge belongs to a studio.")
        kind = work.content.kind
        if kind not in TYPES:
            # Of missed trainings and of goals nothing is known yet, and what is not known is not written about.
            return {"planned": 0, "why": "Nothing is known that could be written about."}
        planned = plan_now(connection, self._clocks, work.workspace_id, kind, lead_id=work.content.lead_id)
        if not planned.studios:
            return {"planned": 0, "why": "The studio has turned this kind of coaching off."}
        return {"planned": planned.nudges}

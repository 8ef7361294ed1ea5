"""Nudges whose moment has come. What belongs here: giving each its own piece of work, so that a bad one fails alone."""

from __future__ import annotations

from sqlalchemy import Connection

from pilar.backplane.facts import Job, Lane, enqueue
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.coach import plan_store
from pilar.coach.events import SendNudge, WakeNudges
from pilar.errors import Permanent


class Waker:
    """Wakes the nudges that a plan has made for one moment in one studio."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def run(self, connection: Connection, work: Work[WakeNudges]) -> dict[str, int]:
        """Have each that has not been withdrawn written, and return how many there are."""
        if work.workspace_id is None:
            raise Permanent("Nudges belong to a studio.")
        content = work.content
        waiting = plan_store.waiting_nudges(connection, work.workspace_id, content.plan_id, content.due_at)
        jobs = (
            Job(payload=SendNudge(nudge_id=nudge), key=str(nudge), workspace_id=work.workspace_id, lane=Lane.BULK)
            for nudge in waiting
        )
        enqueue(connection, self._clocks, jobs, work.cause)
        return {"woken": len(waiting)}

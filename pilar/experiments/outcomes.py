"""Events as outcomes. What belongs here: recording them; which event is which goal is the composition root's to say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.experiments.experiments import record_outcome


class OutcomeKeeper:
    """Makes handlers that record outcomes."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def on(self, goal: str, unit_of: Callable[[Any], str]) -> Callable[[Connection, Work[Any]], dict[str, int] | None]:
        """A handler of an event that says that a unit has reached a goal.

        Args:
            goal: the goal's name, as experiments have it.
            unit_of: the unit's id, out of the event's payload.
        """

        def handle(connection: Connection, work: Work[Any]) -> dict[str, int] | None:
            if work.workspace_id is None:
                return None
            unit_id = unit_of(work.content)
            return {"outcomes": record_outcome(connection, self._clocks, work.workspace_id, goal, unit_id)}

        return handle

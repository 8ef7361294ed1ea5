"""Checks that somebody asks for. What belongs here: answering the events by looking at what the database knows.

What does not: what is looked at (`checks.py`), and the check that asks somebody outside first (`model_check.py`).
"""

from __future__ import annotations

from sqlalchemy import Connection

from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.health.checks import run_checks
from pilar.health.events import CheckAskedFor


class Checker:
    """Looks when it is asked to."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def on_asked(self, connection: Connection, work: Work[CheckAskedFor]) -> dict[str, int]:
        """Look at the parts that the event is about, and keep what was seen; return how many are in which state."""
        studios = None if work.workspace_id is None else [work.workspace_id]
        return run_checks(connection, self._clocks, studios, work.content.components)

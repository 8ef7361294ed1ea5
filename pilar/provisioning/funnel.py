"""Provisioning seen as numbers. What belongs here: how far back is looked, and that each signup is counted once.

What does not: the statements (`funnel_store.py`), and what the founder is shown of them (the operator's room).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from pilar.clocks import Clocks
from pilar.provisioning import funnel_store

TIMED_FOR = timedelta(days=90)
"""How long a step takes is told of the signups of so many days."""


@dataclass(frozen=True)
class Funnel:
    """What all signups come to; each of them is in exactly one of the counts after the first."""

    signups: int
    opened: int
    running: int
    waiting: int
    failed: int
    expired: int
    taken_back: int

    @property
    def uncounted(self) -> int:
        """How many signups are in none of the counts, or in two."""
        counted = self.opened + self.running + self.waiting + self.failed + self.expired + self.taken_back
        return abs(self.signups - counted)

    def figures(self) -> Mapping[str, int]:
        """The counts by name."""
        return dict(vars(self))


def refresh_funnel(connection: Connection, clocks: Clocks) -> Funnel:
    """Make `analytics.provisioning_funnel`, `…_step_time` and `…_wait` anew. Needs the fleet's scope."""
    now = clocks.business.now()
    return Funnel(**funnel_store.refresh(connection, now=now, since=now - TIMED_FOR))

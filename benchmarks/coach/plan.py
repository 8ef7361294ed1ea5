"""How much is measured. What belongs here: the counts of a full and of a quick run; nothing that measures."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Plan:
    """The counts of one run.

    Attributes:
        rounds: how often each figure is measured, each time on fresh data; the median counts.
        studios: active ones, all of which coach.
        leads: enrolled ones of each studio.
    """

    rounds: int = 1
    studios: int = 10_000
    leads: int = 100

    def scaled(self, factor: float) -> Plan:
        """The same run with so many times as many studios."""
        return replace(self, studios=max(1, round(self.studios * factor)))


QUICK = Plan(studios=20, leads=20)
"""Seconds, to see that everything runs. Its figures say nothing."""

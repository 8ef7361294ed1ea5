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
        burst_studios: those whose leads all get their nudge at the same moment; each has a number of its own.
        burst_leads: enrolled ones of each of these.
        burst_workers: processes that drain meanwhile.
        engagement_studios: those whose leads' engagement is looked at; each has `leads`.
        engagement_nudges: that each of these leads has had in three months.
    """

    rounds: int = 1
    studios: int = 10_000
    leads: int = 100
    burst_studios: int = 150
    burst_leads: int = 60
    burst_workers: int = 1
    engagement_studios: int = 100
    engagement_nudges: int = 40

    def scaled(self, factor: float) -> Plan:
        """The same run with so many times as many studios."""
        return replace(
            self,
            studios=max(1, round(self.studios * factor)),
            burst_studios=max(1, round(self.burst_studios * factor)),
            engagement_studios=max(1, round(self.engagement_studios * factor)),
        )

    def of_engagement(self) -> Plan:
        """The same with as many studios as engagement is looked at in."""
        return replace(self, studios=self.engagement_studios)


QUICK = Plan(studios=20, leads=20, burst_studios=5, burst_leads=10, engagement_studios=3, engagement_nudges=5)
"""Seconds, to see that everything runs. Its figures say nothing."""

"""How much is measured. What belongs here: the counts of a full and of a quick run; nothing that measures."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Plan:
    """The counts of one run.

    Attributes:
        rounds: how often each figure is measured; the median counts.
        deliveries: how many each side gets. A slower side gets a share of it, so that each runs for seconds.
        connections: how many providers' connections are kept open; each has one request under way.
        workers: processes of the web service.
        commit_seconds: how long pgbench commits.
    """

    rounds: int = 3
    deliveries: int = 60_000
    connections: int = 256
    workers: int = 2
    commit_seconds: int = 4

    def scaled(self, factor: float) -> Plan:
        """The same run with so many times as many deliveries; what describes the situation's shape stays."""
        return replace(
            self,
            deliveries=max(1, round(self.deliveries * factor)),
            commit_seconds=max(1, round(self.commit_seconds * factor)),
        )


QUICK = Plan(rounds=1, deliveries=1_500, connections=32, commit_seconds=1)
"""Seconds, to see that everything runs. Its figures say nothing."""

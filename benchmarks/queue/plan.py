"""How much is measured. What belongs here: the counts of a full and of a quick run; nothing that measures."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Plan:
    """The counts of one run.

    Attributes:
        rounds: how often each figure is measured; the median counts.
        drained: items that one process drains. A slower peer gets a share of it, so that each runs for seconds.
        bulk: items enqueued in batches.
        batch: items in such a batch.
        single: items enqueued one by one, each with a commit of its own.
        paced: items sent at `pace` per second while a worker waits for them.
        due: items that are due, where the cost of a claim is looked at with few of them.
        many: items that are due, or for later, where it is looked at with many.
        workspaces: over how many workspaces many items are spread.
        claims: claims per round.
        backlog: items of the one workspace that has too many.
        small: how many small workspaces wait beside it, with ten items each.
        fair: items drained with and without fairness and budgets.
        churned: items that go through the queue while its size is watched.
        standing: items that wait all the time meanwhile.
    """

    rounds: int = 3
    drained: int = 40_000
    bulk: int = 20_000
    batch: int = 1_000
    single: int = 1_500
    paced: int = 500
    pace: int = 50
    due: int = 1_000
    many: int = 1_000_000
    workspaces: int = 10_000
    claims: int = 40
    backlog: int = 200_000
    small: int = 1_000
    fair: int = 40_000
    churned: int = 1_000_000
    standing: int = 20_000

    def scaled(self, factor: float) -> Plan:
        """The same run with so many times as many items; what describes a situation's shape stays."""
        kept = {"rounds", "batch", "pace", "due", "claims"}
        return replace(
            self,
            **{
                field.name: max(1, round(getattr(self, field.name) * factor))
                for field in fields(self)
                if field.name not in kept
            },
        )


QUICK = Plan(
    rounds=1,
    drained=1_000,
    bulk=1_000,
    batch=500,
    single=50,
    paced=50,
    due=200,
    many=2_000,
    workspaces=200,
    claims=5,
    backlog=1_000,
    small=20,
    fair=1_000,
    churned=3_000,
    standing=500,
)
"""Seconds, to see that everything runs. Its figures say nothing."""

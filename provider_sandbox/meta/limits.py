"""How much Meta lets through. What belongs here: the published numbers and the arithmetic of pace; pure, no state.

A pace is kept by one number: the moment at which the next message would be due if all came evenly. A burst borrows
from that future.
"""

from __future__ import annotations

from dataclasses import dataclass, field

UNLIMITED = "TIER_UNLIMITED"
FIRST_TIER = "TIER_250"


def _tiers() -> dict[str, int]:
    return {FIRST_TIER: 250, "TIER_2K": 2_000, "TIER_10K": 10_000, "TIER_100K": 100_000}


@dataclass(frozen=True)
class MetaLimits:
    """Meta's limits, which a test may scale down.

    Attributes:
        tiers: unique people outside the window in a moving 24 hours, per business portfolio, smallest first; after the
            last comes `TIER_UNLIMITED`.
        pair_seconds: seconds between two messages to the same person, evenly.
        pair_burst: how many may come at once.
        per_second: messages a second from one number; an upgraded number may send `upgraded_per_second`.
        marketing_a_day: marketing templates that one person gets in a moving 24 hours from all businesses together
            while they don't write; None for any number of them, since Meta has such a cap and tells nobody its size.
        registrations_a_week: attempts to register one number in a moving week.
        templates: how many templates a business may have.
        edits_a_day, edits_a_month: changes to one approved template in a moving day and in 30 days.
    """

    tiers: dict[str, int] = field(default_factory=_tiers)
    pair_seconds: float = 6.0
    pair_burst: int = 45
    per_second: int = 80
    upgraded_per_second: int = 1000
    marketing_a_day: int | None = None
    registrations_a_week: int = 10
    templates: int = 250
    edits_a_day: int = 1
    edits_a_month: int = 10

    def size(self, tier: str) -> int | None:
        """How many people a tier reaches; None for any number of them."""
        return self.tiers.get(tier)

    def names(self) -> tuple[str, ...]:
        """Every tier, smallest first."""
        return (*self.tiers, UNLIMITED)

    def above(self, tier: str) -> str | None:
        """The tier after this one; None behind the last."""
        names = self.names()
        place = names.index(tier) + 1
        return names[place] if place < len(names) else None


def next_due(due: float, now: float, interval: float, burst: int) -> float | None:
    """When the next one is due once this one has gone; None where this one comes too early.

    Args:
        due: what the call before returned, in seconds; anything earlier than `now` where there was none.
        now: the present moment, in seconds.
        interval: seconds between two of them, evenly.
        burst: how many may come at the same moment.
    """
    start = max(due, now)
    # A thousandth of an interval forgives the rounding of many additions.
    if start - now > interval * (burst - 1 + 0.001):
        return None
    return start + interval

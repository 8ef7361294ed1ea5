"""How long to wait before trying again. What belongs here: the pure rule."""

from __future__ import annotations

import random
from datetime import timedelta

FIRST = timedelta(seconds=1)
LONGEST = timedelta(minutes=15)


def backoff(attempt: int, *, at_least: timedelta | None = None, chance: random.Random | None = None) -> timedelta:
    """The delay after the given attempt (1 for the first): doubling, with full jitter in its upper half.

    Args:
        attempt: how many attempts were made.
        at_least: what the provider asked for (`Retry-After`).
        chance: source of the jitter.
    """
    doubled = min(FIRST * (1 << min(attempt - 1, 30)), LONGEST)
    spread = (chance or random).uniform(0.5, 1.0)
    return max(doubled * spread, at_least or timedelta(0))

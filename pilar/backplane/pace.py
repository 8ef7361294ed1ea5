"""How much is taken at once. What belongs here: the rule that keeps a batch short in time, whatever its work costs.

What a batch has done is seen by others when the batch is committed, and nothing else is claimed meanwhile: so a batch
should be as large as fits into a moment. What costs microseconds goes by hundreds, what costs ten milliseconds by the
handful.
"""

from __future__ import annotations

MOMENT = 0.1
"""Seconds that a batch should take."""
LEAST = 4
_WEIGHT = 0.3
"""Of the newest measurement in the running mean."""


class Pace:
    """Learns what a piece of a lane's work costs."""

    def __init__(self, most: int) -> None:
        """Take the most that is ever taken at once."""
        self._most = most
        self._cost: float | None = None

    @property
    def batch(self) -> int:
        """How many pieces fit into a moment; a few until the first ones have told what they cost."""
        if self._cost is None:
            return min(50, self._most)
        return max(LEAST, min(self._most, int(MOMENT / max(self._cost, 1e-6))))

    def learn(self, pieces: int, seconds: float) -> None:
        """Take note of what a batch took."""
        cost = seconds / max(pieces, 1)
        self._cost = cost if self._cost is None else (1 - _WEIGHT) * self._cost + _WEIGHT * cost

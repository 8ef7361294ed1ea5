"""How much is taken at once. What belongs here: the rule that keeps a batch short in time, whatever its work costs.

What a batch has done is seen by others when the batch is committed, and nothing else is claimed meanwhile: so a batch
should be as large as fits into a moment. What costs microseconds goes by hundreds, what costs ten milliseconds by the
handful.

What is done together costs a few statements for all of it, and next to nothing for each piece. On a busy machine these
statements alone may take longer than the moment; fewer pieces would not make them quicker, and the lane would come to a
crawl just when most waits in it. So such a batch is never made small.
"""

from __future__ import annotations

MOMENT = 0.1
"""Seconds that a batch should take."""
LEAST = 4
LEAST_TOGETHER = 150
_WEIGHT = 0.3
"""Of the newest measurement in the running mean."""


class Pace:
    """Learns what a piece of a lane's work costs."""

    def __init__(self, most: int) -> None:
        """Take the most that is ever taken at once."""
        self._most = most
        self._cost: float | None = None
        self._least = LEAST

    @property
    def batch(self) -> int:
        """How many pieces fit into a moment; a few until the first ones have told what they cost."""
        if self._cost is None:
            return min(50, self._most)
        return min(self._most, max(self._least, int(MOMENT / max(self._cost, 1e-6))))

    def learn(self, pieces: int, seconds: float, *, together: int = 0) -> None:
        """Take note of what a batch took, and how many of its pieces were done together."""
        self._least = LEAST_TOGETHER if 10 * together >= 9 * max(pieces, 1) else LEAST
        cost = seconds / max(pieces, 1)
        self._cost = cost if self._cost is None else (1 - _WEIGHT) * self._cost + _WEIGHT * cost

"""Drawing by a seed, and counting what was drawn. What belongs here: nothing about studios or people."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from math import exp
from typing import Any

from provider_sandbox.fleet.rates import ALL, Rate


@dataclass
class Drawn:
    """How often a rate was asked, and what came of it in all."""

    asked: int = 0
    came: int = 0


class Tally:
    """What every rate came to."""

    def __init__(self) -> None:
        self._drawn: dict[Rate, Drawn] = {}

    def note(self, rate: Rate, came: int) -> None:
        """Count one draw."""
        drawn = self._drawn.setdefault(rate, Drawn())
        drawn.asked += 1
        drawn.came += came

    def of(self, rate: Rate) -> Drawn:
        """What a rate came to."""
        return self._drawn.get(rate, Drawn())

    def rows(self) -> list[Mapping[str, Any]]:
        """Every rate with what was asked for and what was seen, in the order of `rates.py`."""
        return [
            {
                "rate": rate.name,
                "per": rate.per,
                "asked": rate.value,
                "seen": round(drawn.came / drawn.asked, 3) if drawn.asked else None,
                "draws": drawn.asked,
                "why": rate.why,
            }
            for rate in ALL
            for drawn in [self.of(rate)]
        ]


class Chances:
    """Chance that is the same for the same seed and the same words, whatever else is drawn."""

    def __init__(self, tally: Tally, seed: int, *about: object) -> None:
        """`about` names whose chance it is; what it comes to is counted in `tally`."""
        self._tally = tally
        # A text is hashed by a fixed rule, unlike a tuple; each subject has a sequence of its own.
        text = ":".join(str(part) for part in (seed, *about))
        self.random = random.Random(text)  # noqa: S311 - reproducible people, not a secret

    def happens(self, rate: Rate) -> bool:
        """Whether something of a certain share happens this time."""
        came = self.random.random() < rate.value
        self._tally.note(rate, int(came))
        return came

    def one_of(self, *rates: Rate) -> Rate | None:
        """At most one of several that exclude each other; None for what is left of the whole."""
        point, chosen = self.random.random(), None
        for rate in rates:
            if chosen is None and point < rate.value:
                chosen = rate
            point -= rate.value
            self._tally.note(rate, int(chosen is rate))
        return chosen

    def number(self, rate: Rate) -> int:
        """How many of a certain mean come, independently of each other (Poisson)."""
        limit, product, came = exp(-rate.value), self.random.random(), 0
        while product > limit:
            came += 1
            product *= self.random.random()
        self._tally.note(rate, came)
        return came

    def hours(self, low: float, high: float) -> float:
        """A time within bounds, in hours."""
        return self.random.uniform(low, high)

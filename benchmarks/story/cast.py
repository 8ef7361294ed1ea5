"""Who takes part in the story. What belongs here: the same people each time; nothing happens here.

Chance is not asked: what the people are like is the same whatever goes wrong, so that two tellings can be compared.
The two who ask for a trial would accept no offer: which variant of an experiment a lead meets hangs on random ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

STUDIO = "Studio Story"
COUNTRY = "NL"
SMALL_STUDIO = "Studio Novel"

SIGNED_UP = datetime(2031, 1, 27, 9, 30, tzinfo=UTC)
HELD_FOR = timedelta(days=31)
"""Longer than commissions are held."""
REFUNDED_MINOR = 2_000
SATURDAY = datetime(2031, 3, 1, 12, 0, tzinfo=UTC)
"""The weekly check-in is due the next day at five, when an unanswered window has closed again."""
HOURS = 29
STAFF_AFTER = 3
"""Hours after which the owner looks into the shared inbox."""


@dataclass(frozen=True)
class Person:
    """A lead.

    Attributes:
        phone: of the numbers that nobody has.
        persona: as the sandbox has it.
        hour: of the day in which they write first.
        seed: decides what they are inclined to.
    """

    phone: str
    persona: str
    hour: int
    seed: int = 1

    def body(self, to: str) -> dict[str, Any]:
        """The request to the sandbox's leads."""
        return {
            "to": to, "from": self.phone, "name": "Bo", "persona": self.persona, "language": "en", "seed": self.seed,
        }  # fmt: skip


UNINCLINED = 2
"""Draws 0.96: accepts nothing, answers no nudge."""
INCLINED = 1
"""Draws 0.13: answers the first nudge."""

LEADS: Sequence[Person] = (
    Person("+447700900001", "coached", 0, INCLINED),
    Person("+447700900002", "coached", 0, UNINCLINED),
    Person("+18005550100", "coached", 0, UNINCLINED),
    Person("+447700900003", "curious", 1),
    Person("+447700900004", "trial", 1, UNINCLINED),
    Person("+447700900005", "trial", 2, UNINCLINED),
    Person("+447700900006", "stopper", 2),
    Person("+447700900007", "person", 2),
)
"""One of them has an American number: nobody knows in which of its time zones they live."""

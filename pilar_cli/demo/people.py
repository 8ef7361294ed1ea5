"""Make-believe leads. What belongs here: who writes to which studio, and in which language; nothing happens here.

Numbers are those that the British regulator keeps free for drama, and American ones of the exchange 555: nobody has
them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from provider_sandbox.personas import ANSWERS_NUDGE

LANGUAGES = {"NL": "nl", "BE": "nl", "DE": "de"}
"""By the studio's country; English elsewhere."""

TRIALS_AT_LEAST = 80
"""So many people ask for a trial over all studios, so that an experiment on the answer can be decided."""
_TRIALS = 16
_OTHERS = ("curious", "curious", "stopper", "person", "coached", "coached", "coached", "coached")
_COACHED = "coached"
_NAMES = ("Bo", "Kim", "Robin", "Sam", "Noa", "Alex", "Charlie", "Luca", "Mika", "Jamie", "Toni", "Sasha")


@dataclass(frozen=True)
class Writer:
    """Somebody who writes to a studio; fields as of the sandbox's `POST /control/leads`."""

    to: str
    sender: str
    name: str
    persona: str
    language: str
    seed: int

    def body(self) -> dict[str, object]:
        """The request's body."""
        return {
            "to": self.to,
            "from": self.sender,
            "name": self.name,
            "persona": self.persona,
            "language": self.language,
            "seed": self.seed,
        }


def writers(numbers: Sequence[tuple[str, str]], seed: int) -> list[list[Writer]]:
    """The leads, by the delivery that brings their first messages: each holds one of several studios.

    Args:
        numbers: each studio's phone number and country.
        seed: the same seed gives the same leads.
    """
    chance = random.Random(seed)  # noqa: S311 - variety, not a secret
    trials = max(_TRIALS, -(-TRIALS_AT_LEAST // max(len(numbers), 1)))
    by_studio = []
    for number, country in numbers:
        personas = [*_OTHERS, *["trial"] * trials]
        some = [
            Writer(
                to=number,
                sender=f"+4477009{place:05d}",
                name=chance.choice(_NAMES),
                persona=persona,
                language=LANGUAGES.get(country, "en"),
                seed=_seed(chance, answers=None if persona != _COACHED else place % 2 == 0),
            )
            for place, persona in enumerate(personas)
        ]
        # One of those who want a coach has an American number: nobody knows in which of its time zones they live.
        early = next(place for place, one in enumerate(some) if one.persona == _COACHED)
        some[early] = Writer(number, "+18005550100", "Jo", _COACHED, "en", some[early].seed)
        chance.shuffle(some)
        # They write first, so that those who leave their first nudge unanswered have a closed window a day later.
        by_studio.append(sorted(some, key=lambda one: one.persona != _COACHED))
    return [list(together) for together in zip(*by_studio, strict=True)]


def _seed(chance: random.Random, *, answers: bool | None) -> int:
    """A seed; of somebody who answers their first nudge, or does not, where that is asked for."""
    while True:
        seed = chance.randrange(2**31)
        inclined = random.Random(seed).random() < ANSWERS_NUDGE  # noqa: S311 - reproducible people, not a secret
        if answers is None or inclined == answers:
            return seed

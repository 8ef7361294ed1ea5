"""Simulated leads of a fleet. What belongs here: where they live, when they write, and what becomes of them; pure.

What they say is `personas.py`'s. Nobody has their numbers: where the regulator keeps mobile numbers for drama they are
used, elsewhere subscriber numbers that are not given out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provider_sandbox.fleet import rates
from provider_sandbox.fleet.chances import Chances
from provider_sandbox.personas import COACHED, GOALS, STOPPERS, Goal, Language, Mood, Persona, Topic


@dataclass(frozen=True)
class Zone:
    """A time zone where studios and people live.

    Attributes:
        name: as of the tz database.
        country: ISO 3166 alpha-2.
        language: of what people write.
        ranges: beginnings of telephone numbers in E.164, and how many digits follow.
    """

    name: str
    country: str
    language: Language
    ranges: tuple[tuple[str, int], ...]

    @property
    def capacity(self) -> int:
        """How many people it has numbers for."""
        return sum(10**digits for _, digits in self.ranges)

    def number(self, place: int) -> str:
        """The number at a place from 0 on; after the last one it begins anew."""
        place %= self.capacity
        for beginning, digits in self.ranges:
            if place < 10**digits:
                return f"{beginning}{place:0{digits}d}"
            place -= 10**digits
        raise LookupError(f"{self.name} has no numbers")


def _american(name: str, *codes: str) -> Zone:
    return Zone(name, "US", "en", tuple((f"+1{code}55501", 2) for code in codes))


ZONES = (
    Zone("Europe/Amsterdam", "NL", "nl", (("+3120001", 4),)),
    Zone("Europe/Berlin", "DE", "de", (("+4917139200", 2), ("+49176040690", 2))),
    Zone("Europe/Paris", "FR", "en", (("+33639980", 3),)),
    Zone("Europe/Madrid", "ES", "en", (("+3491001", 4),)),
    Zone("Europe/London", "GB", "en", (("+447700900", 3),)),
    _american("America/New_York", "212", "617", "305"),
    _american("America/Chicago", "312", "512", "214"),
    _american("America/Denver", "303", "801", "505"),
    _american("America/Phoenix", "602", "480", "623"),
    _american("America/Los_Angeles", "213", "415", "206"),
    _american("America/Anchorage", "907"),
    _american("Pacific/Honolulu", "808"),
)
"""Every studio lives in one of them, and every lead."""

OVERFLOW = next(zone for zone in ZONES if zone.country == "GB")
"""Whose numbers people get where a zone has no more."""

HABITS: Mapping[str, tuple[float, float]] = {
    "early": (6.5, 9.0),
    "noon": (11.5, 13.5),
    "evening": (17.0, 21.5),
    "night": (22.0, 24.0),
}
"""When people write, from and to which local hour. At night nobody may be written to unasked; an answer may."""

_NAMES = ("Ada", "Bo", "Cleo", "Dani", "Eli", "Femi", "Gus", "Ira", "Jona", "Kit", "Lou", "Mara", "Nils", "Ode", "Pia")


@dataclass(frozen=True)
class Turn:
    """Something a lead writes later, without being asked.

    Attributes:
        day: days after their first message.
        hour: of the day where they live.
        topic: what about.
    """

    day: int
    hour: float
    topic: Topic


@dataclass(frozen=True)
class Lead:
    """One lead's life with a studio.

    Attributes:
        number: E.164.
        name: as WhatsApp shows it.
        zone: where they live.
        persona, language, mood, goal, seed: as of `personas.Mind`.
        habit: when they write.
        hour: of their first message, where they live.
        turns: what they write later, in order.
    """

    number: str
    name: str
    zone: Zone
    persona: Persona
    language: Language
    mood: Mood
    goal: Goal
    seed: int
    habit: str
    hour: float
    turns: tuple[Turn, ...]


def lead(chances: Chances, home: Zone, place: Mapping[Zone, int]) -> Lead:
    """Somebody who will write to a studio.

    Args:
        chances: theirs.
        home: the studio's zone.
        place: how many people of each zone have written to this studio before.
    """
    zone = chances.random.choice([one for one in ZONES if one != home]) if chances.happens(rates.TRAVELS) else home
    taken = place.get(zone, 0)
    number = zone.number(taken) if taken < zone.capacity else OVERFLOW.number(-1 - (taken - zone.capacity))
    persona = _persona(chances)
    mood = {rates.EAGER: "eager", rates.WEARY: "weary", None: "calm"}[chances.one_of(rates.EAGER, rates.WEARY)]
    habit = chances.random.choice(tuple(HABITS))
    return Lead(
        number=number,
        name=chances.random.choice(_NAMES),
        zone=zone,
        persona=persona,
        language=home.language,
        mood=mood,  # type: ignore[arg-type]  # a value of the mapping above
        goal=chances.random.choice(GOALS),
        seed=chances.random.randrange(2**31),
        habit=habit,
        hour=chances.hours(*HABITS[habit]),
        turns=_turns(chances, persona, habit),
    )


_PERSONAS: Mapping[rates.Rate | None, Persona] = {
    rates.STOPS_AT_ANSWER: "stopper",
    rates.WANTS_PERSON: "person",
    rates.IGNORES: "silent",
    rates.AIMS: "aiming",
    rates.CURIOUS: "curious",
    None: "trial",
}


def _persona(chances: Chances) -> Persona:
    chosen = chances.one_of(rates.COACHED, *(rate for rate in _PERSONAS if rate is not None))
    if chosen is rates.COACHED:
        return "leaver" if chances.happens(rates.LEAVES_COACH) else "coached"
    return _PERSONAS[chosen]


def _turns(chances: Chances, persona: Persona, habit: str) -> tuple[Turn, ...]:
    """What somebody writes in the days after; who has left writes no more unless they come back."""
    found: list[Turn] = []
    day = 0
    left = persona in STOPPERS
    if not left and chances.happens(rates.ASKS_AGAIN):
        day = chances.random.randint(1, 2)
        found.append(Turn(day, chances.hours(*HABITS[habit]), "again"))
    if not left and chances.happens(rates.STOPS_LATER):
        day += chances.random.randint(1, 4)
        found.append(Turn(day, chances.hours(*HABITS[habit]), "stop"))
        left = True
    if left and chances.happens(rates.COMES_BACK):
        # A coached lead meets the nudge that is one too many within days.
        day += chances.random.randint(4 if persona in COACHED else 1, 6)
        found.append(Turn(day, chances.hours(*HABITS[habit]), "back"))
    return tuple(found)

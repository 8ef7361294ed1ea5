"""Make-believe studios. What belongs here: who signs up in a demonstration; nothing happens here."""

from __future__ import annotations

import random
import re
from dataclasses import asdict, dataclass

import phonenumbers

COUNTRIES = ("NL", "DE", "BE", "GB", "US", "ES")
PLANS = ("PRO", "BASIC")

_KINDS = ("Fitness", "CrossFit", "Yoga", "Pilates", "Boxing", "Barbell", "Cycling", "Strength", "Dance", "Climbing")
_PLACES = {
    "NL": (("Utrecht", "Haarlem", "Zwolle", "Breda"), ("Sanne Mulder", "Daan Visser", "Lotte Smit")),
    "DE": (("Leipzig", "Bremen", "Kassel", "Mainz"), ("Jonas Keller", "Mia Vogel", "Lena Braun")),
    "BE": (("Gent", "Leuven", "Namur", "Brugge"), ("Emma Claes", "Louis Lambert", "Noor Wouters")),
    "GB": (("Bristol", "Leeds", "York", "Cardiff"), ("Amelia Clarke", "Oliver Hughes", "Isla Turner")),
    "US": (("Denver", "Austin", "Portland", "Tampa"), ("Harper Collins", "Mason Reed", "Zoe Bennett")),
    "ES": (("Valencia", "Bilbao", "Murcia", "Vigo"), ("Lucía Navarro", "Mateo Ortega", "Carla Ibáñez")),
}


@dataclass(frozen=True)
class Visitor:
    """Somebody who pays for a studio; fields as of the sandbox's `POST /control/signups`."""

    studio: str
    owner_name: str
    email: str
    phone: str
    country: str
    plan: str
    seed: int
    """Decides in what disorder and how often this signup's webhooks arrive."""

    def body(self) -> dict[str, object]:
        """The request's body."""
        return asdict(self)


def visitors(count: int, seed: int) -> list[Visitor]:
    """So many people; the same seed gives the same ones."""
    chance = random.Random(seed)  # noqa: S311 - variety, not a secret
    found = []
    for number in range(1, count + 1):
        country = COUNTRIES[(number - 1) % len(COUNTRIES)]
        cities, owners = _PLACES[country]
        studio = f"{chance.choice(_KINDS)} {chance.choice(cities)} {number}"
        found.append(
            Visitor(
                studio=studio,
                owner_name=chance.choice(owners),
                email=f"{_slug(studio)}.{seed}@studio.example",
                phone=example_phone(country),
                country=country,
                plan=PLANS[(number - 1) % len(PLANS)],
                seed=chance.randrange(2**31),
            )
        )
    return found


def example_phone(country: str) -> str:
    """A number of the kind that directories print as an example, in E.164."""
    number = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)
    if number is None:
        raise LookupError(f"no example of a number is known for {country}")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower())

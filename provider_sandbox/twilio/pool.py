"""The phone numbers that can be bought. What belongs here: which there are, purely; who owns one does not.

Every number is valid in its country's plan and nobody's: where the regulator keeps ranges for drama they are used
(France, Germany, Great Britain, the United States), elsewhere subscriber numbers that are not given out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import asin, cos, radians, sin, sqrt
from zlib import crc32


@dataclass(frozen=True)
class Area:
    """A block of numbers: `+` dial code, area code and stem, then a counter of `digits` digits."""

    country: str
    dial: str
    code: str
    stem: str
    digits: int
    locality: str
    first: int = 0
    count: int = 0
    region: str | None = None
    place: tuple[float, float] | None = None

    @property
    def size(self) -> int:
        """How many numbers the block has."""
        return self.count or 10**self.digits

    def number(self, position: int) -> str:
        """The number at a position, in E.164."""
        return f"+{self.dial}{self.code}{self.stem}{self.first + position:0{self.digits}d}"


def _areas() -> Iterator[Area]:
    for code, locality in (
        *(("20", "Amsterdam"), ("10", "Rotterdam"), ("70", "The Hague"), ("30", "Utrecht")),
        *(("40", "Eindhoven"), ("50", "Groningen")),
    ):
        yield Area("NL", "31", code, "000", 4, locality)
    for code, stem, locality in (
        *(("30", "23125", "Berlin"), ("69", "90009", "Frankfurt"), ("40", "66969", "Hamburg")),
        *(("221", "4710", "Cologne"), ("89", "99998", "Munich")),
    ):
        yield Area("DE", "49", code, stem, 3, locality)
    for code, locality in (("2", "Brussels"), ("3", "Antwerp"), ("9", "Ghent")):
        yield Area("BE", "32", code, "290", 4, locality)
    for code, stem, locality in (
        *(("1", "9900", "Paris"), ("2", "6191", "Rennes"), ("3", "5301", "Strasbourg")),
        *(("4", "6571", "Marseille"), ("5", "3649", "Bordeaux")),
    ):
        yield Area("FR", "33", code, stem, 4, locality)
    for code, locality in (("910", "Madrid"), ("930", "Barcelona"), ("960", "Valencia"), ("950", "Almería")):
        yield Area("ES", "34", code, "00", 4, locality)
    for code, stem, locality in (
        *(("20", "7946", "London"), ("113", "496", "Leeds"), ("114", "496", "Sheffield"), ("116", "496", "Leicester")),
        *(("117", "496", "Bristol"), ("121", "496", "Birmingham"), ("131", "496", "Edinburgh")),
        *(("141", "496", "Glasgow"), ("151", "496", "Liverpool"), ("161", "496", "Manchester")),
        ("191", "498", "Tyneside"),
    ):
        yield Area("GB", "44", code, f"{stem}0", 3, locality)
    for code, locality, region, place in (
        ("212", "New York", "NY", (40.7, -74.0)),
        ("973", "Newark", "NJ", (40.7, -74.2)),
        ("213", "Los Angeles", "CA", (34.1, -118.2)),
        ("305", "Miami", "FL", (25.8, -80.2)),
        ("312", "Chicago", "IL", (41.9, -87.6)),
        ("404", "Atlanta", "GA", (33.7, -84.4)),
        ("415", "San Francisco", "CA", (37.8, -122.4)),
        ("510", "Oakland", "CA", (37.8, -122.3)),
        ("512", "Austin", "TX", (30.3, -97.7)),
        ("602", "Phoenix", "AZ", (33.4, -112.1)),
        ("617", "Boston", "MA", (42.4, -71.1)),
        ("206", "Seattle", "WA", (47.6, -122.3)),
    ):
        yield Area("US", "1", code, "555", 4, locality, first=100, count=100, region=region, place=place)


AREAS = tuple(_areas())
EARTH_RADIUS_MILES = 3959
SOLD_OUT = {"+1201": (40.7, -74.1), "+1650": (37.5, -122.3), "+1970": (40.6, -105.1)}
"""Areas in which no number is for sale, by what theirs begin with."""
COUNTRIES = frozenset(area.country for area in AREAS)


def candidates(
    country: str, area_code: str | None, pattern: str | None, shopper: str, near: Collection[str] | None = None
) -> Iterator[tuple[Area, str]]:
    """Numbers of a country in a fixed order that begins at a place of the shopper's own.

    Two studios that search at the same moment are so rarely offered the same number first, and each is offered
    the same again when it repeats the search.

    Args:
        country: ISO 3166 code.
        area_code: narrows to one area; with or without its trunk zero.
        pattern: digits that the number holds; `*` stands for any digits.
        shopper: a name that decides where the order begins.
        near: area codes to look in; None: all.
    """
    wanted = area_code.lstrip("0") if area_code else None
    areas = [area for area in AREAS if area.country == country and wanted in (None, area.code)]
    areas = [area for area in areas if near is None or area.code in near]
    total = sum(area.size for area in areas)
    start = crc32(shopper.encode()) % total if total else 0
    for step in range(total):
        area, number = _at(areas, (start + step) % total)
        if pattern is None or fnmatchcase(number, f"*{pattern.lstrip('+')}*"):
            yield area, number


def neighbours(number: str, miles: float) -> frozenset[str]:
    """Codes of the areas within so many miles of a number's own, its own among them; none where nobody knows it."""
    places = {f"+{area.dial}{area.code}": area.place for area in AREAS if area.place} | SOLD_OUT
    here = next((place for begin, place in places.items() if number.startswith(begin)), None)
    if here is None:
        return frozenset()
    return frozenset(area.code for area in AREAS if area.place and _miles(here, area.place) <= miles)


def belongs(number: str) -> bool:
    """Whether a number is in the pool."""
    return any(
        number.startswith(f"+{area.dial}{area.code}{area.stem}")
        and len(number) == len(area.number(0))
        and area.first <= int(number[-area.digits :]) < area.first + area.size
        for area in AREAS
        if number[1:].isdigit()
    )


def _at(areas: list[Area], position: int) -> tuple[Area, str]:
    for area in areas:
        if position < area.size:
            return area, area.number(position)
        position -= area.size
    raise IndexError(position)


def _miles(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The distance of two places along the ground, by their latitude and longitude in degrees."""
    (north, east), (to_north, to_east) = ((radians(a), radians(b)) for a, b in (one, other))
    chord = sin((to_north - north) / 2) ** 2 + cos(north) * cos(to_north) * sin((to_east - east) / 2) ** 2
    return EARTH_RADIUS_MILES * 2 * asin(sqrt(chord))

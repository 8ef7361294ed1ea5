"""What a message costs. What belongs here: the prices the house starts with, and which price counts; pure.

What does not: the founder's own prices (`rates.py`). Prices are whole millionths of a currency, since one message costs
fractions of a cent. Those here are round figures to begin with, on the safe side: what a provider really charges
depends on contract, volume and country, and is set with `pilar rates set`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from pilar.messaging.decisions import Category, Channel

EVERYWHERE = "*"
MICRO = 1_000_000
_MICRO_PER_MINOR = 10_000


@dataclass(frozen=True)
class Rate:
    """One price.

    Attributes:
        channel: by which the message goes.
        category: as what it is billed.
        country: ISO 3166 alpha-2, or `*` for every other.
        valid_from: from this day on (UTC, business time), until a later one of the same kind.
        micro: millionths of the currency, per message; of an SMS, per part of 160 characters.
        currency: ISO 4217.
        set_by: who set it; None: the house began with it.
    """

    channel: Channel
    category: Category
    country: str
    valid_from: date
    micro: int
    currency: str
    set_by: str | None = None


@dataclass(frozen=True)
class Price:
    """What one message costs."""

    micro: int
    currency: str


_FIRST = date(2025, 1, 1)
_WINDOW_BILLED = date(2026, 10, 1)
"""Since then messages inside the window may be billed as well."""


def _house(channel: Channel, category: Category, country: str, micro: int, valid_from: date = _FIRST) -> Rate:
    return Rate(channel, category, country, valid_from, micro, "EUR")


HOUSE: tuple[Rate, ...] = (
    _house("whatsapp", "service", EVERYWHERE, 0),
    _house("whatsapp", "service", EVERYWHERE, 5_000, _WINDOW_BILLED),
    _house("whatsapp", "utility", EVERYWHERE, 30_000),
    _house("whatsapp", "marketing", EVERYWHERE, 100_000),
    _house("whatsapp", "marketing", "NL", 140_000),
    _house("whatsapp", "marketing", "DE", 120_000),
    *(_house("sms", category, EVERYWHERE, 100_000) for category in ("service", "utility", "marketing")),
    *(_house("sms", category, "US", 12_000) for category in ("service", "utility", "marketing")),
    # The mail server is the installation's own.
    *(_house("email", category, EVERYWHERE, 0) for category in ("service", "utility", "marketing")),
)


def billed_as(channel: str, category: Category, form: str | None) -> Category:
    """As what a message is billed: free text inside the window is service, and no template is."""
    if channel != "whatsapp":
        return category
    if form == "text":
        return "service"
    return "utility" if category == "service" else category


def parts_of_sms(words: str) -> int:
    """How many SMS a text is billed as: 160 characters fit into one, 153 into each of several; outside ASCII fewer."""
    one, each = (160, 153) if words.isascii() else (70, 67)
    return 1 if len(words) <= one else -(-len(words) // each)


def price_of(
    rates: Iterable[Rate], channel: str, category: Category, country: str | None, day: date, parts: int = 1
) -> Price:
    """The price of a message: the country's own before any, the founder's before the house's, then the newest.

    Args:
        rates: all there are; the house's are added.
        channel: by which it goes.
        category: as what it is billed.
        country: of the lead's number; None: not known.
        day: when it goes.
        parts: how many it is billed as.
    """
    fitting = [
        rate
        for rate in (*HOUSE, *rates)
        if (rate.channel, rate.category) == (channel, category)
        and rate.country in (country, EVERYWHERE)
        and rate.valid_from <= day
    ]
    if not fitting:
        return Price(0, "EUR")
    best = max(fitting, key=lambda rate: (rate.country != EVERYWHERE, rate.set_by is not None, rate.valid_from))
    return Price(best.micro * parts, best.currency)


def as_minor(micro: int) -> int:
    """Millionths as whole minor units, a half rounded away from zero."""
    sign = -1 if micro < 0 else 1
    return sign * ((abs(micro) + _MICRO_PER_MINOR // 2) // _MICRO_PER_MINOR)

"""The founder's own prices of messages. What belongs here: setting them, audited, and reading them all.

What does not: the prices the house starts with, and which one counts (`rate_card.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import get_args

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.clocks import Clocks
from pilar.errors import Invalid
from pilar.messaging import cost_store
from pilar.messaging.decisions import Category, Channel
from pilar.messaging.rate_card import EVERYWHERE, HOUSE, Price, Rate, billed_as, parts_of_sms, price_of

_DEAREST = 100 * 1_000_000


def set_rate(
    connection: Connection,
    clocks: Clocks,
    *,
    channel: Channel,
    category: Category,
    country: str,
    valid_from: date,
    micro: int,
    currency: str,
    actor: str,
) -> Rate:
    """Set a price from a day on; one of the same day is replaced. What was sent already keeps the price it had.

    Raises:
        Invalid: a field is no price, country, currency or channel; the message says which.
    """
    country, currency = country.strip().upper(), currency.strip().upper()
    if channel not in get_args(Channel):
        raise Invalid(f"There is no channel {channel!r}: use {' or '.join(get_args(Channel))}.")
    if category not in get_args(Category):
        raise Invalid(f"There is no category {category!r}: use {', '.join(get_args(Category))}.")
    if country != EVERYWHERE and not re.fullmatch(r"[A-Z]{2}", country):
        raise Invalid(f"{country!r} is not a country: use two letters such as NL, or * for every other.")
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise Invalid(f"{currency!r} is not a currency: use three letters such as EUR.")
    if not 0 <= micro <= _DEAREST:
        raise Invalid("A price is given in whole millionths, from 0 to 100 of the currency: 0.12 EUR is 120000.")
    rate = Rate(channel, category, country, valid_from, micro, currency, set_by=actor)
    cost_store.keep_rate(connection, rate, clocks.real.now())
    audit.record(
        connection,
        actor=actor,
        action="messaging.rate_set",
        subject=f"{channel}:{category}:{country}:{valid_from.isoformat()}",
        now=clocks.real.now(),
        details={"micro": micro, "currency": currency},
    )
    return rate


def all_rates(connection: Connection) -> Sequence[Rate]:
    """Every price there is, the founder's and the house's, in order of channel, category, country and day."""
    found = [*HOUSE, *cost_store.rates(connection)]
    return sorted(found, key=lambda one: (one.channel, one.category, one.country, one.valid_from, one.set_by or ""))


def cost_among(
    known: Sequence[Rate],
    *,
    channel: str,
    category: Category,
    form: str | None,
    country: str | None,
    day: date,
    sms_text: str = "",
) -> Price:
    """What a message costs that is taken on a day, by the founder's prices; the arguments are `price_of`'s."""
    parts = parts_of_sms(sms_text) if channel == "sms" else 1
    billed = billed_as(channel, category, form)
    return price_of(known, channel, billed, country, day, parts)

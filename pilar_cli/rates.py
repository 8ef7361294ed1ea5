"""`pilar rates`. What belongs here: what messages cost, and setting the founder's own prices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pilar_cli.configuration import read_settings
from pilar_cli.console import Json, answer, answer_json, new_group, show_table, wrong_usage

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pilar.clocks import Clocks

ACTOR = "system"
"""Whoever has this machine's command line is asked for nothing more."""

app = new_group("What messages cost: the prices the house starts with, and the founder's own.")


class By(StrEnum):
    """By which channel."""

    WHATSAPP = "whatsapp"
    SMS = "sms"
    EMAIL = "email"


class As(StrEnum):
    """As what a message is billed."""

    SERVICE = "service"
    UTILITY = "utility"
    MARKETING = "marketing"


@app.command("show")
def show(as_json: Json = False) -> None:
    """Show every price: by channel, category, country and the day from which it holds."""
    from pilar.messaging.rate_card import MICRO
    from pilar.messaging.rates import all_rates

    with _opened() as (connection, _):
        found = all_rates(connection)
    if as_json:
        answer_json({"rates": [asdict(one) | {"valid_from": one.valid_from.isoformat()} for one in found]})
        return
    rows = [
        (
            one.channel,
            one.category,
            one.country,
            one.valid_from.isoformat(),
            f"{Decimal(one.micro) / MICRO:.6f} {one.currency}",
            one.set_by or "a default of the house",
        )
        for one in found
    ]
    show_table(("channel", "category", "country", "from", "price", "set by"), rows)


@app.command("set")
def set_price(
    channel: Annotated[By, typer.Argument(help="By which channel.")],
    category: Annotated[As, typer.Argument(help="As what it is billed.")],
    price: Annotated[str, typer.Argument(help="Of one message, such as 0.1131.")],
    currency: Annotated[str, typer.Option(help="As ISO 4217 has it.")] = "EUR",
    country: Annotated[str, typer.Option(help="Two letters, or * for every other.")] = "*",
    valid_from: Annotated[str | None, typer.Option("--from", help="The day from which it holds; else today.")] = None,
) -> None:
    """Set a price from a day on. What was sent before keeps what it cost."""
    from pilar.messaging.rates import set_rate

    micro, day = _micro(price), _day(valid_from) if valid_from else None
    with _opened() as (connection, clocks):
        rate = set_rate(
            connection,
            clocks,
            channel=channel.value,
            category=category.value,
            country=country,
            valid_from=day or clocks.business.now().astimezone(UTC).date(),
            micro=micro,
            currency=currency,
            actor=ACTOR,
        )
    where = "every other country" if rate.country == "*" else rate.country
    answer(f"From {rate.valid_from}: {price} {rate.currency} for a {category} message by {channel} to {where}.")


@contextmanager
def _opened() -> Iterator[tuple[Connection, Clocks]]:
    from pilar.database.engine import Database, Scope
    from pilar.database.shared_clock import shared_clocks
    from pilar_cli.databases import server_for

    with server_for(read_settings()) as server:
        database = Database(server.url, pool_size=2, application_name="pilar rates")
        try:
            with database.transaction(Scope.fleet()) as connection:
                yield connection, shared_clocks(database)
        finally:
            database.close()


def _micro(price: str) -> int:
    from pilar.messaging.rate_card import MICRO

    try:
        micro = Decimal(price) * MICRO
    except InvalidOperation:
        wrong_usage(f"A price is a number such as 0.1131; {price!r} is none.")
    if not micro.is_finite() or micro != micro.to_integral_value():
        wrong_usage(f"A price has at most six decimals, such as 0.1131; {price!r} has not.")
    return int(micro)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        wrong_usage(f"--from is a day such as 2026-10-01; {text!r} is none.")

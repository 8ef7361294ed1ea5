"""What models cost. What belongs here: the providers' list prices, with the day they were read, and their arithmetic.

Prices come off the providers' price pages; what is not in the list has no known cost, and says so. A price marked [?]
was not read there on that day: it has to be compared before a bill is.
A model is found by its name or by its beginning: `gpt-4.1-mini-2025-04-14` costs what `gpt-4.1-mini` does.
Discounts for cached input and for batches are left out, so that a cost is never told too low.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from math import ceil

from pilar.money import Money

READ_ON = date(2026, 11, 26)
CURRENCY = "USD"

MILLIONTHS_OF_A_CENT = 10_000
"""So many millionths of a dollar make a cent."""


@dataclass(frozen=True)
class Cost:
    """An amount in millionths of a US dollar: one answer costs far less than a cent."""

    micro_usd: int

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.micro_usd + other.micro_usd)

    @property
    def money(self) -> Money:
        """The same in whole cents, rounded up."""
        return Money(-(-self.micro_usd // MILLIONTHS_OF_A_CENT), CURRENCY)


@dataclass(frozen=True)
class Price:
    """US cents for a million tokens, which is hundredths of a millionth of a dollar for one.

    Attributes:
        long_from: a question of more tokens than this costs `times` as much, all of it.
    """

    input: float
    output: float
    long_from: int | None = None
    times: int = 1

    def of(self, input_tokens: int, output_tokens: int) -> Cost:
        """What so many tokens cost, rounded up."""
        times = self.times if self.long_from is not None and input_tokens > self.long_from else 1
        return Cost(ceil((input_tokens * self.input + output_tokens * self.output) * times / 100))


PRICES: Mapping[str, Mapping[str, Price]] = {
    "openai": {
        "gpt-4.1": Price(200, 800),  # [?]
        "gpt-4.1-mini": Price(40, 160),  # [?]
        "gpt-4.1-nano": Price(10, 40),  # [?]
        "gpt-4o": Price(250, 1_000),  # [?]
        "gpt-4o-mini": Price(15, 60),  # [?]
        "gpt-5": Price(125, 1_000),  # [?]
        "gpt-5-mini": Price(25, 200),  # [?]
        "gpt-5-nano": Price(5, 40),
        "gpt-6-luna": Price(10, 50, long_from=272_000, times=2),
    },
    "groq": {
        "llama-3.1-8b-instant": Price(5, 8),  # [?]
        "llama-3.3-70b-versatile": Price(59, 79),  # [?]
        "openai/gpt-oss-20b": Price(7.5, 30),  # [?]
        "openai/gpt-oss-120b": Price(15, 60),
    },
    "anthropic": {
        "claude-haiku-4-5": Price(100, 500),  # [?]
        "claude-sonnet-4-5": Price(300, 1_500),  # [?]
        "claude-opus-4-5": Price(500, 2_500),  # [?]
        "claude-haiku-5-5": Price(10, 50, long_from=100_000, times=5),
        "claude-sonnet-5": Price(200, 1_000),
        "claude-sonnet-5-5": Price(200, 1_000),
        "claude-opus-5": Price(500, 2_500),
        "claude-opus-5-5": Price(400, 2_000),
        "claude-fable-5-1": Price(1_000, 5_000),
    },
}


def price_of(provider: str, model: str) -> Price | None:
    """The list price of a model, None where it is not known.

    Args:
        provider: `openai`, `groq` or `anthropic`.
        model: its name, with or without the date of a snapshot.
    """
    known = PRICES.get(provider, {})
    if model in known:
        return known[model]
    # `gpt-5.1` is another model than `gpt-5`: only a date may follow.
    dated = [name for name in known if model.startswith(f"{name}-2")]
    return known[max(dated, key=len)] if dated else None

"""The models that there are. What belongs here: names, context windows and prices; as the providers list them.

The prices are the sandbox's own copy, as a provider's bill is: the product has its own list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from provider_sandbox.models.asked import Provider


@dataclass(frozen=True)
class Listed:
    """A model: the tokens it reads at most, and cents for a million of them read and written.

    Attributes:
        thinks: before each answer, whatever it is asked: it takes no temperature and can't be made to use a tool.
        takes_schema: it can be held to one.
    """

    context: int
    input_cents: float
    output_cents: float
    thinks: bool = False
    takes_schema: bool = True

    def micro_usd(self, input_tokens: int, output_tokens: int) -> int:
        """What so many tokens cost in millionths of a dollar, rounded up."""
        return ceil((input_tokens * self.input_cents + output_tokens * self.output_cents) / 100)


MODELS: Mapping[Provider, Mapping[str, Listed]] = {
    "openai": {
        "gpt-4.1": Listed(1_047_576, 200, 800),
        "gpt-4.1-mini": Listed(1_047_576, 40, 160),
        "gpt-4.1-nano": Listed(1_047_576, 10, 40),
        "gpt-4o": Listed(128_000, 250, 1_000),
        "gpt-4o-mini": Listed(128_000, 15, 60),
        "gpt-4": Listed(8_192, 3_000, 6_000),
        "gpt-5-nano": Listed(400_000, 5, 40, thinks=True),
    },
    "groq": {
        "llama-3.1-8b-instant": Listed(131_072, 5, 8, takes_schema=False),
        "llama-3.3-70b-versatile": Listed(131_072, 59, 79, takes_schema=False),
        "openai/gpt-oss-20b": Listed(131_072, 7.5, 30),
        "openai/gpt-oss-120b": Listed(131_072, 15, 60),
    },
    "anthropic": {
        "claude-haiku-4-5": Listed(200_000, 100, 500),
        "claude-sonnet-4-5": Listed(200_000, 300, 1_500),
        "claude-opus-4-5": Listed(200_000, 500, 2_500),
        "claude-haiku-5-5": Listed(1_000_000, 10, 50),
        "claude-sonnet-5-5": Listed(1_000_000, 200, 1_000),
        "claude-opus-5-5": Listed(1_000_000, 400, 2_000, thinks=True),
    },
}


def find(provider: Provider, model: str) -> Listed | None:
    """A model by its name or that of a dated snapshot of it."""
    known = MODELS[provider]
    return known.get(model) or known.get(re.sub(r"-(\d{8}|\d{4}-\d{2}-\d{2})$", "", model))


def tokens(text: str) -> int:
    """About how many tokens a text has: a piece of a word has four letters."""
    return len(re.findall(r"\w{1,4}|[^\w\s]", text))


def cut(text: str, most: int) -> str:
    """The beginning of a text that has so many tokens at most."""
    pieces = list(re.finditer(r"\w{1,4}|[^\w\s]", text))
    return text if len(pieces) <= most else text[: pieces[most - 1].end()] if most > 0 else ""

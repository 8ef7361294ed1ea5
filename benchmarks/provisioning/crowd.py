"""Who signs up, what each of them is like, and what goes wrong at the providers. What belongs here: data; pure.

Both hang on the seed alone, so that a run can be told again. What does not: having it happen (`run.py`).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pilar_cli.demo.studios import Visitor, visitors


class Kind(StrEnum):
    """What a studio's owner is like."""

    PROMPT = "prompt"
    SLOW = "slow"
    """Leaves the mail with the set-up link unread for days of business time."""
    NEVER = "never"
    """Never opens it."""
    REJECTED = "rejected"
    """Has a business account and a template that Meta rejects, and mends both."""


SHARES: Mapping[Kind, float] = {Kind.REJECTED: 0.02, Kind.NEVER: 0.02, Kind.SLOW: 0.15}
"""At least one of each; everybody else is prompt."""

SLOWEST_HOURS = 120.0
_FASTEST_HOURS = 20.0


@dataclass(frozen=True)
class Owner:
    """Somebody who pays for a studio.

    Attributes:
        visitor: as the checkout knows them.
        kind: what they are like.
        hours: of business time until they read their mail; None: at once, or never.
    """

    visitor: Visitor
    kind: Kind
    hours: float | None = None


def owners(count: int, seed: int) -> list[Owner]:
    """So many people, those first whom Meta rejects; the same seed gives the same ones.

    Raises:
        ValueError: they are too few for one of each kind.
    """
    if count <= len(SHARES):
        raise ValueError(f"there is one owner of each kind at least: {len(SHARES) + 1} sign up, or more")
    chance = random.Random(f"owners {seed}")
    kinds = [kind for kind, share in SHARES.items() for _ in range(max(1, round(share * count)))]
    others = [*kinds[kinds.count(Kind.REJECTED) :], *[Kind.PROMPT] * (count - len(kinds))]
    chance.shuffle(others)
    dealt = [*[Kind.REJECTED] * kinds.count(Kind.REJECTED), *others]
    return [
        Owner(visitor, kind, round(chance.uniform(_FASTEST_HOURS, SLOWEST_HOURS), 1) if kind is Kind.SLOW else None)
        for visitor, kind in zip(visitors(count, seed), dealt, strict=True)
    ]


OUTAGES: Mapping[str, float] = {"stripe": 4.0, "twilio": 14.0, "meta": 24.0}
"""Real seconds from the beginning to each provider's first outage."""
OUTAGE_SECONDS, BETWEEN_OUTAGES = 5.0, 120.0

_WEBHOOKS = (
    ("stripe", "duplicate", 0.10, 0.2),
    ("stripe", "reorder", 0.10, 1.0),
    ("stripe", "delay", 0.05, 2.0),
    ("twilio", "duplicate", 0.10, 0.2),
    ("twilio", "delay", 0.05, 2.0),
    ("meta", "duplicate", 0.05, 0.2),
    ("meta", "reorder", 0.05, 1.0),
)
_REQUESTS = (
    ("accept_then_timeout", 0.005, None),
    ("rate_limited", 0.02, 1.0),
    ("server_error", 0.005, None),
    ("disconnect", 0.005, None),
)


def fault_rules(outages: int) -> Sequence[dict[str, Any]]:
    """The rules of the sandbox's faults.

    Args:
        outages: so many of each provider, two minutes from each other.
    """
    rules: list[dict[str, Any]] = [
        {
            "provider": provider,
            "direction": "request",
            "kind": "outage",
            "starts": starts + number * BETWEEN_OUTAGES,
            "ends": starts + number * BETWEEN_OUTAGES + OUTAGE_SECONDS,
        }
        for provider, starts in OUTAGES.items()
        for number in range(outages)
    ]
    rules += [
        {"provider": provider, "direction": "request", "kind": kind, "probability": chance, "seconds": seconds}
        for provider in OUTAGES
        for kind, chance, seconds in _REQUESTS
    ]
    rules += [
        {"provider": provider, "direction": "webhook", "kind": kind, "probability": chance, "seconds": seconds}
        for provider, kind, chance, seconds in _WEBHOOKS
    ]
    return rules

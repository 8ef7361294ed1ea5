"""Fault plans by lot. What belongs here: which faults a mixed plan holds, how often and how long; no I/O.

A drawn plan can be recovered from: each rule strikes a few times at most and ends by itself, an outage is short, and
what is lost for good (`drop`, a mail that is refused for ever) is drawn only where something else tells the same.
"""

from __future__ import annotations

import random

from provider_sandbox.faults.plan import (
    AFTER,
    BEFORE,
    PROVIDERS,
    REQUEST,
    REQUEST_KINDS,
    WEBHOOK,
    WEBHOOK_KINDS,
    WEBHOOK_SENDERS,
    Plan,
    Rule,
)

LASTS_SECONDS = 20.0
"""After so many seconds nothing of a drawn plan strikes any more."""

SHORTEST_OUTAGE, LONGEST_OUTAGE = 0.05, 1.5
"""In seconds."""

TOLD_OTHERWISE = {"stripe": ("customer.created", "customer.subscription.created"), "meta": ("statuses.delivered",)}
"""Events that may be lost: of a signup each of four events leads to the same look at Stripe, and a message that was
read has been delivered."""

UNWELL = (500, 502, 503, 504)


def draw_plan(seed: int, intensity: float = 0.5) -> Plan:
    """A plan that depends on its arguments alone; every provider gets faults of several kinds.

    Args:
        seed: the lot, which is also the plan's own seed.
        intensity: from above 0 (a fault now and then) to 1 (every third or so).

    Raises:
        ValueError: the intensity is out of bounds.
    """
    if not 0 < intensity <= 1:
        raise ValueError(f"The intensity {intensity} is not above 0 and at most 1.")
    lot = random.Random(f"faults {seed}")  # noqa: S311 - nothing is to be kept secret here
    rules: list[Rule] = []
    for provider in PROVIDERS:
        kinds = lot.sample(sorted(REQUEST_KINDS), k=lot.randint(3, len(REQUEST_KINDS)))
        rules += [_request(lot, provider, kind, intensity) for kind in kinds]
    for provider in WEBHOOK_SENDERS:
        kinds = [kind for kind in sorted(WEBHOOK_KINDS) if kind != "drop" or provider in TOLD_OTHERWISE]
        chosen = lot.sample(kinds, k=lot.randint(2, len(kinds)))
        rules += [_webhook(lot, provider, kind, intensity) for kind in chosen]
    lot.shuffle(rules)
    return Plan(seed, tuple(rules))


def _request(lot: random.Random, provider: str, kind: str, intensity: float) -> Rule:
    starts, ends = 0.0, LASTS_SECONDS
    probability = round(intensity * lot.uniform(0.1, 0.4), 3)
    most = lot.randint(1, 4)
    if kind == "outage":
        starts = round(lot.uniform(0, LASTS_SECONDS / 4), 2)
        ends = round(starts + max(lot.uniform(0.2, LONGEST_OUTAGE) * intensity, SHORTEST_OUTAGE), 2)
        probability = 1.0
        # Bounded in number too: who skips the pauses between attempts meets an outage in no time, many times over.
        most = lot.randint(2, 6)
    seconds = {
        # Long enough to be late, short enough for a story of seconds; a client's own time-out may come first.
        "accept_then_timeout": round(lot.uniform(0.05, 0.3), 2),
        "rate_limited": float(lot.randint(0, 1)),
        "slow": round(lot.uniform(0.05, 0.3), 2),
        "delay": round(lot.uniform(0.05, 0.3), 2),
    }.get(kind)
    status = None
    if kind == "server_error":
        status = 451 if provider == "mail" else lot.choice(UNWELL)
    # A mail that was taken is never told to have been refused: who sends it again is right to.
    is_open = kind == "disconnect" or (kind == "server_error" and provider != "mail")
    when = lot.choice((None, BEFORE, AFTER)) if is_open else None
    return Rule(
        provider=provider,
        direction=REQUEST,
        kind=kind,
        probability=probability,
        most=most,
        seconds=seconds,
        status=status,
        when=when,
        starts=starts,
        ends=ends,
    )


def _webhook(lot: random.Random, provider: str, kind: str, intensity: float) -> Rule:
    seconds = {
        "delay": round(lot.uniform(0.05, 0.5), 2),
        "duplicate": round(lot.uniform(0.0, 0.3), 2),
        "reorder": round(lot.uniform(0.1, 0.5), 2),
    }.get(kind)
    return Rule(
        provider=provider,
        direction=WEBHOOK,
        kind=kind,
        path=lot.choice(TOLD_OTHERWISE[provider]) if kind == "drop" else "*",
        probability=round(intensity * lot.uniform(0.2, 0.6), 3),
        most=lot.randint(1, 6),
        seconds=seconds,
        ends=LASTS_SECONDS,
    )

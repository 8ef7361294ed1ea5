"""One telling of the story, in order or under a seed, and what is to be said of it.

What belongs here: putting stage, driver, plot, state and verdict together. What does not: how many tellings there are
and who reads of them (`benchmarks/seeds`).
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.story import plot, state, verdict
from benchmarks.story.driver import IDLE_SECONDS, Driver, Orderly, Restless, Unruly
from benchmarks.story.stage import Stage, stage
from pilar.errors import PilarError
from provider_sandbox.faults.draw import draw_plan

INTERLEAVING = "interleaving"
"""Drains in odd pieces, in another order each time, some of them killed."""
FAULTS = "faults"
"""Providers that fail, and webhooks that are late, twice, in disorder or lost on the way."""
TROUBLES = (INTERLEAVING, FAULTS)

MOST_FAULTS = {"stripe": 5, "twilio": 6, "meta": 16, "mail": 5}
"""Of requests, by provider. Meta is asked for many things of which each has attempts of its own."""
OUTAGE_MEETS = 3


@dataclass
class Telling:
    """What came of one telling.

    Attributes:
        seed: None: nothing was to go wrong.
        problems: what must not be, by kind, each as a sentence.
        struck: how often each fault struck.
        plan: the rules of the faults.
        in_doubt: messages whose outcome is recorded as unknown.
    """

    seed: int | None
    facts: state.State = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)
    did: Mapping[str, int] = field(default_factory=dict)
    struck: int = 0
    plan: Sequence[dict[str, Any]] = ()
    in_doubt: int = 0
    seconds: float = 0.0

    @property
    def is_right(self) -> bool:
        """Whether nothing is that must not be."""
        return not any(self.problems.values())

    def __str__(self) -> str:
        told = [f"seed {self.seed}: {'right' if self.is_right else 'WRONG'} in {self.seconds:.1f} s, {dict(self.did)},"]
        told[0] += f" faults struck {self.struck} times"
        if not self.is_right:
            told += [f"  {kind}: {one}" for kind, all_of_it in self.problems.items() for one in all_of_it]
            told += [f"  the plan: {json.dumps(list(self.plan))}", f"  again: --seed {self.seed}"]
        return "\n".join(told)


def tell_in_order(database_url: str, place: Path) -> Telling:
    """The story as it should go: what all others are held against."""
    began = time.monotonic()
    with stage(database_url, place) as on:
        told = _tell(Telling(None), on, Orderly(on.system), None)
    told.seconds = time.monotonic() - began
    return told


def tell_under(
    seed: int, expected: state.State, database_url: str, place: Path, troubles: Sequence[str] = TROUBLES
) -> Telling:
    """The same story with what the seed makes go wrong.

    Args:
        seed: decides all of it.
        expected: what came of it in order.
        database_url: a migrated, empty database; as its owner.
        place: an empty directory.
        troubles: which kinds of trouble.
    """
    began = time.monotonic()
    told = Telling(seed)
    with stage(database_url, place) as on:
        if FAULTS in troubles:
            told.plan = faults_of(seed)
            on.system.sandbox.set_faults(seed, told.plan)
        unruly = Unruly(on.system, random.Random(seed)) if INTERLEAVING in troubles else None
        _tell(told, on, unruly or Orderly(on.system), expected)
        told.did = dict(unruly.did) if unruly else {}
        if FAULTS in troubles:
            told.struck = on.system.sandbox.faults()["struck"]
    told.seconds = time.monotonic() - began
    return told


def _tell(told: Telling, on: Stage, driver: Driver, expected: state.State | None) -> Telling:
    system = on.system
    try:
        plot.tell(on, driver)
        system.sandbox.wait_idle(IDLE_SECONDS)
    except (AssertionError, PilarError, Restless) as error:
        told.problems = {
            "not told to its end": [f"{type(error).__name__}: {error}"],
            "stuck": verdict.stuck(system.app),
        }
        return told
    seen = system.sandbox.effects_by_key()
    told.facts = state.read(system.database, seen)
    doubts = state.messages_in_doubt(system.database)
    told.in_doubt = len(doubts)
    told.problems = {
        "promises broken": verdict.broken_promises(system.app),
        "stuck": verdict.stuck(system.app),
        "effects lost": verdict.lost_effects(system.database, seen),
        "effects repeated beyond policy": verdict.repeated_effects(system.database, seen),
    }
    if expected is not None:
        different = state.differences(expected, told.facts)
        told.problems["facts otherwise"] = [str(one) for one in state.beyond_policy(different, doubts)]
    return told


def faults_of(seed: int) -> Sequence[dict[str, Any]]:
    """The rules of the faults that a seed makes, such that no piece of work need run out of attempts.

    Back-off takes no time here, so an outage of a second would meet all eight attempts of a piece of work, which in
    life last for minutes: it hangs up so many times instead. And a provider whose every fault might befall the same
    piece of work has fewer of them than that has attempts.
    """
    lot = random.Random(f"story {seed}")
    left = dict(MOST_FAULTS)
    rules = []
    for rule in draw_plan(seed, lot.uniform(0.2, 1.0)).document()["rules"]:
        most = lot.randint(1, OUTAGE_MEETS) if rule["kind"] == "outage" else rule["most"]
        changed = {**rule, "ends": None, "most": most}
        if rule["direction"] == "request":
            changed["most"] = most = min(most, left.get(rule["provider"], 0))
            left[rule["provider"]] = left.get(rule["provider"], 0) - most
        if most:
            rules.append(changed)
    return rules

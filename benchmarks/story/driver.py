"""Who drains, and when: in order and to the end, or as it comes.

What belongs here: the interleaving of drains, deaths and the world's answers, decided by a seed. What does not: what is
to be done (`plot.py`) and what goes wrong at the providers (the sandbox's faults).
"""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from pilar.app import build_app
from pilar.backplane.facts import Lane
from pilar.ids import new_id
from pilar.upkeep import settle_effects
from tests.fixtures.system import Killed, MortalDatabase, System

ROUNDS = 400
"""A story that needs more of them between two of its turns will not come to rest."""
IDLE_SECONDS = 30.0
_A_TURN = timedelta(seconds=20)
_WAITING = """
select coalesce(lease_until, due_at) from queue union all select due_at from scheduled where not business_time
"""
_IN_DOUBT = """
select greatest(coalesce(attempt_until, attempted_at), coalesce(look_after, attempted_at + interval '2 minutes'))
from effect where state in ('attempted', 'unknown') and given_up_at is null
"""


class Restless(AssertionError):
    """The system does not come to rest."""


class Driver(Protocol):
    """Has the product do what there is to do."""

    def settle(self) -> None:
        """Drain until nothing is due any more, and the world has answered.

        Raises:
            Restless: there is no end to it.
        """
        ...


@dataclass
class Orderly:
    """Drains all there is, one batch after the other, and lets the world answer in between."""

    system: System

    def settle(self) -> None:
        """See `Driver`."""
        for _ in range(ROUNDS):
            if _drain(self.system):
                self.system.sandbox.wait_idle(IDLE_SECONDS)
                continue
            self.system.sandbox.wait_idle(IDLE_SECONDS)
            if not _drain(self.system) and not _skip(self.system):
                return
        raise Restless(_what_waits(self.system))


@dataclass
class Unruly:
    """Drains in odd pieces, in another order each time, dies in the midst of it, and does not wait for the world.

    Attributes:
        chance: decides all of it.
        deaths: so many drains are killed at most; each at one of its commits, before or after it.
        did: how often what was done.
    """

    system: System
    chance: random.Random
    deaths: int = 12
    did: Counter[str] = field(default_factory=Counter)

    def settle(self) -> None:
        """See `Driver`."""
        quiet = 0
        for _ in range(ROUNDS):
            done = self._something()
            if self.chance.random() < 0.5 or not done:
                self.system.sandbox.wait_idle(IDLE_SECONDS)
            quiet = 0 if done else quiet + 1
            if quiet < 2:
                continue
            if not _drain(self.system) and not _skip(self.system):
                return
            quiet = 0
        raise Restless(_what_waits(self.system))

    def _something(self) -> bool:
        draw = self.chance.random()
        if draw < 0.12 and self.deaths > 0:
            self.deaths -= 1
            self.did["killed"] += 1
            return self._die()
        if draw < 0.6:
            self.did["restarted"] += 1
            return self._a_few_turns()
        self.did["drained"] += 1
        return bool(_drain(self.system))

    def _a_few_turns(self) -> bool:
        """A worker that is told to stop after a few batches, and looks at the lanes in an order of its own."""
        drain = self.system.app.drain(f"short-{new_id()}")
        lanes = list(Lane)
        self.chance.shuffle(lanes)
        claimed = 0
        try:
            for _ in range(self.chance.randint(1, 3)):
                claimed += drain.turn(lanes).claimed
            drain.leave()
        finally:
            drain.close()
        return claimed > 0

    def _die(self) -> bool:
        dying = MortalDatabase(
            self.system.database.url,
            dies_at=self.chance.randint(2, 14),
            after_commit=self.chance.random() < 0.5,
        )
        app = build_app(self.system.app.settings, database=dying, clocks=self.system.app.clocks)
        drain = app.drain(f"dying-{new_id()}")
        try:
            return drain.run_until_idle(self.system.clock.now() + _A_TURN) > 0
        except Killed:
            return True
        finally:
            with suppress(Killed):
                drain.close()
            app.close()


def _drain(system: System) -> int:
    drain = system.app.drain(f"drain-{new_id()}")
    try:
        return drain.run_until_idle(system.clock.now() + _A_TURN)
    finally:
        drain.close()


def _skip(system: System) -> bool:
    """Skip to when something can go on that waits for time alone; whether there is any."""
    if moments := system.column(_WAITING):
        system.clock.skip_to(min(moments) + timedelta(milliseconds=1))
        return True
    if moments := system.column(_IN_DOUBT):
        system.clock.skip_to(min(moments) + timedelta(milliseconds=1))
        settle_effects(system.app)
        return True
    return False


def _what_waits(system: System) -> str:
    rows = system.rows("select type, handler, lane, status, attempts, due_at, error from live_work order by 1")
    doubts = system.rows("select kind, state, attempts, error from effect where state not in ('confirmed', 'failed')")
    return f"it does not come to rest: work {rows}; effects {doubts}"

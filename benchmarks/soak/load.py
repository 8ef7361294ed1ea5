"""What goes on while programs are killed: leads who write, and people who pay for studios.

What belongs here: the load and how it outlasts a sandbox that is away. What does not: who is killed (`victims.py`) and
what has to hold at the end (`ending.py`).
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from typing import Any, Self

from pilar.errors import Transient
from pilar_cli.demo.outside import Outside
from pilar_cli.demo.people import Writer
from pilar_cli.demo.studios import Visitor, example_phone

PERSONAS = ("curious", "curious", "stopper", "person", "trial")
PAUSE_SECONDS = 0.2
OUTSTANDING = 40
"""So many leads may wait for an answer before others write: a machine that is slow gets less to do."""
_LOOK_EVERY = 10
_UNINCLINED = 2
"""Accepts no offer: a day of the calendar would be booked out."""


class World(Outside):
    """The sandbox, asked for more than a demonstration asks it."""

    def effects_by_key(self) -> dict[tuple[str, str], int]:
        """How often each effect happened to each key."""
        rows = self.ask("GET", "effects")["by_kind_and_key"]
        return {(row["kind"], row["key"]): row["count"] for row in rows}

    def subscriptions(self) -> list[str]:
        """Everybody who has paid."""
        return [str(one["id"]) for one in self.ask("GET", "objects/stripe.subscription")]

    def statuses(self) -> set[tuple[str, str]]:
        """Each status that was told of a message, by the id that its sender gave it."""
        messages = self.ask("GET", "objects/meta.message")
        return {(str(one["callback"]), status) for one in messages for status in one["statuses"] if one["callback"]}

    def lead(self, number: str) -> dict[str, Any] | None:
        """What a lead has sent and received, None where they have never written."""
        return next((one for one in self.leads() if one["from"] == number), None)


def visitor(number: int) -> Visitor:
    """The n-th who pays."""
    return Visitor(
        studio=f"Studio {number}",
        owner_name="Anna de Vries",
        email=f"owner{number}@soak.example",
        phone=example_phone("NL"),
        country="NL",
        plan="PRO",
        seed=number,
    )


class Crowd:
    """Writes again and again, from a thread of its own, until the block ends."""

    def __init__(self, sandbox_url: str, numbers: Sequence[str], seed: int) -> None:
        """Take the sandbox's address, the studios' numbers, and what decides who writes."""
        self._url = sandbox_url
        self._numbers = numbers
        self._chance = random.Random(seed)
        self._ended = threading.Event()
        self._next = 0
        self._naming = threading.Lock()
        self._thread = threading.Thread(target=self._write, name="crowd")
        self._failure: BaseException | None = None
        self.refused = 0
        """How often the sandbox was away."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def somebody(self, persona: str | None = None) -> Writer:
        """Somebody who has never written."""
        with self._naming:
            self._next += 1
            number = f"+4477{self._next:08d}"
            return Writer(
                to=self._numbers[self._next % len(self._numbers)],
                sender=number,
                name="Bo",
                persona=persona or self._chance.choice(PERSONAS),
                language="en",
                seed=_UNINCLINED,
            )

    def _write(self) -> None:
        try:
            with World(self._url) as world:
                while not self._ended.wait(PAUSE_SECONDS):
                    if self._next % _LOOK_EVERY == 0 and _are_behind(world):
                        continue
                    write_in(world, self.somebody(), self._ended, self)
        except BaseException as error:
            self._failure = error


def _are_behind(world: World) -> bool:
    """Whether too many wait for an answer, or nobody knows."""
    try:
        return sum(not one["received"] for one in world.leads()) > OUTSTANDING
    except Transient:
        return False


def write_in(world: World, writer: Writer, ended: threading.Event, crowd: Crowd | None = None) -> None:
    """Have somebody write, however often it takes while the sandbox is away: it knows who has written already."""
    while not ended.is_set():
        try:
            world.write_in([writer])
        except Transient:
            if _has_written(world, writer):
                return
            if crowd is not None:
                crowd.refused += 1
            ended.wait(PAUSE_SECONDS)
        else:
            return


def _has_written(world: World, writer: Writer) -> bool:
    """Whether the answer alone was lost."""
    try:
        return world.lead(writer.sender) is not None
    except Transient:
        return False

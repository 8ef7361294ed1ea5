"""What has to hold when the killing is over.

What belongs here: when it is over, and the counts. What each count may be is the story's
(`benchmarks/story/verdict.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.report import progress
from benchmarks.soak.load import World
from benchmarks.story import verdict
from pilar.app import App
from pilar.database.engine import Scope
from pilar.errors import Transient
from pilar.upkeep import settle_effects
from pilar_cli.demo import figures

_WRITTEN = "select l.phone, count(*) from message m join lead l on l.workspace_id = m.workspace_id and l.id = m.lead_id"
_WRITTEN += " where m.direction = 'in' group by l.phone"
_TOLD = "select m.id::text, s.status from message m join message_status s on s.workspace_id = m.workspace_id"
_TOLD += " and s.message_id = m.id"
_UNPROCESSED = "select count(*) from live_work where kind = 1"

WHATSAPP = "whatsapp"


@dataclass
class Ending:
    """What is wrong, each as a sentence; nothing: all is well."""

    unprocessed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    promises: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    @property
    def first(self) -> str:
        """What is wrong first of all; empty: nothing."""
        return next(iter([*self.unprocessed, *self.lost, *self.repeated, *self.stuck, *self.promises]), "")

    @property
    def is_right(self) -> bool:
        """Whether nothing is wrong."""
        return not self.first


def come_to_rest(app: App, world: World, wait: Callable[[float], None], is_late: Callable[[], bool]) -> Ending:
    """Wait until all is well, at most until it is late, and say what is wrong then.

    Args:
        app: the product.
        world: the sandbox.
        wait: lets time pass.
        is_late: whether to wait no longer.
    """
    said = ""
    while True:
        ending = look(app, world)
        if ending.is_right or is_late():
            return ending
        if (now := ending.first) != said:
            said = now
            progress(f"not yet: {said}")
        wait(2.0)
        settle_effects(app)  # the worker's upkeep does so every five minutes


def look(app: App, world: World) -> Ending:
    """What is wrong at this moment."""
    try:
        is_idle = world.wait_idle(10.0)
        seen = world.effects_by_key()
    except Transient as error:
        return Ending(stuck=[error.message])
    ending = Ending(
        unprocessed=_unprocessed(app, world),
        lost=[*verdict.lost_effects(app.database, seen), *_unanswered(world)],
        repeated=verdict.repeated_effects(app.database, seen),
        stuck=verdict.stuck(app),
    )
    if not is_idle:
        ending.stuck.append("the sandbox still has something to deliver")
    if ending.is_right:
        ending.promises = verdict.broken_promises(app)
    return ending


def _unprocessed(app: App, world: World) -> list[str]:
    """Deliveries that were answered with 200 and are not in the inbox, or are there and wait.

    WhatsApp repeats some byte for byte, under no id: what they tell is looked for instead, each message and status.
    """
    answered, kept = world.deliveries().different, Counter(figures.inbox_counts(app.database))
    wrong = [
        f"{provider}: {answered[provider]} deliveries were answered, and {kept[provider]} kept"
        for provider in sorted({*answered, *kept})
        if answered[provider] != kept[provider] and provider != WHATSAPP
    ]
    with app.database.transaction(Scope.fleet()) as connection:
        waiting = connection.exec_driver_sql(_UNPROCESSED).scalar_one()
        written = {row[0]: int(row[1]) for row in connection.exec_driver_sql(_WRITTEN)}
        told = {(row[0], row[1]) for row in connection.exec_driver_sql(_TOLD)}
    if waiting:
        wrong.append(f"{waiting} deliveries wait to be processed")
    wrong += [f"nobody here knows that {one} is {status}" for one, status in sorted(world.statuses() - told)]
    wrong += [
        f"{one['from']} wrote {one['sent']} messages, and {written.get(one['from'], 0)} have come in"
        for one in world.leads()
        if one["sent"] != written.get(one["from"], 0)
    ]
    return wrong


def _unanswered(world: World) -> list[str]:
    """Leads who have had no answer: everybody here writes what a rule answers or a person is told of."""
    return [f"{one['from']} ({one['persona']}) has had no answer" for one in world.leads() if not one["received"]]

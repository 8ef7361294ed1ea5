"""A fleet's life from beginning to end. What belongs here: playing a timeline, waiting for it to settle, and gathering.

What does not: how each thing is done (`world.py`), its rules (`outcome.py`), telling (`report.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from pilar.database.engine import Database
from pilar_cli.demo import figures, life
from pilar_cli.demo.outcome import compare_deliveries, compare_effects, grown
from pilar_cli.demo.outside import Outside
from pilar_cli.fleet import reading
from pilar_cli.fleet.outcome import FleetOutcome, Unready
from pilar_cli.fleet.world import RunningPilar
from provider_sandbox.fleet.player import Player
from provider_sandbox.fleet.timeline import Timeline

_IDLE_SECONDS = 10.0
_SETTLE_SECONDS = 240.0
"""A message that was being handed over when its worker was killed is left to a status for a while."""
_AFTER_STOP = "meta.message_after_stop"


class FleetStory:
    """Plays one timeline; the outcome is filled in as it happens."""

    def __init__(
        self,
        timeline: Timeline,
        world: RunningPilar,
        database: Database,
        outside: Outside,
        outcome: FleetOutcome,
        say: Callable[[str], None],
    ) -> None:
        """Take what is played, where, both sides' records, what is filled in, and what tells how it goes."""
        self.outcome = outcome
        self._timeline = timeline
        self._world = world
        self._database = database
        self._outside = outside
        self._say = say
        self._player = Player(timeline, world, outcome.speed)

    def tell(self) -> None:
        """Play it all, and gather what came of it.

        Raises:
            Interrupted: somebody wants to stop; what was played until then is in the outcome.
        """
        began = time.monotonic()
        deliveries, dead = self._outside.deliveries(), reading.dead_letters(self._database)
        inbox, recorded = figures.inbox_counts(self._database), figures.effect_counts(self._database)
        seen, lost = self._outside.effects(), deliveries.lost
        try:
            self._world.begin(self._timeline.start)
            self._player.play(self._day_passed)
            self._world.end()
            self._say("Everything is played; waiting until it has settled …")
            self._settle()
        finally:
            self._gather()
            self.outcome.seconds = round(time.monotonic() - began, 1)
        now = self._outside.deliveries()
        grew = now.since(deliveries)
        kept = grown(figures.inbox_counts(self._database), inbox)
        self.outcome.deliveries = compare_deliveries(grew.accepted, grew.different, kept)
        self.outcome.under_way, self.outcome.lost = now.under_way, now.lost - lost
        effects = grown(self._outside.effects(), seen)
        self.outcome.effects = compare_effects(grown(figures.effect_counts(self._database), recorded), effects)
        self.outcome.life.written_after_stop = effects.get(_AFTER_STOP, 0)
        self.outcome.dead_letters = reading.dead_letters(self._database) - dead
        self._read_studios()

    def _day_passed(self, day: int) -> None:
        player = self._player
        self._say(
            f"Day {day} of {self._timeline.days} is over: {sum(player.played.values())} events,"
            f" {len(player.numbers)} of {len(player.subscriptions)} studios work."
        )

    def _settle(self) -> None:
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline:
            self._outside.wait_idle(_IDLE_SECONDS)
            now = self._world.now()
            life.read_messages(self._database, self._world.studios, now, self.outcome.life)
            self.outcome.due_work = reading.due_work(self._database)
            if self.outcome.life.unsettled == 0 and self.outcome.due_work == 0:
                return
            self._world.live(now, None)

    def _gather(self) -> None:
        player, outcome = self._player, self.outcome
        outcome.played, outcome.planned = dict(player.played), dict(self._timeline.counts)
        outcome.refused = [
            {"kind": kind, "reason": reason, "times": times} for (kind, reason), times in player.refused.items()
        ]
        outcome.late, outcome.unplayed = player.late, dict(player.unplayed)
        outcome.rates, outcome.self_referred = self._timeline.tally.rows(), player.self_referred
        outcome.signed_up = len(player.subscriptions)

    def _read_studios(self) -> None:
        subscriptions = self._player.subscriptions
        found = figures.studios(self._database, subscriptions.values())
        self.outcome.noticed = len(found)
        self.outcome.active = sum(studio.is_active for studio in found.values())
        for name, subscription in subscriptions.items():
            studio = found.get(subscription)
            if studio is None or studio.is_active:
                continue
            if name in self._player.leaving:
                self.outcome.ended += 1
                continue
            step = studio.current
            waits_on = (step.waits_on if step else None) or studio.state
            reason = (step.error or step.wait_reason or step.name) if step else studio.state
            self.outcome.unready.append(Unready(name, waits_on, reason))
        counts = self._outside.ask("GET", "leads/counts")
        self.outcome.messages_sent = sum(
            counts[number]["sent"] for number in self._player.numbers.values() if number in counts
        )
        self.outcome.conversions = reading.conversions(self._database, subscriptions.values())

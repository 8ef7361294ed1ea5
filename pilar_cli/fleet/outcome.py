"""What came of a simulated fleet. What belongs here: the figures' shape and the rules over them; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from pilar_cli.demo.life import Life
from pilar_cli.demo.outcome import DeliveryCount, EffectCount

SELF_REFERRAL = "self_referral"


@dataclass(frozen=True)
class Unready:
    """A studio that doesn't work at the end."""

    studio: str
    waits_on: str
    reason: str


@dataclass
class FleetOutcome:
    """What happened, gathered as it happens.

    Attributes:
        seed, studios, days, start, speed: what was asked for.
        played: events by kind.
        planned: events of the timeline by kind.
        refused: events that could not be played, with why and how often.
        late: events that had to wait for their studio.
        unplayed: events whose studio was never ready, by studio.
        rates: each rate with what was asked for and what was drawn.
        signed_up: studios that paid.
        noticed: of these, those that the product began to make.
        active: of these, those that work.
        ended: of these, those that don't any more, since they have cancelled or don't pay.
        unready: of these, those that don't for another reason, and which.
        self_referred: owners who came by a link of their own.
        conversions: signups by a link, by why they earn nothing or `earns`.
        messages_sent: by leads, as the sandbox counts them.
        under_way: webhooks that are not taken in yet.
        lost: webhooks that a plan of faults has lost.
        due_work: work that is due and not done.
        dead_letters: work that was given up during the run.
        deliveries, effects: both sides' counts.
        life: what was written and answered.
        seconds: how long it took.
        failure: why it ended early.
    """

    seed: int
    studios: int
    days: int
    start: datetime
    speed: float
    played: dict[str, int] = field(default_factory=dict)
    planned: dict[str, int] = field(default_factory=dict)
    refused: list[dict[str, Any]] = field(default_factory=list)
    late: int = 0
    unplayed: dict[str, int] = field(default_factory=dict)
    rates: list[Mapping[str, Any]] = field(default_factory=list)
    signed_up: int = 0
    noticed: int = 0
    active: int = 0
    ended: int = 0
    unready: list[Unready] = field(default_factory=list)
    self_referred: int = 0
    conversions: dict[str, int] = field(default_factory=dict)
    messages_sent: int = 0
    under_way: int = 0
    lost: int = 0
    due_work: int = 0
    dead_letters: int = 0
    deliveries: list[DeliveryCount] = field(default_factory=list)
    effects: list[EffectCount] = field(default_factory=list)
    life: Life = field(default_factory=Life)
    seconds: float = 0.0
    failure: str | None = None

    @property
    def taken_in(self) -> dict[str, bool]:
        """What has to hold for everything that was played to have been taken in."""
        return {
            "played": not self.refused and sum(self.played.values()) + sum(self.unplayed.values()) == self._planned,
            "payments": self.noticed == self.signed_up == self.played.get("studio_signed_up", 0),
            "studios": self.active + self.ended + len(self.unready) == self.signed_up
            and all(one.waits_on == "studio" for one in self.unready),
            "webhooks": self.under_way == 0 and all(one.kept == one.different for one in self.deliveries),
            "messages": self.life.messages_in == self.messages_sent and self.life.unsettled == 0,
            "self_referrals": self.conversions.get(SELF_REFERRAL, 0) == self.self_referred,
            "left_alone": self.life.written_after_stop == 0,
            "work": self.due_work == 0 and self.dead_letters == 0,
        }

    @property
    def _planned(self) -> int:
        return sum(self.planned.values())

    @property
    def is_complete(self) -> bool:
        """Whether everything that was played was taken in."""
        return self.failure is None and all(self.taken_in.values())

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        content = asdict(self)
        content["deliveries"] = [
            asdict(one) | {"duplicates_dropped": one.duplicates_dropped} for one in self.deliveries
        ]
        content["effects"] = [asdict(one) | {"agree": one.agree} for one in self.effects]
        return {"complete": self.is_complete, "taken_in": self.taken_in} | content

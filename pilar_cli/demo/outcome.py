"""What came of the demonstration. What belongs here: the figures' shape and the rules over them; no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

from pilar_cli.demo.figures import Studio
from pilar_cli.demo.life import Life

SAME_EFFECT = {
    "twilio.create_subaccount": "twilio.subaccount_created",
    "twilio.create_key": "twilio.key_created",
    "twilio.buy_number": "twilio.number_bought",
    "mail": "mail.sent",
    "whatsapp.add_number": "meta.number_added",
    "whatsapp.request_code": "meta.code_requested",
    "whatsapp.verify_code": "meta.number_verified",
    "whatsapp.register_number": "meta.number_registered",
    "whatsapp.subscribe_app": "meta.app_subscribed",
    "whatsapp.submit_template": "meta.template_submitted",
    "whatsapp.send": "meta.message_sent",
}
"""Effects by our name and by the sandbox's, which takes every mail for one kind."""


@dataclass(frozen=True)
class Spread:
    """How long something took, in seconds."""

    median: float
    slowest: float

    @staticmethod
    def of(seconds: Iterable[float]) -> Spread | None:
        """The spread of some durations; None if there are none."""
        values = list(seconds)
        return Spread(round(median(values), 2), round(max(values), 2)) if values else None


@dataclass(frozen=True)
class Waited:
    """A studio that had to wait for somebody."""

    studio: str
    step: str
    on: str
    reason: str
    seconds: float


@dataclass(frozen=True)
class EffectCount:
    """How often something was done outside, by our record and by the provider's count."""

    recorded_as: str | None
    seen_as: str | None
    recorded: int
    seen: int

    @property
    def agree(self) -> bool:
        """Whether both say the same; what only the provider can see agrees with anything."""
        return self.recorded_as is None or self.recorded == self.seen


@dataclass(frozen=True)
class DeliveryCount:
    """Webhooks of one provider."""

    provider: str
    answered: int
    """Deliveries that we answered with 200."""
    kept: int
    """Rows in the inbox."""
    different: int
    """Deliveries without their repetitions."""

    @property
    def duplicates_dropped(self) -> int:
        """Deliveries that were answered and left no row."""
        return self.answered - self.kept


@dataclass
class Outcome:
    """What happened, gathered as it happens."""

    seed: int
    with_worker: bool
    signups: int = 0
    active: int = 0
    to_active: Spread | None = None
    steps: dict[str, Spread] = field(default_factory=dict)
    waits: list[Waited] = field(default_factory=list)
    deliveries: list[DeliveryCount] = field(default_factory=list)
    effects: list[EffectCount] = field(default_factory=list)
    partitions: int = 0
    run_id: str | None = None
    run_status: str | None = None
    materialized: int = 0
    failed_checks: list[str] = field(default_factory=list)
    seen_active: int = 0
    dagster_behind_session: bool = False
    dagster_kept_out: bool = False
    moments: dict[str, float] = field(default_factory=dict)
    """Seconds from the command's start to each of the story's turns."""
    life: Life = field(default_factory=Life)
    failure: str | None = None

    @property
    def happened(self) -> dict[str, bool]:
        """The things that a demonstration is to show."""
        lived = self.life
        return {
            "signups": self.signups > 0,
            "studios_active": self.signups > 0 and self.active == self.signups,
            "orchestrated": self.run_status == "SUCCESS"
            and self.materialized >= self.active
            and not self.failed_checks,
            "messages_answered": lived.replies > 0
            and lived.unsettled == 0
            and lived.answered_by_staff > 0
            and lived.written_after_stop == 0,
            "nudged": self._nudged,
            "experiment_decided": any(one["decision"].startswith("adopt:") for one in lived.experiment),
            "commission_paid_to_the_cent": 0 < lived.clawed_back_minor < lived.earned_minor
            and lived.ledger.get("payable", 0) == lived.earned_minor - lived.clawed_back_minor
            and sum(lived.ledger.values()) == 0,
            "seen_by_founder": self.seen_active == self.signups > 0
            and self.dagster_behind_session
            and self.dagster_kept_out,
        }

    @property
    def _nudged(self) -> bool:
        """Without a warm worker the hour of some nudges, or of all, has passed before a run of Dagster's has begun."""
        lived = self.life
        sent = lived.nudges_as_text > 0 and lived.nudges_as_template > 0
        came_late = not self.with_worker and lived.nudges_late > 0
        return (sent or came_late) and lived.nudges_refused.get("quiet_hours", 0) > 0

    @property
    def is_complete(self) -> bool:
        """Whether everything happened."""
        return self.failure is None and all(self.happened.values())

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        content = asdict(self)
        content["deliveries"] = [
            asdict(one) | {"duplicates_dropped": one.duplicates_dropped} for one in self.deliveries
        ]
        content["effects"] = [asdict(one) | {"agree": one.agree} for one in self.effects]
        return {"complete": self.is_complete, "happened": self.happened} | content


def times(studios: Iterable[Studio], signed_up: Mapping[str, datetime]) -> tuple[Spread | None, dict[str, Spread]]:
    """From the payment to the last step, and each step by itself, in the steps' order."""
    whole: list[float] = []
    by_step: dict[str, list[float]] = {}
    for studio in studios:
        if studio.completed_at:
            whole.append((studio.completed_at - signed_up[studio.subscription]).total_seconds())
        for step in studio.steps:
            if step.seconds is not None:
                by_step.setdefault(step.name, []).append(step.seconds)
    spreads = {name: Spread.of(seconds) for name, seconds in by_step.items()}
    return Spread.of(whole), {name: spread for name, spread in spreads.items() if spread}


def compare_effects(recorded: Mapping[str, int], seen: Mapping[str, int]) -> list[EffectCount]:
    """Both sides' counts, side by side; what only one side knows comes last."""
    recorded = _by_kind(recorded)
    pairs = [
        EffectCount(ours, theirs, recorded.get(ours, 0), seen.get(theirs, 0)) for ours, theirs in SAME_EFFECT.items()
    ]
    ours_only = [EffectCount(kind, None, count, 0) for kind, count in recorded.items() if kind not in SAME_EFFECT]
    theirs_only = [
        EffectCount(None, kind, 0, count) for kind, count in seen.items() if kind not in SAME_EFFECT.values()
    ]
    return [*pairs, *ours_only, *theirs_only]


def _by_kind(recorded: Mapping[str, int]) -> dict[str, int]:
    """Our counts with all mails as one kind."""
    counts: Counter[str] = Counter()
    for kind, count in recorded.items():
        counts["mail" if kind.startswith("mail.") else kind] += count
    return dict(counts)


def compare_deliveries(
    answered: Mapping[str, int], different: Mapping[str, int], kept: Mapping[str, int]
) -> list[DeliveryCount]:
    """What the sandbox had answered, and what the inbox holds, by provider."""
    providers: Sequence[str] = sorted({*answered, *kept})
    return [DeliveryCount(name, answered.get(name, 0), kept.get(name, 0), different.get(name, 0)) for name in providers]


def grown(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """What was added to each count."""
    return {name: count - before.get(name, 0) for name, count in now.items() if count != before.get(name, 0)}

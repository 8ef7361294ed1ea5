"""What is done about a step that waits: who is reminded when, how long it may last, where to act, what ends it.

What belongs here: these rules, as data and pure functions. What does not: keeping and sweeping them
(`following.py`, `wait_store.py`) and the words of reminders (`wait_words.py`).

All of it is business time: an owner has days, however fast the clock runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

from pilar.messaging.zones import is_quiet
from pilar.provisioning.steps import WaitsOn

Reminded = Literal["owner", "founder"]


@dataclass(frozen=True)
class WaitPolicy:
    """What is done about a wait.

    Attributes:
        reminded: who gets reminders: the owner by mail and SMS, the founder by an incident.
        after: when, from the beginning of the wait; ascending.
        lasts: after so long it is given up, until somebody has it tried again.
        look_every: how often the step looks for itself whether it can go on, should a wake-up have been lost; None:
            only who is waited for can tell us.
    """

    reminded: Reminded
    after: tuple[timedelta, ...]
    lasts: timedelta
    look_every: timedelta | None


def _days(*days: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(days=day) for day in days)


POLICIES: Mapping[WaitsOn, WaitPolicy] = {
    "studio": WaitPolicy("owner", _days(1, 3, 7), timedelta(days=14), None),
    "stripe": WaitPolicy("founder", _days(3, 7), timedelta(days=14), timedelta(hours=6)),
    "meta": WaitPolicy("founder", _days(2, 5), timedelta(days=14), timedelta(hours=1)),
    "twilio": WaitPolicy("founder", _days(1, 3), timedelta(days=14), timedelta(hours=1)),
    "us": WaitPolicy("founder", _days(1, 3, 7), timedelta(days=30), timedelta(hours=1)),
}

WOKEN_BY: Mapping[str, str] = {
    "customer_validation": "stripe.reconcile_subscription",
    "activation": "stripe.reconcile_subscription",
    "whatsapp_connection": "setup.completed",
    "whatsapp_registration": "twilio.sms",
    "whatsapp_prerequisites": "messaging.account_told",
    "template_approval": "template.changed",
}
"""What ends a step's wait on somebody else, as the name of the fact; a wait on us ends when somebody tries again."""

LOOKS: Mapping[str, timedelta] = {"whatsapp_prerequisites": timedelta(hours=6)}
"""How often a step looks for itself that waits on its owner, who acts at a provider that may not tell us."""

BY_HAND = "provisioning.resumed"


OWNER_WAKES: Mapping[str, str] = {
    "whatsapp_registration": "setup.number_proven",
    "whatsapp_prerequisites": "setup.looked_again",
}
"""The same for a step that waits on its owner, where that is another fact."""


def woken_by(step: str, on: WaitsOn) -> str:
    """The fact that a waiting step is woken by."""
    if on == "studio" and step in OWNER_WAKES:
        return OWNER_WAKES[step]
    return BY_HAND if on == "us" else WOKEN_BY.get(step, BY_HAND)


def where_to_act(on: WaitsOn, workspace_id: UUID, public_url: str) -> str | None:
    """Where somebody can end a wait; None for the owner's own link, which is a secret and kept sealed."""
    return {
        "studio": None,
        "us": f"{public_url}/studios/{workspace_id}",
        "meta": "https://business.facebook.com/wa/manage/home/",
        "twilio": "https://console.twilio.com/",
        "stripe": "https://dashboard.stripe.com/subscriptions",
    }[on]


@dataclass(frozen=True)
class Times:
    """When something is due in a wait, in business time."""

    remind_at: datetime | None
    expires_at: datetime
    look_at: datetime | None


def look_every(on: WaitsOn, step: str) -> timedelta | None:
    """How often a step that waits looks for itself; None: only who is waited for can tell us."""
    return POLICIES[on].look_every or LOOKS.get(step)


def times_of(on: WaitsOn, begun: datetime, step: str = "") -> Times:
    """When a wait of a step that begins now is followed up for the first time."""
    policy, every = POLICIES[on], look_every(on, step)
    return Times(
        remind_at=begun + policy.after[0] if policy.after else None,
        expires_at=begun + policy.lasts,
        look_at=begun + every if every else None,
    )


def reminders_due(on: WaitsOn, begun: datetime, now: datetime) -> tuple[int, datetime | None]:
    """How many of a wait's reminders have come due by now, and when the next one does, if there is one."""
    moments = [begun + after for after in POLICIES[on].after]
    passed = sum(moment <= now for moment in moments)
    return passed, moments[passed] if passed < len(moments) else None


def decent(moment: datetime, zones: Iterable[str]) -> datetime:
    """The first moment from then on at which it is no night in any of these zones: a full hour, unless it is now."""
    everywhere = tuple(zones)
    while is_quiet(moment, everywhere):
        moment = (moment + timedelta(hours=1)).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return moment

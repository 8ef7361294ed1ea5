"""Simulated studios and affiliates of a fleet. What belongs here: who they are and what happens to them; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from provider_sandbox.fleet import rates
from provider_sandbox.fleet.chances import Chances
from provider_sandbox.fleet.people import ZONES, Zone

Plan = Literal["BASIC", "PRO"]
MoneyKind = Literal[
    "card_failed",
    "card_replaced",
    "refunded",
    "disputed",
    "dispute_won",
    "dispute_lost",
    "cancelled",
    "cancelled_at_period_end",
    "plan_changed",
]

SIGNS_UP = (8.0, 20.0)
"""The local hours in which owners buy."""
QUICK_HOURS = (0.0, 0.25)
SLOW_HOURS = (12.0, 30.0)
STUDIOS_PER_AFFILIATE = 3
REFUND_MINOR = 1_500
"""A part of the cheaper plan's month."""

_KINDS = ("Fitness", "Boxing", "Yoga", "Pilates", "Barbell", "Rowing", "Climbing", "Dance")
_OWNERS = ("Alba Stone", "Bram Field", "Cora Hill", "Dirk Lake", "Esme Wood", "Finn Marsh", "Gro Dale", "Hal Brook")


@dataclass(frozen=True)
class Happening:
    """Something that happens to a studio's payments, so many hours after it signed up."""

    after_hours: float
    kind: MoneyKind


@dataclass(frozen=True)
class Studio:
    """One studio's life.

    Attributes:
        index: from 0 on, in no order of time.
        name, owner, email, phone, plan: as typed in at the checkout.
        zone: where it is.
        day: the day of the run on which it signs up, from 0 on.
        hour: of that day, where it is.
        consents_after: hours until its owner opens the mail with the set-up link; None: never.
        affiliate: by whose link the owner came; None: by none.
        refers_self: the owner is that affiliate.
        happenings: what happens to its payments, in order.
        seed: of the disorder of its webhooks.
    """

    index: int
    name: str
    owner: str
    email: str
    phone: str
    plan: Plan
    zone: Zone
    day: int
    hour: float
    consents_after: float | None
    affiliate: int | None
    refers_self: bool
    happenings: tuple[Happening, ...]
    seed: int

    @property
    def is_slow(self) -> bool:
        """Whether its owner takes their time, or never consents."""
        return self.consents_after is None or self.consents_after > QUICK_HOURS[1]

    @property
    def leaves_after(self) -> float | None:
        """The hours after its signup at which nobody writes to it any more; None: never."""
        return next((one.after_hours for one in self.happenings if one.kind == "cancelled"), None)


@dataclass(frozen=True)
class Affiliate:
    """Who spreads a link.

    Attributes:
        index: from 0 on.
        name, email: as the founder types them in.
        is_honest: else a flood of clicks comes from one visitor.
        flood_day: the day on which it comes, from 0 on.
    """

    index: int
    name: str
    email: str
    is_honest: bool
    flood_day: int


def affiliate_count(studios: int) -> int:
    """How many affiliates a fleet of so many studios has."""
    return -(-studios // STUDIOS_PER_AFFILIATE)


def affiliate(chances: Chances, index: int, days: int, seed: int) -> Affiliate:
    """One affiliate; `chances` are theirs."""
    return Affiliate(
        index,
        f"Running Club {index + 1}",
        f"club{index + 1}.{seed}@affiliate.example",
        chances.happens(rates.HONEST),
        chances.random.randrange(days),
    )


def studio(chances: Chances, index: int, studios: int, days: int, seed: int) -> Studio:
    """One studio; `chances` are its own.

    Signups come in the first half of the run, so that most of what happens to a studio lies within it.
    """
    # All zones are there in any twelve studios; which is first is the seed's.
    zone = ZONES[(index + seed) % len(ZONES)]
    name = f"{chances.random.choice(_KINDS)} {zone.name.rpartition('/')[2].replace('_', ' ')} {index + 1}"
    by_link = chances.happens(rates.BY_AFFILIATE)
    return Studio(
        index=index,
        name=name,
        owner=chances.random.choice(_OWNERS),
        email=f"owner{index + 1}.{seed}@studio.example",
        phone=zone.number(zone.capacity - 1 - index),
        plan="PRO" if chances.happens(rates.PRO) else "BASIC",
        zone=zone,
        day=chances.random.randrange(max(days // 2, 1)),
        hour=chances.hours(*SIGNS_UP),
        consents_after=_patience(chances),
        affiliate=chances.random.randrange(affiliate_count(studios)) if by_link else None,
        refers_self=by_link and chances.happens(rates.SELF_REFERRAL),
        happenings=_happenings(chances, days),
        seed=chances.random.randrange(2**31),
    )


def _patience(chances: Chances) -> float | None:
    chosen = chances.one_of(rates.SLOW, rates.NEVER)
    if chosen is rates.NEVER:
        return None
    return chances.hours(*(SLOW_HOURS if chosen is rates.SLOW else QUICK_HOURS))


def _happenings(chances: Chances, days: int) -> tuple[Happening, ...]:
    """What happens to a studio's payments; a cancellation is the last of it."""
    last = days * 24 / 2
    found: list[Happening] = []

    def some_time(after: float = 1.0) -> float:
        return chances.hours(after, max(last, after + 1.0))

    if chances.happens(rates.REFUNDED):
        found.append(Happening(some_time(), "refunded"))
    elif chances.happens(rates.DISPUTED):
        opened = some_time()
        won = chances.happens(rates.DISPUTE_WON)
        found += [Happening(opened, "disputed"), Happening(some_time(opened), "dispute_won" if won else "dispute_lost")]
    if chances.happens(rates.CHANGES_PLAN):
        found.append(Happening(some_time(), "plan_changed"))
    if chances.happens(rates.CARD_FAILS):
        # After all that is about the payment there is: a failing card leaves none that could be given back.
        failed = some_time(max((one.after_hours for one in found), default=0.0) + 1.0)
        found.append(Happening(failed, "card_failed"))
        if chances.happens(rates.RECOVERS):
            found.append(Happening(some_time(failed), "card_replaced"))
    if chances.happens(rates.CANCELS):
        at_once = chances.happens(rates.AT_ONCE)
        ends = some_time(max((one.after_hours for one in found), default=0.0) + 1.0)
        found.append(Happening(ends, "cancelled" if at_once else "cancelled_at_period_end"))
    return tuple(sorted(found, key=lambda one: one.after_hours))

"""How well provisioning goes, for the founder, read from schema `analytics` and from nothing else.

What belongs here: what page and API are told. What does not: making the figures, which is provisioning's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, select

from pilar.provisioning.funnel_store import ALL
from pilar.provisioning.funnel_tables import provisioning_funnel, provisioning_step_time, provisioning_wait

DAYS = 30
"""The signups of so many days, today's with them."""


@dataclass(frozen=True)
class Day:
    """The signups of a day, and how they stand; `waiting` on anybody, `stuck` until somebody acts."""

    day: date
    signups: int
    opened: int
    running: int
    waiting: int
    stuck: int
    taken_back: int


@dataclass(frozen=True)
class StepTime:
    """How long a step takes, in seconds of business time; `wait` is the part in which it waited on others."""

    step: str
    title: str
    completed: int
    waited: int
    total_p50: float | None
    total_p95: float | None
    work_p50: float | None
    work_p95: float | None
    wait_p50: float | None
    wait_p95: float | None


@dataclass(frozen=True)
class PartyWait:
    """How many studios wait on a party, by age in business time; `in_vain` are given up until somebody acts."""

    waits_on: str
    waiting: int
    in_vain: int
    under_a_day: int
    under_three_days: int
    under_a_week: int
    longer: int
    oldest_at: datetime | None


@dataclass(frozen=True)
class ProvisioningHealth:
    """How provisioning goes.

    Attributes:
        as_of: business time when the figures were made; None: never yet.
        success_rate: of the signups that have come to an end, the share that has opened; None: none has. Those that
            failed or waited in vain count as ended, until somebody has made them go on.
        whole: how long it takes from the payment to the opening; None: none of the last ninety days has opened.
    """

    as_of: datetime | None
    days: Sequence[Day]
    signups: int
    opened: int
    running: int
    waiting: int
    stuck: int
    taken_back: int
    success_rate: float | None
    whole: StepTime | None
    steps: Sequence[StepTime]
    parties: Sequence[PartyWait]


def provisioning_health(connection: Connection, now: datetime) -> ProvisioningHealth:
    """Read it.

    Args:
        connection: an analyst's or the fleet's.
        now: business time, which says which days are the last ones.
    """
    since = now.date() - timedelta(days=DAYS - 1)
    rows = connection.execute(
        select(provisioning_funnel).where(provisioning_funnel.c.day >= since).order_by(provisioning_funnel.c.day)
    ).all()
    days = [
        Day(
            row.day, row.signups, row.opened, row.running,
            row.waits_on_studio + row.waits_on_meta + row.waits_on_twilio + row.waits_on_stripe + row.waits_on_us,
            row.failed + row.expired, row.taken_back,
        )
        for row in rows
    ]  # fmt: skip
    names = list(StepTime.__dataclass_fields__)
    times = [
        StepTime(**{name: row[name] for name in names})
        for row in connection.execute(
            select(provisioning_step_time).order_by(provisioning_step_time.c.ordinal, provisioning_step_time.c.step)
        ).mappings()
    ]
    waits = connection.execute(
        select(*(provisioning_wait.c[name] for name in PartyWait.__dataclass_fields__)).order_by(
            provisioning_wait.c.waiting.desc(), provisioning_wait.c.waits_on
        )
    )
    opened, ended = sum(day.opened for day in days), sum(day.opened + day.stuck + day.taken_back for day in days)
    made = [row.refreshed_at for row in rows]
    return ProvisioningHealth(
        as_of=max(made) if made else None,
        days=days,
        signups=sum(day.signups for day in days),
        opened=opened,
        running=sum(day.running for day in days),
        waiting=sum(day.waiting for day in days),
        stuck=sum(day.stuck for day in days),
        taken_back=sum(day.taken_back for day in days),
        success_rate=opened / ended if ended else None,
        whole=next((one for one in times if one.step == ALL), None),
        steps=[one for one in times if one.step != ALL],
        parties=[PartyWait(*row) for row in waits],
    )

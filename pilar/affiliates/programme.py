"""The founder's terms for affiliates. What belongs here: what they start as, and which version is in force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from pilar.affiliates import store
from pilar.backplane import audit
from pilar.clocks import Clocks

RATE_BASIS_POINTS = 2_000
HOLD_DAYS = 30
COOKIE_DAYS = 60
REWARD_MONTHS = 12
MINIMUM_PAYOUT_MINOR = 5_000
CURRENCY = "EUR"


@dataclass(frozen=True)
class Programme:
    """One version of the terms.

    Attributes:
        version: its number; the highest is in force.
        rate_basis_points: share of each payment.
        hold_days: days before a commission can be paid out.
        cookie_days: days after a click in which a signup counts as its doing.
        reward_months: months after a signup whose payments earn commission.
        minimum_payout_minor: the least that is paid out at once, in minor units of `currency`.
        currency: ISO 4217, upper case.
    """

    version: int
    rate_basis_points: int
    hold_days: int
    cookie_days: int
    reward_months: int
    minimum_payout_minor: int
    currency: str


def in_force(connection: Connection, clocks: Clocks) -> Programme:
    """The terms for whoever joins now; the first version is made when it is asked for. Needs the fleet's scope."""
    row = store.latest_programme(connection)
    if row is None:
        store.insert_programme(
            connection,
            {
                "version": 1,
                "rate_basis_points": RATE_BASIS_POINTS,
                "hold_days": HOLD_DAYS,
                "cookie_days": COOKIE_DAYS,
                "reward_months": REWARD_MONTHS,
                "minimum_payout_minor": MINIMUM_PAYOUT_MINOR,
                "currency": CURRENCY,
                "created_at": clocks.business.now(),
                "created_by": audit.SYSTEM,
            },
        )
        return in_force(connection, clocks)
    return programme_of(row)


def programme_of(row: Row[Any]) -> Programme:
    """The terms in a row that has a programme's columns."""
    return Programme(
        version=row.version,
        rate_basis_points=row.rate_basis_points,
        hold_days=row.hold_days,
        cookie_days=row.cookie_days,
        reward_months=row.reward_months,
        minimum_payout_minor=row.minimum_payout_minor,
        currency=row.currency,
    )

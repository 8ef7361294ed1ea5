"""What an affiliate is owed for a payment. What belongs here: the arithmetic, in whole minor units; no I/O.

The rule is stated once, as a target: a commission is its rate on what the studio has paid and not got back. What has
to be posted is always the difference between the target and what stands, so that any row of partial refunds ends in
the same cents as one refund of their sum, in whatever order they are heard of.
"""

from __future__ import annotations

import calendar
from datetime import datetime

WHOLE = 10_000
"""Basis points of the whole."""


def commission_on(amount_minor: int, rate_basis_points: int) -> int:
    """The commission on an amount, rounded to the cent; a half goes to the even cent, so that halves even out.

    Args:
        amount_minor: what was paid, in minor units, not negative.
        rate_basis_points: the share, 0 to 10,000.

    Raises:
        ValueError: an argument is out of its range.
    """
    if amount_minor < 0 or not 0 <= rate_basis_points <= WHOLE:
        raise ValueError(f"there is no commission of {rate_basis_points} basis points on {amount_minor}")
    whole, rest = divmod(amount_minor * rate_basis_points, WHOLE)
    goes_up = rest * 2 > WHOLE or (rest * 2 == WHOLE and whole % 2 == 1)
    return whole + goes_up


def target(base_minor: int, refunded_minor: int, rate_basis_points: int) -> int:
    """What a commission is worth when so much of its payment has gone back.

    Args:
        base_minor: what was paid.
        refunded_minor: what has gone back since, in all; never taken for more than was paid.
        rate_basis_points: the share.
    """
    return commission_on(base_minor - min(refunded_minor, base_minor), rate_basis_points)


def to_take_back(standing_minor: int, base_minor: int, refunded_minor: int, rate_basis_points: int) -> int:
    """What to take back of a commission that stands at an amount; negative: what to give back.

    Something is given back when a refund fails after all, or a dispute is won.
    """
    return standing_minor - target(base_minor, refunded_minor, rate_basis_points)


def months_after(moment: datetime, months: int) -> datetime:
    """The same day and time so many months later; where the month has no such day, its last day."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, calendar.monthrange(year, month + 1)[1]))

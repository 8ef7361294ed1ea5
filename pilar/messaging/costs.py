"""What messages cost a studio by month, beside what its plan brings. What belongs here: making it and reading it.

What one message costs is kept with the message when its provider takes it (`attempts.py`, `rate_card.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from pilar.clocks import Clocks
from pilar.messaging import cost_store
from pilar.messaging.rate_card import as_minor
from pilar.money import Money

LOOKED_BACK = timedelta(days=2)
"""The month before is made again for so long: what was sent on its last day may be taken on the next."""


@dataclass(frozen=True)
class MonthlyCost:
    """What a studio's messages cost in a month so far, in one currency; `revenue` is its plan's price per month."""

    month: date
    messages: int
    cost: Money
    revenue: Money | None


def refresh_costs(
    connection: Connection, clocks: Clocks, studios: Sequence[UUID], *, since: datetime | None = None
) -> int:
    """Make the rows of these studios anew; return how many there are. Needs the fleet's scope.

    Args:
        connection: a transaction.
        clocks: both clocks.
        studios: whose.
        since: from the month of this business moment on; None: of two days ago.
    """
    now = clocks.business.now()
    first = (since or now - LOOKED_BACK).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return cost_store.make_months(connection, studios, first, now)


def costs_of_month(connection: Connection, workspace_id: UUID, month: date) -> list[MonthlyCost]:
    """What a studio's messages cost in the month that a day lies in, by currency."""
    return [
        MonthlyCost(
            month=row.month,
            messages=row.messages,
            cost=Money(as_minor(row.cost_micro), row.currency),
            revenue=None if row.revenue_minor is None else Money(row.revenue_minor, row.currency),
        )
        for row in cost_store.cost_of_month(connection, workspace_id, month.replace(day=1))
    ]

"""The end of the holding period, and what analysts read. What belongs here: both, for many studios at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from pilar.affiliates import analytics_store, ledger, store
from pilar.affiliates.ledger import Account, Kind, Transaction
from pilar.clocks import Clocks


@dataclass(frozen=True)
class Refreshed:
    """What one run did: commissions that became payable, and rows of studios that were written."""

    matured: int
    rows: int


def mature(connection: Connection, clocks: Clocks, studios: Sequence[UUID]) -> int:
    """Make the studios' commissions payable whose holding period is over; return how many that were.

    Again for the same studios at the same time it does nothing. Needs the fleet's scope.
    """
    now = clocks.business.now()
    store.link_studios(connection, studios)
    due = store.hold_due(connection, studios, now)
    # What is held is read once the rows are ours: a refund that was being booked meanwhile counts.
    entries = [
        Transaction(
            affiliate_id=row.affiliate_id,
            commission_id=row.id,
            kind=Kind.MATURED,
            cause=f"matured:{row.stripe_invoice_id}",
            amount_minor=int(row.amount_minor),
            currency=row.currency,
            source=Account.HELD,
            to=Account.PAYABLE,
            posted_at=now,
        )
        for row in (store.held(connection, due) if due else ())
    ]
    return ledger.post(connection, entries)


def refresh_commissions(connection: Connection, clocks: Clocks, studios: Sequence[UUID]) -> Refreshed:
    """Mature the studios' commissions, and write `analytics.workspace_commission` for them anew."""
    matured = mature(connection, clocks, studios)
    return Refreshed(matured, analytics_store.write_commissions(connection, studios, clocks.business.now()))


def refresh_balances(connection: Connection, clocks: Clocks) -> int:
    """Write `analytics.affiliate_balance` for every affiliate anew; return how many rows that were."""
    return analytics_store.write_balances(connection, clocks.business.now())

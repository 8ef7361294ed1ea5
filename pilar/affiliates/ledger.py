"""The affiliates' accounts, by double entry. What belongs here: what a transaction is, posting it, and balances.

Money of an affiliate's is positive in `held`, `payable` and `paid_out`; `programme_expense` is what the programme
has spent, as a negative amount. Nothing is ever changed or deleted: what was wrong is answered by another
transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Connection

from pilar.affiliates import store
from pilar.ids import new_id


class Account(StrEnum):
    """Where money of a programme can be."""

    PROGRAMME_EXPENSE = "programme_expense"
    HELD = "held"
    PAYABLE = "payable"
    PAID_OUT = "paid_out"


OWN = (Account.HELD, Account.PAYABLE, Account.PAID_OUT)
"""The accounts that are the affiliate's own."""


class Kind(StrEnum):
    """Why money moved."""

    EARNED = "earned"
    MATURED = "matured"
    CLAWED_BACK = "clawed_back"
    RESTORED = "restored"


@dataclass(frozen=True)
class Transaction:
    """Money that moves from one account to another.

    Attributes:
        affiliate_id: whose.
        commission_id: which commission's.
        kind: why.
        cause: names what it is posted for: the same cause is posted once.
        amount_minor: how much, positive.
        currency: ISO 4217, upper case.
        source: the account that loses it.
        to: the account that gains it.
        posted_at: business time.
    """

    affiliate_id: UUID
    commission_id: UUID
    kind: Kind
    cause: str
    amount_minor: int
    currency: str
    source: Account
    to: Account
    posted_at: datetime

    def __post_init__(self) -> None:
        if self.amount_minor <= 0:
            raise ValueError("a transaction moves an amount from one account to the other")


def post(connection: Connection, transactions: Sequence[Transaction]) -> int:
    """Post transactions, each cause once; return how many were new. Needs the fleet's scope."""
    rows = []
    for one in transactions:
        transaction_id = new_id()
        for account, amount in ((one.source, -one.amount_minor), (one.to, one.amount_minor)):
            rows.append(
                {
                    "affiliate_id": one.affiliate_id,
                    "id": new_id(),
                    "transaction_id": transaction_id,
                    "account": account.value,
                    "amount_minor": amount,
                    "currency": one.currency,
                    "commission_id": one.commission_id,
                    "kind": one.kind.value,
                    "cause": one.cause,
                    "posted_at": one.posted_at,
                }
            )
    return store.insert_entries(connection, rows) // 2


def balance(connection: Connection, affiliate_id: UUID) -> Mapping[tuple[str, Account], int]:
    """What is in each account of an affiliate, in minor units, by currency and account; empty ones are left out."""
    rows = store.balances(connection, affiliate_id)
    return {(row.currency, Account(row.account)): row.amount_minor for row in rows}

"""Balances. What belongs here: balance transactions, and what they sum up to; why money moves is not.

Each movement is one balance transaction of the platform or of a connected account, and a balance is nothing but their
sum: available is what has reached its date, pending the rest. Amounts are in minor units.
"""

from __future__ import annotations

from provider_sandbox.state import Body, Transaction
from provider_sandbox.stripe import errors, money_objects, store
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.stripe.periods import DAY

AVAILABLE = "balance.available"
"""The appointment at which a balance transaction's money becomes available."""
PAY_OUT = "account.payout"
"""The appointment at which a connected account's available balance goes to its bank."""
SETTLES_AFTER = 2 * DAY
DISPUTE_FEE = 2000


def fee_of(amount: int) -> int:
    """Stripe's fee for a card payment: 1.5 % and 25 cents, rounded half up, never more than was paid."""
    return min((amount * 15 + 500) // 1000 + 25, amount)


def book(
    desk: Desk,
    kind: str,
    source: str,
    amount: int,
    currency: str,
    *,
    fee: int = 0,
    available_on: int | None = None,
    account: str | None = None,
) -> Body:
    """Enter a movement of money.

    Args:
        desk: where and when.
        kind: its type, in Stripe's words.
        source: the object that it is about.
        amount: what comes in, or goes out where negative.
        currency: in lower case.
        fee: what Stripe keeps.
        available_on: from when it counts as available, in seconds of business time; at once where not given.
        account: whose; None: the platform's.
    """
    moment = desk.at if available_on is None else max(available_on, desk.at)
    entry = money_objects.balance_transaction(kind, amount, fee, currency, source, desk.at, moment)
    if moment <= desk.at:
        entry["status"] = "available"
    else:
        desk.plan(AVAILABLE, entry["id"], moment)
    if account and amount > 0:
        desk.plan(PAY_OUT, account, next_day(moment), or_sooner=True)
    whose = account or store.PLATFORM
    _add(desk.tx, whose, currency, entry["status"], entry["net"])
    return desk.save(entry, owner=whose, key=source)


def next_day(moment: int) -> int:
    """The beginning of the next day in UTC, which is when Stripe pays out by itself."""
    return moment - moment % DAY + DAY


def becomes_available(desk: Desk, identity: str) -> None:
    """The date of a balance transaction has come."""
    entry = desk.existing("balance_transaction", identity)
    whose = desk.tx.owner_of("stripe.balance_transaction", identity)
    _add(desk.tx, whose, entry["currency"], "pending", -entry["net"])
    _add(desk.tx, whose, entry["currency"], "available", entry["net"])
    desk.change(entry | {"status": "available"})


def available(tx: Transaction, account: str | None, currency: str) -> int:
    """What can be used now."""
    return _sums(tx, account, "available").get(currency, 0)


def pending(tx: Transaction, account: str | None) -> bool:
    """Whether anything is still to become available."""
    return any(_sums(tx, account, "pending").values())


def everything(tx: Transaction, account: str | None) -> dict[str, int]:
    """What can be used now, by currency."""
    return _sums(tx, account, "available")


def require(desk: Desk, account: str | None, currency: str, amount: int) -> None:
    """Raise `StripeError` where the available balance does not cover the amount."""
    if available(desk.tx, account, currency) < amount:
        raise errors.balance_too_low(f"the balance of {account}" if account else "your Stripe balance")


def balance(tx: Transaction, account: str | None) -> Body:
    """The balance, currency by currency."""
    ready, coming = _sums(tx, account, "available"), _sums(tx, account, "pending")
    currencies = sorted(ready.keys() | coming.keys()) or ["eur"]

    def told(sums: dict[str, int]) -> list[Body]:
        return [
            {"amount": sums.get(currency, 0), "currency": currency, "source_types": {"card": sums.get(currency, 0)}}
            for currency in currencies
        ]

    return {"object": "balance", "available": told(ready), "livemode": False, "pending": told(coming)}


def _sums(tx: Transaction, account: str | None, status: str) -> dict[str, int]:
    whose = account or store.PLATFORM
    rows = tx.run("select currency, net from balance where account = ? and status = ?", whose, status)
    return {row["currency"]: row["net"] for row in rows}


def _add(tx: Transaction, account: str, currency: str, status: str, net: int) -> None:
    # The sum is kept beside its parts: adding thousands of them up for each transfer would take longer each time.
    tx.run(
        "insert into balance (account, currency, status, net) values (?, ?, ?, ?)"
        " on conflict (account, currency, status) do update set net = net + excluded.net",
        *(account, currency, status, net),
    )

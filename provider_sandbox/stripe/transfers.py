"""Money for connected accounts. What belongs here: transfers, their reversals, balances, and payouts to banks."""

from __future__ import annotations

from provider_sandbox.state import Body
from provider_sandbox.stripe import errors, ledger, money_objects, objects, store
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.stripe.operations import Ids, Operation
from provider_sandbox.stripe.params import Params
from provider_sandbox.stripe.periods import DAY

ARRIVE = "payout.arrive"
"""The appointment at which a payout has reached its bank."""
OWN_BANK = "ba_platform"


def transfer(
    desk: Desk,
    destination: str,
    amount: int,
    currency: str,
    *,
    group: str | None = None,
    source: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Body:
    """Move money from the platform to a connected account.

    Args:
        desk: where and when.
        destination: the connected account.
        amount: in minor units.
        currency: in lower case.
        group: ties transfers together.
        source: the charge that it comes out of: it may be moved before it is available, and becomes so with it.
        metadata: the caller's.

    Raises:
        StripeError: the account may not receive it, or the available balance does not cover it.
    """
    account = desk.existing("account", destination, "destination")
    if account["capabilities"].get("transfers") != "active":
        raise errors.cannot_receive(destination)
    available_on = None
    if source:
        available_on = _left_of_charge(desk, source, amount, currency)
    else:
        ledger.require(desk, None, currency, amount)
    sent = money_objects.transfer(amount, currency, destination, group, metadata or {}, desk.at)
    out = ledger.book(desk, "transfer", sent["id"], -amount, currency, available_on=available_on)
    ledger.book(
        desk,
        "payment",
        sent["destination_payment"],
        amount,
        currency,
        available_on=available_on,
        account=destination,
    )
    sent |= {"balance_transaction": out["id"], "source_transaction": source}
    desk.save(sent, owner=destination, key=group or "")
    desk.tx.effect("stripe.transferred", group or destination)
    desk.tell("transfer.created", sent)
    return sent


def _left_of_charge(desk: Desk, charge_id: str, amount: int, currency: str) -> int:
    charge = desk.existing("charge", charge_id, "source_transaction")
    if charge["status"] != "succeeded" or charge["currency"] != currency:
        raise errors.refused(
            "source_transaction must be a paid charge in the same currency.", param="source_transaction"
        )
    [moved] = desk.tx.run(
        "select coalesce(sum(json_extract(body, '$.amount') - json_extract(body, '$.amount_reversed')), 0) from object"
        " where kind = 'stripe.transfer' and json_extract(body, '$.source_transaction') = ?",
        charge_id,
    )
    left = charge["amount"] - charge["amount_refunded"] - moved[0]
    if amount > left:
        raise errors.refused(f"{left} is left of the charge {charge_id}, less than {amount}.", param="amount")
    return int(desk.existing("balance_transaction", charge["balance_transaction"])["available_on"])


def reverse(desk: Desk, sent: Body, amount: int | None, metadata: dict[str, str] | None = None) -> Body:
    """Take money back from a connected account, all that is left of a transfer where no amount is named.

    Raises:
        StripeError: as much is not left of the transfer, or the account's available balance does not cover it.
    """
    left = sent["amount"] - sent["amount_reversed"]
    amount = left if amount is None else amount
    if not 1 <= amount <= left:
        message = f"The transfer {sent['id']} has {left} left to reverse: {amount} is not possible."
        raise errors.refused(message, param="amount")
    ledger.require(desk, sent["destination"], sent["currency"], amount)
    taken = money_objects.reversal(sent, amount, metadata or {}, desk.at)
    back = ledger.book(desk, "transfer_refund", taken["id"], amount, sent["currency"])
    pulled = taken["destination_payment_refund"]
    ledger.book(desk, "payment_refund", pulled, -amount, sent["currency"], account=sent["destination"])
    taken["balance_transaction"] = back["id"]
    desk.save(taken, owner=sent["id"])
    sent["amount_reversed"] += amount
    sent["reversed"] = sent["amount_reversed"] == sent["amount"]
    sent["reversals"]["data"].insert(0, taken)
    desk.change(sent)
    desk.tx.effect("stripe.transfer_reversed", sent["id"])
    desk.tell("transfer.reversed", sent)
    return taken


def top_up(desk: Desk, amount: int, currency: str) -> Body:
    """The platform adds money of its own, at once available."""
    return ledger.book(desk, "topup", objects.new_id("tu"), amount, currency)


def pay_out(desk: Desk, amount: int, currency: str, *, automatic: bool) -> Body:
    """Send what is available to the bank of the desk's account, or of the platform."""
    account = desk.existing("account", desk.account) if desk.account else None
    if account and not account["payouts_enabled"]:
        raise errors.payouts_off(account["id"])
    ledger.require(desk, desk.account, currency, amount)
    bank = account["external_accounts"]["data"][0]["id"] if account else OWN_BANK
    sent = money_objects.payout(amount, currency, bank, desk.at, desk.at + DAY, automatic=automatic)
    entry = ledger.book(desk, "payout", sent["id"], -amount, currency, account=desk.account)
    sent["balance_transaction"] = entry["id"]
    desk.save(sent, owner=desk.account or store.PLATFORM)
    desk.tell("payout.created", sent)
    desk.plan(ARRIVE, sent["id"], sent["arrival_date"])
    return sent


def arrive(desk: Desk, identity: str) -> None:
    """A payout has reached its bank."""
    sent = desk.existing("payout", identity)
    if sent["status"] == "in_transit":
        sent["status"] = "paid"
        desk.change(sent)
        _for_owner(desk, sent).tell("payout.paid", sent)


def fail_payout(desk: Desk, sent: Body) -> Body:
    """The bank sends a payout back: the money is in the balance again."""
    owner = _for_owner(desk, sent)
    entry = ledger.book(desk, "payout_failure", sent["id"], sent["amount"], sent["currency"], account=owner.account)
    sent |= {
        "status": "failed",
        "failure_code": "account_closed",
        "failure_message": "The bank account has been closed.",
        "failure_balance_transaction": entry["id"],
    }
    desk.cancel(ARRIVE, sent["id"])
    desk.change(sent)
    owner.tell("payout.failed", sent)
    return sent


def pay_out_daily(desk: Desk, identity: str) -> None:
    """A connected account's available balance goes to its bank, unless it asked to do that itself."""
    account = desk.existing("account", identity)
    if not account["payouts_enabled"] or account["settings"]["payouts"]["schedule"]["interval"] != "daily":
        return
    desk.account = identity
    for currency, amount in ledger.everything(desk.tx, identity).items():
        if amount > 0:
            pay_out(desk, amount, currency, automatic=True)
    if ledger.pending(desk.tx, identity):
        desk.plan(ledger.PAY_OUT, identity, ledger.next_day(desk.at))


def _for_owner(desk: Desk, sent: Body) -> Desk:
    owner = desk.tx.owner_of("stripe.payout", sent["id"])
    desk.account = None if owner == store.PLATFORM else owner
    return desk


def _create(desk: Desk, params: Params, _ids: Ids) -> Body:
    amount, currency, destination = params.amount(), params.currency(), params.required("destination")
    group, source = params.text("transfer_group"), params.text("source_transaction")
    description, metadata = params.text("description"), params.metadata()
    params.done()
    sent = transfer(desk, destination, amount, currency, group=group, source=source, metadata=metadata)
    return desk.change(sent | {"description": description})


def _reverse(desk: Desk, params: Params, ids: Ids) -> Body:
    amount, metadata = params.whole("amount"), params.metadata()
    for name in ("description", "refund_application_fee"):
        params.anything(name)
    params.done()
    return reverse(desk, desk.existing("transfer", ids["id"]), amount, metadata)


def _reversals(desk: Desk, params: Params, ids: Ids) -> Body:
    params.anything("limit")
    params.done()
    sent = desk.existing("transfer", ids["id"])
    return objects.listing(sent["reversals"]["url"], sent["reversals"]["data"])


def _reversal(desk: Desk, params: Params, ids: Ids) -> Body:
    params.done()
    taken = desk.existing("transfer_reversal", ids["reversal"])
    if taken["transfer"] != ids["id"]:
        raise errors.no_such("transfer_reversal", ids["reversal"])
    return taken


def _balance(desk: Desk, params: Params, _ids: Ids) -> Body:
    params.done()
    return ledger.balance(desk.tx, desk.account)


def _pay_out(desk: Desk, params: Params, _ids: Ids) -> Body:
    amount, currency, metadata = params.amount(), params.currency(), params.metadata()
    params.anything("description")
    params.done()
    return desk.change(pay_out(desk, amount, currency, automatic=False) | {"metadata": metadata})


OPERATIONS = (
    Operation("POST", "/v1/transfers", _create),
    Operation("GET", "/v1/transfers/{id}/reversals", _reversals),
    Operation("POST", "/v1/transfers/{id}/reversals", _reverse),
    Operation("GET", "/v1/transfers/{id}/reversals/{reversal}", _reversal),
    Operation("GET", "/v1/balance", _balance),
    Operation("POST", "/v1/payouts", _pay_out),
)

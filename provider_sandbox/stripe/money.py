"""Money goes back. What belongs here: refunds and disputes, by whomever; who plays them is `play.py`'s."""

from __future__ import annotations

from provider_sandbox.state import Body
from provider_sandbox.stripe import errors, ledger, money_objects
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.stripe.operations import Ids, Operation
from provider_sandbox.stripe.params import Params
from provider_sandbox.stripe.periods import DAY

CLOSED = frozenset({"won", "lost"})
REASONS = ("duplicate", "fraudulent", "requested_by_customer")
EVIDENCE_WITHIN = 7 * DAY


def refund(
    desk: Desk,
    charge_id: str,
    *,
    amount: int | None = None,
    reason: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Body:
    """Give money of a charge back; all that is left of it where no amount is named.

    Raises:
        StripeError: as much is not left, or the payer's bank holds it.
    """
    charge = desk.existing("charge", charge_id, "charge")
    if charge["status"] != "succeeded":
        raise errors.not_paid(charge_id)
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise errors.already_refunded(charge_id)
    free = left - _held(desk, charge_id)
    if free <= 0:
        raise errors.disputed(charge_id)
    amount = free if amount is None else amount
    if amount > free:
        raise errors.more_than_is_left(amount, free)
    before = dict(charge)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    desk.change(charge)
    gone = money_objects.refund(charge, amount, reason, metadata or {}, desk.at)
    entry = ledger.book(
        desk, "refund", gone["id"], -amount, charge["currency"], available_on=_available_on(desk, charge)
    )
    gone["balance_transaction"] = entry["id"]
    desk.save(gone, owner=charge_id, key=charge["payment_intent"])
    desk.tx.effect("stripe.refunded", charge_id)
    lane = charge["customer"] or charge_id
    desk.tell("charge.refunded", charge, before=before)
    desk.tell("refund.created", gone, lane=lane)
    return gone


def dispute(desk: Desk, charge_id: str, *, status: str, amount: int | None = None) -> Body:
    """Open a dispute about a charge, or change the state of the one there is.

    The bank takes the money at once, and a fee is due that never comes back; a dispute that is won brings the money.
    """
    charge = desk.existing("charge", charge_id, "charge")
    if charge["status"] != "succeeded":
        raise errors.not_paid(charge_id)
    known = desk.tx.find("stripe.dispute", owner=charge_id)
    lane = charge["customer"] or charge_id
    about = known[-1] if known else _opened(desk, charge, amount, lane)
    was = about["status"]
    about["status"] = status
    if status == "won" and was != "won":
        entry = ledger.book(desk, "adjustment", about["id"], about["amount"], about["currency"])
        about["balance_transactions"].append(entry)
        desk.tell("charge.dispute.funds_reinstated", about, lane=lane)
    elif was == "won" and status != "won":
        _withdraw(desk, charge, about, lane, fee=0)
    if status in CLOSED and was != status:
        desk.tell("charge.dispute.closed", about, lane=lane)
    return desk.change(about)


def _opened(desk: Desk, charge: Body, amount: int | None, lane: str) -> Body:
    left = charge["amount"] - charge["amount_refunded"]
    amount = left if amount is None else amount
    if not 1 <= amount <= left:
        raise errors.refused(f"{left} of the charge {charge['id']} can be disputed, not {amount}.", param="amount")
    about = money_objects.dispute(charge, amount, desk.at, desk.at + EVIDENCE_WITHIN)
    desk.save(about, owner=charge["id"], key=charge["payment_intent"])
    desk.change(charge | {"disputed": True})
    desk.tell("charge.dispute.created", about, lane=lane)
    _withdraw(desk, charge, about, lane, fee=ledger.DISPUTE_FEE)
    return about


def _withdraw(desk: Desk, charge: Body, about: Body, lane: str, fee: int) -> None:
    entry = ledger.book(
        desk,
        "adjustment",
        about["id"],
        -about["amount"],
        about["currency"],
        fee=fee,
        available_on=_available_on(desk, charge),
    )
    about["balance_transactions"].append(entry)
    desk.tell("charge.dispute.funds_withdrawn", about, lane=lane)


def _available_on(desk: Desk, charge: Body) -> int:
    """What goes back of a charge is taken from where its money is: from what is pending, as long as it is."""
    entry = desk.existing("balance_transaction", charge["balance_transaction"])
    return int(entry["available_on"])


def _held(desk: Desk, charge_id: str) -> int:
    disputes = desk.tx.find("stripe.dispute", owner=charge_id)
    return sum(one["amount"] for one in disputes if one["status"] != "won")


def charge_of(desk: Desk, invoice_id: str) -> str:
    """The charge that an invoice was paid with.

    Raises:
        StripeError: there is no such invoice, or it was paid without a charge.
    """
    desk.existing("invoice", invoice_id)
    for link in desk.tx.find("stripe.invoice_payment", owner=invoice_id):
        charge = desk.existing("payment_intent", link["payment"]["payment_intent"])["latest_charge"]
        if charge:
            return str(charge)
    raise errors.no_such("charge", invoice_id)


def _refund(desk: Desk, params: Params, _ids: Ids) -> Body:
    charge, intent, amount = params.text("charge"), params.text("payment_intent"), params.whole("amount")
    reason = params.choice("reason", REASONS, "requested_by_customer") if "reason" in params else None
    metadata = params.metadata()
    params.done()
    if intent:
        charge = desk.existing("payment_intent", intent, "payment_intent")["latest_charge"]
    if not charge:
        raise errors.missing("charge")
    return refund(desk, charge, amount=amount, reason=reason, metadata=metadata)


def _close_dispute(desk: Desk, params: Params, ids: Ids) -> Body:
    params.done()
    about = desk.existing("dispute", ids["id"])
    if about["status"] in CLOSED:
        raise errors.refused("This dispute is already closed.")
    return dispute(desk, about["charge"], status="lost")


OPERATIONS = (
    Operation("POST", "/v1/refunds", _refund),
    Operation("POST", "/v1/disputes/{id}/close", _close_dispute),
)

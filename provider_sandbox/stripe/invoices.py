"""Invoices. What belongs here: drawing one up, finalising, collecting, voiding; when that happens is `billing.py`'s."""

from __future__ import annotations

from provider_sandbox.state import Body
from provider_sandbox.stripe import billing_objects, errors, money_objects, payments
from provider_sandbox.stripe.desk import Desk

FINALIZE, RETRY = "invoice.finalize", "invoice.retry"
"""Appointments: a draft is finalised, a payment is tried again."""


def draw_up(desk: Desk, payer: Body, lines: list[Body], reason: str, currency: str, bought: Body | None = None) -> Body:
    """A draft, with what is pending for its payer or subscription added to the lines."""
    pending = _pending(desk, payer["id"], bought, currency)
    lines = [*lines, *(billing_objects.pending_line(one) for one in pending)]
    invoice = billing_objects.invoice(payer, currency, lines, reason, desk.at)
    if bought:
        invoice = billing_objects.of_subscription(invoice, bought)
        desk.change(bought | {"latest_invoice": invoice["id"]})
        bought["latest_invoice"] = invoice["id"]
    for one in pending:
        desk.change(one | {"invoice": invoice["id"]})
    desk.save(invoice, owner=payer["id"], key=bought["id"] if bought else "")
    desk.tell("invoice.created", invoice)
    return invoice


def finalize(desk: Desk, invoice: Body) -> Body:
    """Make a draft definite: the payer's credit is used, and what is left is to be paid."""
    if invoice["status"] != "draft":
        raise errors.not_now("The invoice", invoice["status"], "a draft", "invoice_not_editable")
    payer = desk.existing("customer", invoice["customer"])
    credit = payer["balance"]
    # A negative balance is credit: it pays for the invoice, and a negative invoice adds to it.
    due = max(invoice["total"] + min(credit, 0), 0)
    ending = credit + invoice["total"] - due
    invoice |= {"amount_due": due, "amount_remaining": due, "starting_balance": credit, "ending_balance": ending}
    if ending != credit:
        desk.change(payer | {"balance": ending})
    invoice |= {"status": "open", "number": f"PILAR-{invoice['id'][-8:].upper()}"}
    invoice["status_transitions"]["finalized_at"] = desk.at
    desk.cancel(FINALIZE, invoice["id"])
    desk.change(invoice)
    desk.tell("invoice.finalized", invoice)
    if due == 0:
        return _paid(desk, invoice)
    intent = payments.new_intent(desk, due, invoice["currency"], invoice["customer"], "Subscription")
    link = money_objects.invoice_payment(invoice, intent, desk.at)
    desk.save(link, owner=invoice["id"], key=intent["id"])
    return invoice


def collect(desk: Desk, invoice: Body, named: str | None = None) -> bool:
    """Try to have an open invoice paid, by the card that is named or the usual one.

    Returns:
        Whether it is paid now.

    Raises:
        StripeError: there is no card to try.
    """
    if invoice["status"] == "paid":
        return True
    if invoice["status"] not in ("open", "uncollectible"):
        raise errors.not_now("The invoice", invoice["status"], "open")
    method = named or usual_method(desk, invoice)
    if method is None:
        invoice |= {"attempt_count": invoice["attempt_count"] + 1, "attempted": True}
        desk.change(invoice)
        desk.tell("invoice.payment_failed", invoice)
        return False
    link, intent = payment_of(desk, invoice)
    charge = payments.attempt(desk, intent, payments.method_named(desk, method))
    invoice |= {"attempt_count": invoice["attempt_count"] + 1, "attempted": True}
    if charge["status"] == "failed":
        desk.change(invoice)
        desk.tell("invoice.payment_failed", invoice)
        return False
    link |= {"status": "paid", "amount_paid": charge["amount"]}
    link["status_transitions"]["paid_at"] = desk.at
    desk.change(link)
    _paid(desk, invoice)
    return True


def usual_method(desk: Desk, invoice: Body) -> str | None:
    """The card that an invoice is charged to: its subscription's, or its payer's."""
    if about := subscription_of(invoice):
        bought = desk.existing("subscription", about)
        if bought["default_payment_method"]:
            return str(bought["default_payment_method"])
    payer = desk.existing("customer", invoice["customer"])
    chosen = payer["invoice_settings"]["default_payment_method"]
    return str(chosen) if chosen else None


def payment_of(desk: Desk, invoice: Body) -> tuple[Body, Body]:
    """How an invoice is to be paid: the link, and the payment intent that it leads to."""
    for link in desk.tx.find("stripe.invoice_payment", owner=invoice["id"]):
        return link, desk.existing("payment_intent", link["payment"]["payment_intent"])
    raise errors.refused(f"The invoice {invoice['id']} was paid without a charge.")


def void(desk: Desk, invoice: Body) -> Body:
    """Give an invoice up as if it had never been."""
    if invoice["status"] not in ("open", "uncollectible"):
        raise errors.not_now("The invoice", invoice["status"], "open", "invoice_not_editable")
    return _closed(desk, invoice, "void", "voided_at", "invoice.voided")


def write_off(desk: Desk, invoice: Body) -> Body:
    """Give up hope that an invoice is ever paid."""
    if invoice["status"] != "open":
        raise errors.not_now("The invoice", invoice["status"], "open", "invoice_not_editable")
    return _closed(desk, invoice, "uncollectible", "marked_uncollectible_at", "invoice.marked_uncollectible")


def subscription_of(invoice: Body) -> str | None:
    """The subscription that an invoice is for."""
    parent = invoice["parent"] or {}
    details = parent.get("subscription_details") or {}
    return details.get("subscription")


def _closed(desk: Desk, invoice: Body, status: str, moment: str, kind: str) -> Body:
    invoice |= {"status": status, "next_payment_attempt": None, "auto_advance": False}
    invoice["status_transitions"][moment] = desk.at
    desk.cancel(RETRY, invoice["id"])
    desk.change(invoice)
    desk.tell(kind, invoice)
    return invoice


def _paid(desk: Desk, invoice: Body) -> Body:
    invoice |= {
        "status": "paid",
        "amount_paid": invoice["amount_due"],
        "amount_remaining": 0,
        "attempted": True,
        "auto_advance": False,
        "next_payment_attempt": None,
    }
    invoice["status_transitions"]["paid_at"] = desk.at
    desk.cancel(RETRY, invoice["id"])
    desk.change(invoice)
    desk.tell("invoice.paid", invoice)
    desk.tell("invoice.payment_succeeded", invoice)
    return invoice


def _pending(desk: Desk, customer: str, bought: Body | None, currency: str) -> list[Body]:
    found = desk.tx.find("stripe.invoiceitem", owner=customer)
    waiting = [one for one in found if one["invoice"] is None and one["currency"] == currency]
    about = bought["id"] if bought else None
    return [one for one in waiting if _subscription_of_item(one) in (None, about)]


def _subscription_of_item(pending: Body) -> str | None:
    parent = pending["parent"] or {}
    return (parent.get("subscription_details") or {}).get("subscription")

"""Stripe's objects about money that moves. What belongs here: their fields, purely.

In the current API an invoice doesn't name its charge: an invoice payment leads to the payment intent, and that to its
latest charge.
"""

from __future__ import annotations

from typing import Any

from provider_sandbox.stripe.objects import listing, new_id

Body = dict[str, Any]


def payment_intent(amount: int, currency: str, customer: str | None, description: str | None, created: int) -> Body:
    """Something that is to be paid, and has no payment method yet."""
    identity = new_id("pi")
    return {
        "id": identity,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{identity}_secret_{new_id('s').removeprefix('s_')}",
        "confirmation_method": "automatic",
        "created": created,
        "currency": currency,
        "customer": customer,
        "description": description,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "payment_method": None,
        "payment_method_types": ["card"],
        "receipt_email": None,
        "status": "requires_payment_method",
        "transfer_group": None,
    }


def charge(intent: Body, method: Body, details: Body, created: int) -> Body:
    """A charge of a card that succeeded; `details` is who pays."""
    card = method["card"]
    return {
        "id": new_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"],
        "amount_refunded": 0,
        "balance_transaction": None,
        "billing_details": details,
        "captured": True,
        "created": created,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "outcome": {
            "network_status": "approved_by_network",
            "reason": None,
            "seller_message": "Payment complete.",
            "type": "authorized",
        },
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"card": {**card, "network": card["brand"]}, "type": "card"},
        "receipt_email": None,
        "refunded": False,
        "source_transfer": None,
        "status": "succeeded",
        "transfer_group": intent["transfer_group"],
    }


def declined(taken: Body, code: str) -> Body:
    """The same charge, refused by the issuer."""
    message = "Your card was declined."
    return taken | {
        "amount_captured": 0,
        "captured": False,
        "failure_code": "card_declined",
        "failure_message": message,
        "outcome": {
            "network_status": "declined_by_network",
            "reason": code,
            "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined",
        },
        "paid": False,
        "status": "failed",
    }


def invoice_payment(invoice: Body, intent: Body, created: int) -> Body:
    """What leads from an invoice to the payment intent that is to pay it."""
    return {
        "id": new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": invoice["amount_due"],
        "created": created,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"type": "payment_intent", "payment_intent": intent["id"]},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }


def refund(charge: Body, amount: int, reason: str | None, metadata: dict[str, str], created: int) -> Body:
    """Money that went back to the payer."""
    return {
        "id": new_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": created,
        "currency": charge["currency"],
        "destination_details": {"type": "card", "card": {"type": "refund"}},
        "metadata": metadata,
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def dispute(charge: Body, amount: int, created: int, due_by: int) -> Body:
    """Money that the payer's bank took back, until it is settled whose it is."""
    return {
        "id": new_id("du"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": created,
        "currency": charge["currency"],
        "evidence": {},
        "evidence_details": {"due_by": due_by, "has_evidence": False, "past_due": False, "submission_count": 0},
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {"card": {"brand": "visa", "network_reason_code": "10.4"}, "type": "card"},
        "reason": "general",
        "status": "needs_response",
    }


def balance_transaction(
    kind: str, amount: int, fee: int, currency: str, source: str, created: int, available_on: int
) -> Body:
    """What an object did to a balance. Its status is told by the moment at which it is read."""
    fees = [
        {"amount": fee, "application": None, "currency": currency, "description": "Stripe fee", "type": "stripe_fee"}
    ]
    return {
        "id": new_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": available_on,
        "balance_type": "payments",
        "created": created,
        "currency": currency,
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": fees if fee else [],
        "net": amount - fee,
        "reporting_category": kind,
        "source": source,
        "status": "pending",
        "type": kind,
    }


def transfer(
    amount: int, currency: str, destination: str, group: str | None, metadata: dict[str, str], created: int
) -> Body:
    """Money for a connected account."""
    identity = new_id("tr")
    return {
        "id": identity,
        "object": "transfer",
        "amount": amount,
        "amount_reversed": 0,
        "balance_transaction": None,
        "created": created,
        "currency": currency,
        "description": None,
        "destination": destination,
        "destination_payment": new_id("py"),
        "livemode": False,
        "metadata": metadata,
        "reversals": listing(f"/v1/transfers/{identity}/reversals", []),
        "reversed": False,
        "source_transaction": None,
        "source_type": "card",
        "transfer_group": group,
    }


def reversal(transfer: Body, amount: int, metadata: dict[str, str], created: int) -> Body:
    """Money that a connected account gives back."""
    return {
        "id": new_id("trr"),
        "object": "transfer_reversal",
        "amount": amount,
        "balance_transaction": None,
        "created": created,
        "currency": transfer["currency"],
        "destination_payment_refund": new_id("pyr"),
        "metadata": metadata,
        "source_refund": None,
        "transfer": transfer["id"],
    }


def payout(amount: int, currency: str, destination: str, created: int, arrival: int, *, automatic: bool) -> Body:
    """Money on its way to a bank account."""
    return {
        "id": new_id("po"),
        "object": "payout",
        "amount": amount,
        "arrival_date": arrival,
        "automatic": automatic,
        "balance_transaction": None,
        "created": created,
        "currency": currency,
        "description": None,
        "destination": destination,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "reconciliation_status": "completed" if automatic else "not_applicable",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "in_transit",
        "type": "bank_account",
    }

"""Stripe's objects about money that was taken and went back. What belongs here: their fields, purely.

In the current API an invoice doesn't name its charge: an invoice payment leads to the payment intent, and that to its
latest charge.
"""

from __future__ import annotations

from typing import Any

from provider_sandbox.stripe.objects import new_id

Body = dict[str, Any]


def payment(paid: Body, created: int) -> tuple[Body, Body, Body]:
    """What comes into being when an invoice is paid by card: payment intent, charge, and payment of the invoice."""
    intent_id, charge_id = new_id("pi"), new_id("ch")
    common = {
        "amount": paid["amount_paid"],
        "created": created,
        "currency": paid["currency"],
        "customer": paid["customer"],
        "livemode": False,
        "metadata": {},
    }
    intent = {
        "id": intent_id,
        "object": "payment_intent",
        **common,
        "amount_received": paid["amount_paid"],
        "canceled_at": None,
        "capture_method": "automatic",
        "description": "Subscription",
        "latest_charge": charge_id,
        "payment_method": None,
        "payment_method_types": ["card"],
        "status": "succeeded",
    }
    charge = {
        "id": charge_id,
        "object": "charge",
        **common,
        "amount_captured": paid["amount_paid"],
        "amount_refunded": 0,
        "balance_transaction": None,
        "billing_details": {
            "address": paid["customer_address"],
            "email": paid["customer_email"],
            "name": paid["customer_name"],
            "phone": paid["customer_phone"],
        },
        "captured": True,
        "description": "Subscription",
        "disputed": False,
        "failure_code": None,
        "failure_message": None,
        "paid": True,
        "payment_intent": intent_id,
        "refunded": False,
        "status": "succeeded",
    }
    link = {
        "id": new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": paid["amount_paid"],
        "amount_requested": paid["amount_due"],
        "created": created,
        "currency": paid["currency"],
        "invoice": paid["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"type": "payment_intent", "payment_intent": intent_id},
        "status": "paid",
        "status_transitions": {"canceled_at": None, "paid_at": created},
    }
    return intent, charge, link


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
        "status": "succeeded",
    }


def dispute(charge: Body, amount: int, created: int) -> Body:
    """Money that the payer's bank took back, until it is settled whose it is."""
    return {
        "id": new_id("du"),
        "object": "dispute",
        "amount": amount,
        "charge": charge["id"],
        "created": created,
        "currency": charge["currency"],
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": "general",
        "status": "needs_response",
    }

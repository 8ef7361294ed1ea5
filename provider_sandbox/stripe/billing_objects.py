"""Stripe's objects about billing. What belongs here: fields of subscriptions, invoices and their lines, purely.

Two moves of the current API matter to whoever reads these: the period is on the subscription's item, and an invoice
names its subscription under `parent.subscription_details`.
"""

from __future__ import annotations

from typing import Any

from provider_sandbox.stripe.objects import listing, new_id

Body = dict[str, Any]


def subscription_item(subscription_id: str, price: Body, quantity: int, start: int, end: int, created: int) -> Body:
    """What is subscribed to, with its period."""
    return {
        "id": new_id("si"),
        "object": "subscription_item",
        "created": created,
        "current_period_end": end,
        "current_period_start": start,
        "discounts": [],
        "metadata": {},
        "price": price,
        "quantity": quantity,
        "subscription": subscription_id,
        "tax_rates": [],
    }


def subscription(customer: str, currency: str, metadata: dict[str, str], created: int) -> Body:
    """A subscription to nothing yet, incomplete."""
    identity = new_id("sub")
    return {
        "id": identity,
        "object": "subscription",
        "billing_cycle_anchor": created,
        "billing_mode": {"type": "flexible"},
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": created,
        "currency": currency,
        "customer": customer,
        "default_payment_method": None,
        "description": None,
        "discounts": [],
        "ended_at": None,
        "items": listing(f"/v1/subscription_items?subscription={identity}", []),
        "latest_invoice": None,
        "livemode": False,
        "metadata": metadata,
        "pause_collection": None,
        "schedule": None,
        "start_date": created,
        "status": "incomplete",
        "test_clock": None,
        "trial_end": None,
        "trial_start": None,
    }


def line(amount: int, currency: str, description: str | None, start: int, end: int) -> Body:
    """One line of an invoice, about nothing in particular; the invoice is set when it is drawn up."""
    return {
        "id": new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "description": description,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "parent": None,
        "period": {"start": start, "end": end},
        "pricing": None,
        "quantity": 1,
        "taxes": [],
    }


def item_line(bought: Body, item: Body, *, free: bool = False) -> Body:
    """The line for a subscription item's present period, which costs nothing in a trial."""
    price = item["price"]
    amount = 0 if free else price["unit_amount"] * item["quantity"]
    start, end = item["current_period_start"], item["current_period_end"]
    return line(amount, price["currency"], price["nickname"], start, end) | {
        "metadata": bought["metadata"],
        "parent": {
            "type": "subscription_item_details",
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": False,
                "subscription": bought["id"],
                "subscription_item": item["id"],
            },
        },
        "pricing": {
            "type": "price_details",
            "price_details": {"price": price["id"], "product": price["product"]},
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": item["quantity"],
    }


def invoice_item(customer: str, amount: int, currency: str, description: str | None, at: int) -> Body:
    """Something that will be on the customer's next invoice; about a subscription where the caller says so."""
    return {
        "id": new_id("ii"),
        "object": "invoiceitem",
        "amount": amount,
        "currency": currency,
        "customer": customer,
        "date": at,
        "description": description,
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "parent": None,
        "period": {"start": at, "end": at},
        "pricing": None,
        "proration": False,
        "quantity": 1,
        "tax_rates": [],
        "test_clock": None,
    }


def pending_line(pending: Body) -> Body:
    """The line for an invoice item."""
    about = (pending["parent"] or {}).get("subscription_details") or {}
    period = pending["period"]
    return line(pending["amount"], pending["currency"], pending["description"], period["start"], period["end"]) | {
        "metadata": pending["metadata"],
        "parent": {
            "type": "invoice_item_details",
            "invoice_item_details": {
                "invoice_item": pending["id"],
                "proration": pending["proration"],
                "subscription": about.get("subscription"),
            },
            "subscription_item_details": None,
        },
    }


def invoice(payer: Body, currency: str, lines: list[Body], reason: str, created: int) -> Body:
    """A draft; `reason` is Stripe's billing reason."""
    identity = new_id("in")
    total = sum(one["amount"] for one in lines)
    own = [one | {"invoice": identity} for one in lines]
    return {
        "id": identity,
        "object": "invoice",
        "account_country": "NL",
        "account_name": "PILAR",
        "amount_due": max(total, 0),
        "amount_paid": 0,
        "amount_remaining": max(total, 0),
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": created,
        "currency": currency,
        "customer": payer["id"],
        "customer_address": payer["address"],
        "customer_email": payer["email"],
        "customer_name": payer["name"],
        "customer_phone": payer["phone"],
        "default_payment_method": None,
        "description": None,
        "due_date": None,
        "ending_balance": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "lines": listing(f"/v1/invoices/{identity}/lines", own),
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "parent": None,
        "period_end": created,
        "period_start": created,
        "starting_balance": payer["balance"],
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": total,
        "total": total,
    }


def of_subscription(draft: Body, bought: Body) -> Body:
    """The same invoice, for a subscription."""
    details = {"metadata": bought["metadata"], "subscription": bought["id"]}
    return draft | {"parent": {"type": "subscription_details", "quote_details": None, "subscription_details": details}}

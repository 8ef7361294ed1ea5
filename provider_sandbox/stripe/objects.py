"""Stripe's objects as its current API shows them. What belongs here: their fields, purely; storing them does not.

Two moves of the current API matter to whoever reads these: the period is on the subscription's item, and an invoice
names its subscription under `parent.subscription_details`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

API_VERSION = "2026-10-28.endive"
CURRENCY = "eur"
PRICES = {"BASIC": ("price_pilar_basic", 4900), "PRO": ("price_pilar_pro", 9900)}
MONTH = 30 * 86400
NO_ADDRESS = {"city": None, "line1": None, "line2": None, "postal_code": None, "state": None}


@dataclass(frozen=True)
class Visitor:
    """Somebody who pays for a studio on the checkout page."""

    studio: str
    owner_name: str
    email: str
    phone: str
    country: str
    plan: str
    time_zone: str | None = None
    client_reference_id: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> dict[str, Any]:
        """The billing address: a country is all that the page asks for."""
        return {**NO_ADDRESS, "country": self.country}


def new_id(prefix: str) -> str:
    """A random identifier in Stripe's alphabet."""
    return f"{prefix}_{secrets.token_hex(12)}"


def product(plan: str, created: int) -> dict[str, Any]:
    """What a plan is sold as."""
    return {
        "id": f"prod_pilar_{plan.lower()}",
        "object": "product",
        "active": True,
        "created": created,
        "default_price": PRICES[plan][0],
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {"plan": plan},
        "name": f"PILAR {plan}",
        "type": "service",
        "updated": created,
        "url": None,
    }


def price(plan: str, created: int) -> dict[str, Any]:
    """What a plan costs each month."""
    identity, amount = PRICES[plan]
    return {
        "id": identity,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": created,
        "currency": CURRENCY,
        "livemode": False,
        "lookup_key": identity.removeprefix("price_"),
        "metadata": {},
        "nickname": plan,
        "product": f"prod_pilar_{plan.lower()}",
        "recurring": {
            "interval": "month",
            "interval_count": 1,
            "meter": None,
            "trial_period_days": None,
            "usage_type": "licensed",
        },
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "type": "recurring",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }


def customer(visitor: Visitor, created: int) -> dict[str, Any]:
    """The payer."""
    return {
        "id": new_id("cus"),
        "object": "customer",
        "address": visitor.address,
        "balance": 0,
        "created": created,
        "currency": CURRENCY,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "email": visitor.email,
        "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None},
        "livemode": False,
        "metadata": {},
        "name": visitor.owner_name,
        "phone": visitor.phone,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def subscription(visitor: Visitor, customer_id: str, plan_price: dict[str, Any], created: int) -> dict[str, Any]:
    """The monthly subscription, active; its first invoice is set by the caller."""
    identity = new_id("sub")
    item = {
        "id": new_id("si"),
        "object": "subscription_item",
        "created": created,
        "current_period_end": created + MONTH,
        "current_period_start": created,
        "discounts": [],
        "metadata": {},
        "price": plan_price,
        "quantity": 1,
        "subscription": identity,
        "tax_rates": [],
    }
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
        "currency": CURRENCY,
        "customer": customer_id,
        "default_payment_method": None,
        "description": None,
        "discounts": [],
        "ended_at": None,
        "items": listing(f"/v1/subscription_items?subscription={identity}", [item]),
        "latest_invoice": None,
        "livemode": False,
        "metadata": dict(visitor.metadata),
        "pause_collection": None,
        "schedule": None,
        "start_date": created,
        "status": "active",
        "test_clock": None,
        "trial_end": None,
        "trial_start": None,
    }


def invoice(payer: dict[str, Any], bought: dict[str, Any], created: int, reason: str) -> dict[str, Any]:
    """The paid invoice of a subscription's present month; `reason` is Stripe's billing reason."""
    identity = new_id("in")
    item = bought["items"]["data"][0]
    amount = item["price"]["unit_amount"]
    line = {
        "id": new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": CURRENCY,
        "description": item["price"]["nickname"],
        "invoice": identity,
        "livemode": False,
        "metadata": bought["metadata"],
        "parent": {
            "type": "subscription_item_details",
            "invoice_item_details": None,
            "subscription_item_details": {"subscription": bought["id"], "subscription_item": item["id"]},
        },
        "period": {"start": item["current_period_start"], "end": item["current_period_end"]},
        "pricing": {
            "type": "price_details",
            "price_details": {"price": item["price"]["id"], "product": item["price"]["product"]},
            "unit_amount_decimal": str(amount),
        },
        "quantity": 1,
    }
    return {
        "id": identity,
        "object": "invoice",
        "amount_due": amount,
        "amount_paid": amount,
        "amount_remaining": 0,
        "attempt_count": 1,
        "attempted": True,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": created,
        "currency": CURRENCY,
        "customer": bought["customer"],
        "customer_address": payer["address"],
        "customer_email": payer["email"],
        "customer_name": payer["name"],
        "customer_phone": payer["phone"],
        "lines": listing(f"/v1/invoices/{identity}/lines", [line]),
        "livemode": False,
        "metadata": {},
        "number": f"PILAR-{identity[-8:].upper()}",
        "parent": {
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": {"metadata": bought["metadata"], "subscription": bought["id"]},
        },
        "period_end": created,
        "period_start": created,
        "status": "paid",
        "status_transitions": {
            "finalized_at": created,
            "marked_uncollectible_at": None,
            "paid_at": created,
            "voided_at": None,
        },
        "subtotal": amount,
        "total": amount,
    }


def checkout_session(visitor: Visitor, bought: dict[str, Any], paid: dict[str, Any], created: int) -> dict[str, Any]:
    """The completed checkout, with what the visitor typed in."""
    zone = {"time_zone": visitor.time_zone} if visitor.time_zone else {}
    return {
        "id": new_id("cs_test"),
        "object": "checkout.session",
        "amount_subtotal": paid["total"],
        "amount_total": paid["total"],
        "client_reference_id": visitor.client_reference_id,
        "created": created,
        "currency": CURRENCY,
        "custom_fields": [
            {
                "key": "studio_name",
                "label": {"custom": "Studio name", "type": "custom"},
                "optional": False,
                "text": {
                    "default_value": None,
                    "maximum_length": None,
                    "minimum_length": None,
                    "value": visitor.studio,
                },
                "type": "text",
            }
        ],
        "customer": bought["customer"],
        "customer_creation": "always",
        "customer_details": {
            "address": visitor.address,
            "email": visitor.email,
            "name": visitor.owner_name,
            "phone": visitor.phone,
            "tax_exempt": "none",
            "tax_ids": [],
        },
        "customer_email": None,
        "expires_at": created + 86400,
        "invoice": paid["id"],
        "livemode": False,
        "locale": None,
        "metadata": {**visitor.metadata, **zone},
        "mode": "subscription",
        "payment_intent": None,
        "payment_link": None,
        "payment_method_types": ["card"],
        "payment_status": "paid",
        "phone_number_collection": {"enabled": True},
        "status": "complete",
        "subscription": bought["id"],
        "ui_mode": "hosted",
        "url": None,
    }


def event(kind: str, subject: dict[str, Any], created: int) -> dict[str, Any]:
    """Something that happened, with the object as it was at that moment."""
    return {
        "id": new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": created,
        "data": {"object": subject},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }


def listing(url: str, data: list[dict[str, Any]], *, has_more: bool = False) -> dict[str, Any]:
    """A list as every endpoint returns it."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}

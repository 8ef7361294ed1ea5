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
    trial_days: int | None = None

    @property
    def address(self) -> dict[str, Any]:
        """The billing address: a country is all that the page asks for."""
        return {**NO_ADDRESS, "country": self.country}


def new_id(prefix: str) -> str:
    """A random identifier in Stripe's alphabet."""
    return f"{prefix}_{secrets.token_hex(12)}"


def product(identity: str, name: str, created: int, metadata: dict[str, str]) -> dict[str, Any]:
    """What is sold."""
    return {
        "id": identity,
        "object": "product",
        "active": True,
        "created": created,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": metadata,
        "name": name,
        "type": "service",
        "updated": created,
        "url": None,
    }


def price(identity: str, product_id: str, amount: int, currency: str, created: int) -> dict[str, Any]:
    """What it costs, once; `recurring` is the caller's to set."""
    return {
        "id": identity,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": created,
        "currency": currency,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": product_id,
        "recurring": None,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "type": "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }


def recurring(interval: str, count: int = 1) -> dict[str, Any]:
    """How often a price is paid."""
    return {
        "interval": interval,
        "interval_count": count,
        "meter": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def customer(created: int) -> dict[str, Any]:
    """A payer of whom nothing is known yet."""
    return {
        "id": new_id("cus"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": created,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "email": None,
        "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None},
        "livemode": False,
        "metadata": {},
        "name": None,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def card(last4: str, brand: str, created: int) -> dict[str, Any]:
    """A card that was typed in; whose it is is set when it is attached."""
    return {
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {
            "address": dict(NO_ADDRESS) | {"country": None},
            "email": None,
            "name": None,
            "phone": None,
        },
        "card": {
            "brand": brand,
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
            "country": "NL",
            "exp_month": 12,
            "exp_year": 2034,
            "fingerprint": f"sandbox{last4}",
            "funding": "credit",
            "last4": last4,
        },
        "created": created,
        "customer": None,
        "livemode": False,
        "metadata": {},
        "type": "card",
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

"""Stripe as others play it. What belongs here: each side's address and how somebody comes to subscribe there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import stripe

from pilar.providers.stripe.client import StripeGateway
from pilar.settings import Settings

SERVER = Path(__file__).parent / "localstripe"
KEY = "sk_test_contract"


@dataclass(frozen=True)
class Subscribed:
    """Somebody who pays 49.00 EUR a month by a card that works."""

    customer: str
    subscription: str
    invoice: str
    charge: str
    item: str


@dataclass(frozen=True)
class Side:
    """Our client and Stripe's SDK, both pointed at somebody who plays Stripe.

    Attributes:
        deviations: where it is known to differ from Stripe: clause of the contract → how.
    """

    base: str
    gateway: StripeGateway
    sdk: stripe.StripeClient
    subscribe: Callable[[stripe.StripeClient], Subscribed]
    deviations: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def side(
    base: str,
    key: str,
    subscribe: Callable[[stripe.StripeClient], Subscribed],
    deviations: Mapping[str, str],
) -> Iterator[Side]:
    """A side at an address."""
    gateway = StripeGateway(Settings(stripe_api_key=key, stripe_api_base=base))
    sdk = stripe.StripeClient(key, base_addresses={"api": base}, max_network_retries=0)
    yield Side(base, gateway, sdk, subscribe, deviations)
    gateway.close()


def subscribe_to_price(sdk: stripe.StripeClient) -> Subscribed:
    """As the current API has it: a price, and an invoice that is paid by way of a payment intent."""
    customer = _customer(sdk)
    product = sdk.v1.products.create({"name": "Contract"})
    price = sdk.v1.prices.create(
        {"product": product.id, "unit_amount": 4900, "currency": "eur", "recurring": {"interval": "month"}}
    )
    bought = sdk.v1.subscriptions.create({"customer": customer, "items": [{"price": price.id}]})
    return _subscribed(sdk, customer, bought)


def subscribe_to_plan(sdk: stripe.StripeClient) -> Subscribed:
    """As older versions of the API had it: a plan in place of the price."""
    customer = _customer(sdk)
    product = sdk.v1.products.create({"name": "Contract"})
    plan = sdk.v1.plans.create({"product": product.id, "amount": 4900, "currency": "eur", "interval": "month"})
    bought = sdk.v1.subscriptions.create({"customer": customer, "items": [{"plan": plan.id}]})
    return _subscribed(sdk, customer, bought)


def _customer(sdk: stripe.StripeClient) -> str:
    customer = sdk.v1.customers.create({"email": "bo@studio.example", "name": "Bo"}).id
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}
    method = sdk.v1.payment_methods.create({"type": "card", "card": card}).id  # type: ignore[typeddict-item]
    sdk.v1.payment_methods.attach(method, {"customer": customer})
    sdk.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": method}})
    return customer


def _subscribed(sdk: stripe.StripeClient, customer: str, bought: stripe.Subscription) -> Subscribed:
    [charge] = sdk.v1.charges.list({"customer": customer}).data
    return Subscribed(customer, bought.id, str(bought.latest_invoice), charge.id, bought["items"].data[0].id)


LOCALSTRIPE = {
    "price": "knows plans, and no prices",
    "price_change": "knows plans, and no prices",
    "payment": "has no payments of invoices: nothing leads from an invoice to its charge",
    "over_refund": "gives more back than was paid",
    "keys": "takes no notice of idempotency keys",
    "missing_code": "names no code of what is missing",
    "key_check": "takes every key that begins with sk_",
    "cancel": "does not expand what it answers to a cancellation",
    "billing_reason": "does not say why an invoice was made",
    "checkout": "has no checkout",
    "connect": "has no connected accounts",
    "balance": "tells of no pending balance",
    "events": "keeps no events",
}
"""How localstripe 1.15.10 differs from Stripe's current API, as far as our client comes across it."""


@contextmanager
def localstripe(python: Path) -> Iterator[str]:
    """Serve localstripe by its own interpreter; its address."""
    process = subprocess.Popen(
        [str(python), str(SERVER / "serve.py")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port:
            raise RuntimeError(f"localstripe ended with {process.wait()} before it listened")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)
        if process.stdout:
            process.stdout.close()

"""The hosted checkout page, as a visitor and as Stripe's own SDK see it."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import pytest

from provider_sandbox.stripe import cards
from tests.provider_sandbox.product import Product
from tests.provider_sandbox.stripe_life import Life, refusal

SUCCESS = "http://127.0.0.1:1/paid?session={CHECKOUT_SESSION_ID}"


def opened(life: Life, **more: object) -> tuple[str, str]:
    wanted = {
        "mode": "subscription",
        "line_items": [{"price": "price_pilar_basic", "quantity": 1}],
        "success_url": SUCCESS,
        "cancel_url": "http://127.0.0.1:1/",
        "client_reference_id": "click-1",
        "custom_fields": [{"key": "studio_name", "type": "text", "label": {"type": "custom", "custom": "Studio name"}}],
        **more,
    }
    session = life.payments.v1.checkout.sessions.create(wanted)  # type: ignore[arg-type]
    assert (session.status, session.payment_status) == ("open", "unpaid")
    return session.id, str(session.url)


def test_a_visitor_pays_on_the_page_and_is_led_back(life: Life, product: Product):
    life.sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")
    identity, url = opened(life, subscription_data={"metadata": {"ref": "x"}})

    assert life.sandbox.walk_checkout(url, studio_name="Studio <Zon>") == SUCCESS.replace(
        "{CHECKOUT_SESSION_ID}", identity
    )

    session = life.payments.v1.checkout.sessions.retrieve(identity, {"expand": ["subscription", "line_items"]})
    assert (session.status, session.payment_status, session.url) == ("complete", "paid", None)
    assert session.subscription.status == "active"  # type: ignore[union-attr]
    assert session.subscription.metadata.to_dict() == {"ref": "x"}  # type: ignore[union-attr]
    assert session.custom_fields[0].text.value == "Studio <Zon>"  # type: ignore[union-attr]
    assert session.line_items is not None
    assert session.line_items.data[0].amount_total == session.amount_total == 4900
    assert session.customer_details is not None
    assert session.customer_details.email == "anna@studio.example"
    life.sandbox.wait_idle()
    told = [json.loads(request.body) for request in product.at("/hook")]
    [completed] = {json.dumps(one["data"]["object"]) for one in told if one["type"] == "checkout.session.completed"}
    assert (json.loads(completed)["id"], json.loads(completed)["client_reference_id"]) == (identity, "click-1")
    assert not [name for name in json.loads(completed) if name.startswith("sandbox")]
    again = httpx.get(url, trust_env=False)
    assert (again.status_code, "paid already" in again.text) == (410, True)


def test_a_declined_card_leaves_the_page_open_and_nobody_subscribed(life: Life):
    identity, url = opened(life)
    for card, words in (
        ("4000 0000 0000 0002", "declined"),
        ("4000000000000341", "declined"),
        ("1234", "test cards"),
    ):
        with pytest.raises(AssertionError, match=words):
            life.sandbox.walk_checkout(url, card=card, studio_name="Zon")
    with pytest.raises(AssertionError, match="Studio name is missing"):
        life.sandbox.walk_checkout(url, studio_name=" ")
    assert life.payments.v1.customers.list().data == life.payments.v1.subscriptions.list({"status": "all"}).data == []
    assert life.payments.v1.checkout.sessions.retrieve(identity).status == "open"
    life.sandbox.walk_checkout(url, studio_name="Zon")


def test_a_card_that_fails_later_begins_a_trial_and_pays_nothing(life: Life):
    _identity, url = opened(life, subscription_data={"trial_period_days": 5}, custom_fields=[])
    life.sandbox.walk_checkout(url, card="4000000000000341")
    [bought] = life.payments.v1.subscriptions.list().data
    assert bought.status == "trialing"
    life.passes(days=5, hours=1)
    assert life.subscription(bought.id).status == "past_due"


def test_a_known_customer_pays_once_with_a_card_alone(life: Life):
    product = life.payments.v1.products.create({"name": "Setup"})
    price = life.payments.v1.prices.create({"product": product.id, "unit_amount": 1500, "currency": "eur"})
    customer = life.payments.v1.customers.create({"email": "bo@studio.example"})
    identity, url = opened(
        life, mode="payment", customer=customer.id, line_items=[{"price": price.id, "quantity": 2}], custom_fields=[]
    )
    life.sandbox.walk_checkout(url)
    session = life.payments.v1.checkout.sessions.retrieve(identity, {"expand": ["payment_intent"]})
    assert (session.payment_intent.amount_received, session.customer) == (3000, customer.id)  # type: ignore[union-attr]


def test_a_session_expires_by_itself_after_a_day_or_when_told(life: Life):
    told, forgotten = opened(life)[0], opened(life)[0]
    assert life.payments.v1.checkout.sessions.expire(told).status == "expired"
    assert refusal(lambda: life.payments.v1.checkout.sessions.expire(told)).http_status == 400
    life.passes(hours=24)
    assert life.payments.v1.checkout.sessions.retrieve(forgotten).status == "expired"
    assert life.kinds().count("checkout.session.expired") == 2


def test_a_checkout_that_makes_no_sense_is_refused(life: Life):
    soon = int((life.now + timedelta(minutes=1)).timestamp())
    for more, code in (
        ({"line_items": []}, "parameter_missing"),
        ({"line_items": [{"price": "price_x"}]}, "resource_missing"),
        ({"success_url": "javascript:alert(1)"}, "url_invalid"),
        ({"expires_at": soon}, None),
        ({"colour": "red"}, "parameter_unknown"),
    ):
        assert refusal(lambda wanted=more: opened(life, **wanted)).code == code  # type: ignore[misc]


def test_only_test_cards_are_known():
    assert {cards.read("4242-4242 42424242"), cards.read("4111111111111111"), cards.read("")} == {cards.GOOD, None}

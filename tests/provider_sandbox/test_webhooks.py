"""Webhooks reach the product: signed, disordered, doubled, and never lost."""

from __future__ import annotations

import json
import socket
import threading

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from provider_sandbox.config import Retry
from provider_sandbox.stripe.desk import mixed
from provider_sandbox.testing import RunningSandbox
from tests.provider_sandbox.product import Answer, Product, Received, failing_first, running_product

KINDS = {"customer.created", "customer.subscription.created", "checkout.session.completed", "invoice.paid"}


def kinds(product: Product) -> list[str]:
    return [json.loads(request.body)["type"] for request in product.at("/hook")]


def test_the_events_of_a_signup_arrive_signed_and_some_twice(sandbox: RunningSandbox, product: Product):
    sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")
    ids = sandbox.sign_up()
    sandbox.wait_idle()

    secret = sandbox.config.stripe_webhook_secret
    events = [
        stripe.Webhook.construct_event(request.body, request.headers["stripe-signature"], secret)
        for request in product.at("/hook")
    ]
    assert [event.id for event in events] == ids["events"]
    assert {event.type for event in events} == KINDS
    assert len({event.id for event in events}) == 4 < len(events)
    with pytest.raises(stripe.SignatureVerificationError):
        request = product.at("/hook")[0]
        stripe.Webhook.construct_event(request.body + b" ", request.headers["stripe-signature"], secret)


def test_deliveries_are_counted_with_and_without_their_repetitions(sandbox: RunningSandbox, product: Product):
    def counts() -> dict[str, int]:
        return sandbox.client.get("/control/deliveries/counts").json()["stripe"]

    sandbox.sign_up()
    before = counts()
    assert before["accepted"] == before["different"] == 0 < before["pending"]
    sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")
    sandbox.wait_idle()
    sent = len(product.at("/hook"))
    assert counts() == {"accepted": sent, "different": 4, "pending": 0, "dropped": 0}


def test_an_event_tells_how_things_were_and_not_how_they_are(sandbox: RunningSandbox, product: Product):
    sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")
    sandbox.sign_up()
    sandbox.wait_idle()

    bodies = [json.loads(request.body) for request in product.at("/hook")]
    statuses = {body["data"]["object"]["status"] for body in bodies if body["type"] == "customer.subscription.created"}
    assert statuses == {"incomplete"}


def test_the_same_seed_brings_the_same_order(sandbox: RunningSandbox):
    orders = []
    for seed in (7, 7, 8):
        with running_product() as product:
            sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")
            sandbox.sign_up(seed=seed)
            sandbox.wait_idle()
            orders.append(kinds(product))

    assert orders[0] == orders[1] != orders[2]


@given(seed=st.integers())
def test_a_mixed_order_loses_nothing_and_doubles_one_or_two(seed: int):
    order = mixed([1, 2, 3, 4], seed)

    assert set(order) == {1, 2, 3, 4}
    assert len(order) in (5, 6)
    assert max(order.count(item) for item in order) == 2
    assert order == mixed([1, 2, 3, 4], seed)


def test_every_order_of_events_occurs_for_some_seed():
    firsts = {mixed([1, 2, 3, 4], seed)[0] for seed in range(50)}

    assert firsts == {1, 2, 3, 4}


def test_an_error_of_the_product_is_retried_until_it_accepts(sandbox: RunningSandbox, product: Product):
    product.respond = failing_first(3)
    sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")
    ids = sandbox.sign_up()
    sandbox.wait_idle()

    deliveries = sandbox.deliveries()
    assert all(row["delivered"] and row["last_status"] == 200 for row in deliveries)
    assert [row["event_id"] for row in deliveries] == ids["events"]
    assert sum(row["attempts"] for row in deliveries) == len(ids["events"]) + 3


def test_a_redirect_is_not_taken_for_an_acceptance(sandbox: RunningSandbox, product: Product):
    answers = iter([Answer(302, headers={"Location": "/elsewhere"})])
    product.respond = lambda _request: next(answers, Answer())
    sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")
    ids = sandbox.sign_up()
    sandbox.wait_idle()

    assert product.at("/elsewhere") == []
    assert len(product.at("/hook")) == len(ids["events"]) + 1


def test_webhooks_wait_for_a_product_that_is_down(sandbox: RunningSandbox):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    sandbox.set_targets(stripe_webhook_url=f"http://127.0.0.1:{port}/hook")
    ids = sandbox.sign_up()
    assert {row["delivered"] for row in sandbox.deliveries()} == {False}

    with running_product() as product:
        sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")
        sandbox.wait_idle()

    assert {json.loads(request.body)["id"] for request in product.at("/hook")} == set(ids["events"])


def test_webhooks_wait_while_nobody_says_where_to(sandbox: RunningSandbox, product: Product):
    sandbox.sign_up()
    with pytest.raises(AssertionError, match="still busy"):
        sandbox.wait_idle(0)

    sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")
    sandbox.wait_idle()
    assert set(kinds(product)) == KINDS


def test_one_studio_does_not_wait_for_another(sandbox: RunningSandbox, product: Product):
    stuck = sandbox.sign_up("Stuck")["customer"]
    free = sandbox.sign_up("Free")
    served = threading.Semaphore(0)

    def respond(request: Received) -> Answer:
        if stuck.encode() in request.body:
            return Answer(500)
        served.release()
        return Answer(200)

    product.respond = respond
    sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")

    assert all(served.acquire(timeout=30) for _event in free["events"])
    assert not any(row["delivered"] for row in sandbox.deliveries() if row["event_id"] not in free["events"])


def test_pauses_grow_up_to_a_cap():
    retry = Retry(first=0.25, cap=5.0)

    assert [retry.pause(attempts) for attempts in (1, 2, 3, 4, 5, 6, 1000)] == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]

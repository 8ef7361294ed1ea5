"""What a plan does to webhooks, as a product sees it come in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import stripe

from provider_sandbox.faults.mishaps import event_of
from provider_sandbox.testing import RunningSandbox, running_sandbox, sandbox_config
from tests.provider_sandbox.conftest import stripe_client
from tests.provider_sandbox.graph import Graph
from tests.provider_sandbox.product import Product, failing_first

LONG = 120.0
"""Longer than any test waits: what is to come after it must be let go by something else."""


@pytest.fixture
def hooked(sandbox: RunningSandbox, product: Product) -> RunningSandbox:
    sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")
    return sandbox


def webhook(kind: str, **changes: Any) -> dict[str, Any]:
    return {"provider": "stripe", "direction": "webhook", "kind": kind} | changes


def arrived(product: Product) -> list[str]:
    return [json.loads(request.body)["type"] for request in product.at("/hook")]


def without_faults(sandbox: RunningSandbox, product: Product) -> list[str]:
    """The order of a signup of the same seed."""
    sandbox.sign_up()
    sandbox.wait_idle()
    order = arrived(product)
    product.received.clear()
    return order


def test_a_duplicate_comes_twice_signed_and_byte_for_byte(hooked: RunningSandbox, product: Product):
    usual = without_faults(hooked, product)
    hooked.set_faults(1, [webhook("duplicate", path="invoice.paid")])
    hooked.sign_up()
    hooked.wait_idle()

    paid = [request for request in product.at("/hook") if json.loads(request.body)["type"] == "invoice.paid"]
    assert len(paid) == 2 * usual.count("invoice.paid")
    assert len({request.body for request in paid}) == 1
    for request in paid:
        stripe.Webhook.construct_event(
            request.body, request.headers["stripe-signature"], hooked.config.stripe_webhook_secret
        )
    # A copy is not copied in turn.
    assert hooked.faults()["struck"] == usual.count("invoice.paid")


def test_a_reordered_one_comes_right_after_the_next(hooked: RunningSandbox, product: Product):
    usual = without_faults(hooked, product)
    hooked.set_faults(1, [webhook("reorder", most=1, seconds=LONG)])
    hooked.sign_up()
    hooked.wait_idle()

    assert sorted(arrived(product)) == sorted(usual)
    assert arrived(product) == [usual[1], usual[0], *usual[2:]]


def test_the_last_one_is_not_held_back_for_ever(hooked: RunningSandbox, product: Product):
    hooked.set_faults(1, [webhook("reorder", seconds=0.2)])
    hooked.sign_up()
    hooked.wait_idle()

    assert hooked.faults()["struck"] == len(arrived(product))


def test_a_late_one_lets_the_others_pass_and_is_late_once(hooked: RunningSandbox, product: Product):
    usual = without_faults(hooked, product)
    first = usual[0]
    hooked.set_faults(1, [webhook("delay", path=first, most=1, seconds=1.0)])
    hooked.sign_up()
    hooked.wait_idle()

    assert arrived(product) == [*usual[1:], first]


def test_a_lost_one_never_comes_and_what_it_told_can_be_asked_for(hooked: RunningSandbox, product: Product):
    hooked.set_faults(1, [webhook("drop", path="invoice.*")])
    ids = hooked.sign_up()
    hooked.wait_idle()

    assert "invoice.paid" not in arrived(product)
    lost = [row for row in hooked.deliveries() if row["state"] == "dropped"]
    assert {row["last_error"] for row in lost} == {"fault of rule 1: drop"}
    assert {row["attempts"] for row in lost} == {1}
    assert stripe_client(hooked).v1.invoices.retrieve(ids["invoice"]).status == "paid"


def test_a_delivery_that_the_product_refuses_is_judged_once(hooked: RunningSandbox, product: Product):
    product.respond = failing_first(3)
    hooked.set_faults(1, [webhook("delay", path="customer.created", seconds=0.05)])
    hooked.sign_up()
    hooked.wait_idle()

    types = {event["id"]: event["type"] for event in hooked.objects("stripe.event")}
    rows = [row for row in hooked.deliveries() if types[row["event_id"]] == "customer.created"]
    assert sum(row["attempts"] for row in hooked.deliveries()) == len(hooked.deliveries()) + 3
    assert hooked.faults()["struck"] == len(rows)
    assert all(row["delivered"] for row in rows)


def test_the_end_of_a_plan_sends_what_it_held_back(hooked: RunningSandbox, product: Product):
    hooked.set_faults(1, [webhook("delay", seconds=LONG)])
    hooked.sign_up()
    while hooked.faults()["struck"] < 1:
        hooked.client.get("/control/health").raise_for_status()
    assert arrived(product) == []
    hooked.clear_faults()
    hooked.wait_idle()
    assert set(arrived(product)) >= {"invoice.paid", "checkout.session.completed"}


def test_what_is_held_back_and_what_is_lost_survive_a_restart(tmp_path: Path, product: Product):
    config = sandbox_config(tmp_path / "state")
    rules = [webhook("drop", path="invoice.paid"), webhook("delay", seconds=LONG)]
    with running_sandbox(config) as sandbox:
        sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")
        sandbox.set_faults(1, rules)
        sandbox.sign_up()
        deliveries = len(sandbox.deliveries())
        while (told := sandbox.faults())["struck"] < deliveries:
            sandbox.client.get("/control/health").raise_for_status()
    with running_sandbox(config) as sandbox:
        again = sandbox.faults()
        assert again["rules"] == told["rules"]
        assert arrived(product) == []
        sandbox.clear_faults()
        sandbox.wait_idle()
    assert "invoice.paid" not in arrived(product)
    assert len(arrived(product)) == again["rules"][1]["struck"]


def test_metas_statuses_are_told_from_its_messages(sandbox: RunningSandbox, product: Product, graph: Graph):
    sandbox.set_targets(meta_webhook_url=f"{product.url}/hook")
    status = {"statuses": [{"status": "read"}]}
    for value in ({"messages": [{}]}, status, {"event": "APPROVED"}):
        field = "message_template_status_update" if "event" in value else "messages"
        change = {"waba": "1", "field": field, "value": value}
        sandbox.set_faults(1, [webhook("drop", provider="meta", path="statuses.read")])
        sandbox.client.post("/control/meta/changes", json=change).raise_for_status()
        sandbox.wait_idle()

    fields = [json.loads(request.body)["entry"][0]["changes"][0] for request in product.at("/hook")]
    assert [("messages" in one["value"], one["field"]) for one in fields] == [
        (True, "messages"),
        (False, "message_template_status_update"),
    ]


@pytest.mark.parametrize(
    ("provider", "document", "event"),
    [
        ("stripe", {"type": "invoice.paid"}, "invoice.paid"),
        ("twilio", {"SmsStatus": "received"}, "sms"),
        ("twilio", {"MessageStatus": "delivered", "SmsStatus": "delivered"}, "sms.status"),
        ("meta", {"entry": [{"changes": [{"field": "messages", "value": {"messages": []}}]}]}, "messages"),
        (
            "meta",
            {
                "entry": [
                    {
                        "changes": [
                            {"field": "messages", "value": {"statuses": [{"status": s} for s in ("sent", "read")]}}
                        ]
                    }
                ]
            },
            "statuses",
        ),
        (
            "meta",
            {"entry": [{"changes": [{"field": f, "value": {}}]} for f in ("account_update", "messages")]},
            "account_update+messages",
        ),
    ],
)
def test_each_webhook_has_a_kind_of_event(provider: str, document: dict[str, Any], event: str):
    assert event_of(provider, json.dumps(document)) == event

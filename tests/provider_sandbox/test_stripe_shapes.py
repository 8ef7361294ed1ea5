"""Whatever the sandbox's Stripe answers and tells of has the fields and types of the real one's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provider_sandbox.stripe.store import RESOURCES
from tests.provider_sandbox.product import Product
from tests.provider_sandbox.stripe_life import Life, refusal
from tests.provider_sandbox.stripe_shapes import FIELDS, faults


def eventful(life: Life) -> None:
    """A life in which everything that the sandbox can do happens."""
    sandbox, v1 = life.sandbox, life.payments.v1
    first = sandbox.sign_up(trial_days=5)
    second = sandbox.sign_up("Zuid", plan="BASIC")
    third = sandbox.sign_up("West")
    sandbox.change_plan(second["subscription"], "PRO", proration="always_invoice")
    sandbox.refund(invoice=second["invoice"], amount=100)
    sandbox.dispute(invoice=third["invoice"])
    sandbox.dispute(invoice=third["invoice"], status="won")
    sandbox.fail_payments(third["subscription"])
    sandbox.cancel(first["subscription"], at_period_end=True)
    page = {"mode": "subscription", "line_items": [{"price": "price_pilar_pro"}], "success_url": "http://127.0.0.1:1/"}
    sandbox.walk_checkout(str(v1.checkout.sessions.create(page).url))  # type: ignore[arg-type]
    v1.checkout.sessions.create(page)  # type: ignore[arg-type]
    connected = v1.accounts.create({"type": "express", "country": "NL"}).id
    sandbox.complete_onboarding(connected)
    sandbox.top_up(5000)
    sent = v1.transfers.create({"destination": connected, "amount": 3000, "currency": "eur"}).id
    v1.transfers.reversals.create(sent, {"amount": 500})
    life.passes(days=60)
    refusal(lambda: v1.invoices.pay(str(life.subscription(third["subscription"]).latest_invoice)))


def test_answers_and_events_have_the_shape_of_stripes(life: Life, product: Product):
    life.sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")
    eventful(life)
    headers = {"Authorization": f"Bearer {life.sandbox.config.stripe_api_key}"}
    seen: set[str] = set()

    def read(path: str, **more: Any) -> Any:
        answer = life.sandbox.client.get(f"/stripe/v1/{path}", headers=headers | more).json()
        assert list(faults(answer, path)) == []
        return answer

    for resource in RESOURCES:
        listing = read(f"{resource.path}?limit=100" + ("&status=all" if resource.path == "subscriptions" else ""))
        for body in listing["data"]:
            seen.add(body["object"])
        if listing["data"] and resource.path != "events":
            read(f"{resource.path}/{listing['data'][0]['id']}")
    account = read("accounts")["data"][0]["id"]
    read("balance")
    for path in ("payouts", "balance_transactions"):
        seen.update(body["object"] for body in read(path, **{"Stripe-Account": account})["data"])
    session = read("checkout/sessions?status=complete")["data"][0]["id"]
    read(f"checkout/sessions/{session}?expand[]=subscription&expand[]=line_items&expand[]=customer")
    assert {resource.label for resource in RESOURCES} <= seen

    life.sandbox.wait_idle()
    told = [json.loads(request.body) for request in product.at("/hook")]
    assert [fault for event in told for fault in faults(event, event["type"])] == []
    assert {event["api_version"] for event in told} == {read("events")["data"][0]["api_version"]}
    kinds = {event["type"] for event in told}
    assert {
        *("customer.subscription.trial_will_end", "customer.subscription.deleted", "invoice.payment_failed"),
        *("charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated", "transfer.reversed", "payout.paid"),
        *("account.updated", "checkout.session.completed", "checkout.session.expired"),
    } <= kinds


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"amount": "5"}, "amount is '5'"), ({"amount": None}, "amount is null"), ({"amount": True}, "amount is True")],
)
def test_a_wrong_shape_is_seen_wherever_it_is(changes: dict, told: str):
    refund: dict[str, Any] = dict.fromkeys(("id", "balance_transaction", "charge", "currency"), "x")
    refund |= {"object": "refund", "amount": 5, "created": 1, "destination_details": {}, "metadata": {}, "status": "x"}
    refund |= dict.fromkeys(("reason", "receipt_number", "source_transfer_reversal", "transfer_reversal"))
    refund["payment_intent"] = {"object": "list", "data": [], "has_more": False, "url": "/"}
    assert list(faults([refund])) == []
    assert list(faults({"inner": [refund | changes]})) == [f".inner[0] (refund): {told}"]
    del refund["status"]
    assert list(faults(refund)) == [" (refund): status is missing"]
    assert len(FIELDS) > 20

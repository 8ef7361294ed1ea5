"""Payments, refunds and disputes as Stripe's own SDK sees them."""

from __future__ import annotations

import json

import httpx
import pytest
import stripe

from provider_sandbox.testing import RunningSandbox
from tests.provider_sandbox.product import Product


def kinds(product: Product) -> list[str]:
    return [json.loads(request.body)["type"] for request in product.at("/hook")]


def test_a_payment_leads_from_the_invoice_to_the_charge_and_back(
    sandbox: RunningSandbox, payments: stripe.StripeClient
):
    ids = sandbox.sign_up(plan="PRO", client_reference_id="click-1")
    sandbox.sign_up("Another", email="other@studio.example")

    [link] = payments.v1.invoice_payments.list({"invoice": ids["invoice"], "status": "paid"}).data
    intent = payments.v1.payment_intents.retrieve(link.payment.payment_intent, {"expand": ["latest_charge"]})
    [back] = payments.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": intent.id}}
    ).data

    assert (link.amount_paid, link.status, link.is_default) == (9900, "paid", True)
    assert (intent.status, intent.latest_charge.id) == ("succeeded", ids["charge"])
    assert (intent.latest_charge.amount, intent.latest_charge.amount_refunded) == (9900, 0)
    assert back.invoice == ids["invoice"]
    assert payments.v1.charges.list({"payment_intent": intent.id}).data[0].id == ids["charge"]
    assert payments.v1.invoice_payments.list({"invoice": ids["invoice"], "status": "open"}).data == []
    session = payments.v1.checkout.sessions.retrieve(ids["checkout_session"])
    assert session.client_reference_id == "click-1"


def test_refunds_add_up_and_no_more_goes_back_than_was_paid(sandbox: RunningSandbox, payments: stripe.StripeClient):
    charge = sandbox.sign_up(plan="BASIC")["charge"]

    payments.v1.refunds.create({"charge": charge, "amount": 1000, "metadata": {"note": "x"}})
    assert payments.v1.charges.retrieve(charge).amount_refunded == 1000
    with pytest.raises(stripe.InvalidRequestError, match="greater"):
        payments.v1.refunds.create({"charge": charge, "amount": 3901})
    intent = payments.v1.charges.retrieve(charge).payment_intent
    rest = payments.v1.refunds.create({"payment_intent": intent})

    assert rest.amount == 3900
    assert payments.v1.charges.retrieve(charge).refunded
    assert [one.amount for one in payments.v1.refunds.list({"charge": charge}).data] == [3900, 1000]
    with pytest.raises(stripe.InvalidRequestError) as nothing_left:
        payments.v1.refunds.create({"charge": charge})
    assert nothing_left.value.code == "charge_already_refunded"
    assert sandbox.effects()["stripe.refunded"] == 2


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"amount": 100}, "parameter_missing"),
        ({"charge": "ch_unknown"}, "resource_missing"),
        ({"amount": 0}, "parameter_invalid_integer"),
        ({"amount": -5}, "parameter_invalid_integer"),
        ({"instructions": "x"}, "parameter_unknown"),
    ],
)
def test_a_refund_that_makes_no_sense_is_refused(
    wanted: dict, code: str, sandbox: RunningSandbox, payments: stripe.StripeClient
):
    if "amount" in wanted and code == "parameter_invalid_integer":
        wanted = wanted | {"charge": sandbox.sign_up()["charge"]}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        payments.v1.refunds.create(wanted)  # type: ignore[arg-type]
    assert refused.value.code == code
    assert "stripe.refunded" not in sandbox.effects()


def test_a_refund_is_made_once_per_idempotency_key(sandbox: RunningSandbox, payments: stripe.StripeClient):
    charge = sandbox.sign_up()["charge"]
    once = {"idempotency_key": "refund-1"}

    first = payments.v1.refunds.create({"charge": charge, "amount": 500}, once)
    again = payments.v1.refunds.create({"charge": charge, "amount": 500}, once)

    assert (again.id, again.last_response.headers["idempotent-replayed"]) == (first.id, "true")
    assert payments.v1.charges.retrieve(charge).amount_refunded == 500
    with pytest.raises(stripe.IdempotencyError):
        payments.v1.refunds.create({"charge": charge, "amount": 600}, once)


def test_a_refund_in_the_dashboard_is_told_of_signed_and_more_than_once(
    sandbox: RunningSandbox, payments: stripe.StripeClient, product: Product
):
    ids = sandbox.sign_up()
    sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")
    sandbox.wait_idle()
    before = len(product.at("/hook"))

    gone = sandbox.refund(invoice=ids["invoice"], amount=250, seed=3)
    sandbox.wait_idle()

    told = product.at("/hook")[before:]
    events = [
        stripe.Webhook.construct_event(
            request.body, request.headers["stripe-signature"], sandbox.config.stripe_webhook_secret
        )
        for request in told
    ]
    assert [event.id for event in events] == gone["events"]
    assert {event.type for event in events} == {"charge.refunded", "refund.created"}
    assert len(events) > 2
    assert (gone["charge"], payments.v1.refunds.retrieve(gone["refund"]).amount) == (ids["charge"], 250)
    rest = sandbox.refund(subscription=ids["subscription"])
    assert rest["amount"] == 9900 - 250


def test_a_further_month_is_another_invoice_with_a_charge_of_its_own(
    sandbox: RunningSandbox, payments: stripe.StripeClient
):
    ids = sandbox.sign_up(plan="BASIC")
    end = payments.v1.subscriptions.retrieve(ids["subscription"])["items"].data[0].current_period_end

    further = sandbox.renew(ids["subscription"])

    bought = payments.v1.subscriptions.retrieve(ids["subscription"])
    invoice = payments.v1.invoices.retrieve(further["invoice"])
    assert (bought.latest_invoice, bought["items"].data[0].current_period_start) == (further["invoice"], end)
    assert (invoice.billing_reason, invoice.amount_paid) == ("subscription_cycle", 4900)
    assert further["charge"] != ids["charge"]
    assert invoice.parent.subscription_details.subscription == ids["subscription"]


def test_a_dispute_is_opened_and_settled(sandbox: RunningSandbox, payments: stripe.StripeClient, product: Product):
    sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")
    ids = sandbox.sign_up()

    opened = sandbox.dispute(invoice=ids["invoice"], amount=900)
    assert payments.v1.charges.retrieve(ids["charge"]).disputed
    assert payments.v1.disputes.list({"charge": ids["charge"]}).data[0].status == "needs_response"
    won = sandbox.dispute(invoice=ids["invoice"], status="won")

    assert (opened["dispute"], won["amount"]) == (won["dispute"], 900)
    assert payments.v1.disputes.retrieve(won["dispute"]).status == "won"
    sandbox.wait_idle()
    assert {"charge.dispute.created", "charge.dispute.closed"} <= set(kinds(product))


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("refunds", {}, 422),
        ("refunds", {"invoice": "in_x", "subscription": "sub_x"}, 422),
        ("refunds", {"invoice": "in_unknown"}, 404),
        ("disputes", {"subscription": "sub_unknown"}, 404),
        ("renew", {"subscription": "sub_unknown"}, 404),
    ],
)
def test_what_is_not_there_cannot_be_played(path: str, body: dict, status: int, sandbox: RunningSandbox):
    answer = httpx.post(f"{sandbox.base_url}/control/stripe/{path}", json=body, trust_env=False)
    assert answer.status_code == status


def test_disputed_money_is_away_until_it_is_won_and_cannot_be_refunded_meanwhile(
    sandbox: RunningSandbox, payments: stripe.StripeClient, product: Product
):
    sandbox.set_targets(stripe_webhook_url=f"{product.url}/hook")
    ids = sandbox.sign_up(plan="PRO")
    v1 = payments.v1

    def pending() -> int:
        return v1.balance.retrieve().pending[0].amount

    assert pending() == 9900 - 174
    about = sandbox.dispute(invoice=ids["invoice"])
    assert pending() == -174 - 2000
    with pytest.raises(stripe.InvalidRequestError) as held:
        v1.refunds.create({"charge": ids["charge"], "amount": 1})
    assert held.value.code == "charge_disputed"
    won = sandbox.dispute(invoice=ids["invoice"], status="won")
    assert won["dispute"] == about["dispute"]
    balance = v1.balance.retrieve()
    assert balance.available[0].amount + balance.pending[0].amount == 9900 - 174 - 2000
    assert [one.net for one in v1.disputes.retrieve(won["dispute"]).balance_transactions] == [-11900, 9900]
    v1.refunds.create({"charge": ids["charge"]})
    sandbox.wait_idle()
    assert {"charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated"} <= set(kinds(product))
    with pytest.raises(httpx.HTTPStatusError):
        sandbox.dispute(invoice=sandbox.sign_up("Another")["invoice"], amount=9901)

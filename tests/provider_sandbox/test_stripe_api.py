"""Stripe as its own SDK sees it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import stripe
from starlette.testclient import TestClient

from pilar.clocks import ManualClock
from provider_sandbox.app import create_app
from provider_sandbox.stripe.forms import decode
from provider_sandbox.testing import RunningSandbox, sandbox_config
from tests.provider_sandbox.conftest import stripe_client


def test_a_paid_signup_can_be_read_back_object_by_object(sandbox: RunningSandbox, payments: stripe.StripeClient):
    ids = sandbox.sign_up("Studio Zuid", plan="BASIC", metadata={"affiliate": "anna"})

    customer = payments.v1.customers.retrieve(ids["customer"])
    bought = payments.v1.subscriptions.retrieve(
        ids["subscription"], {"expand": ["customer", "latest_invoice", "default_payment_method"]}
    )
    session = payments.v1.checkout.sessions.retrieve(ids["checkout_session"])
    paid = payments.v1.invoices.retrieve(ids["invoice"])

    assert (customer.email, customer.address.country) == ("anna@studio.example", "NL")
    assert bought.status == "active"
    assert bought.customer.id == customer.id
    assert bought.latest_invoice.id == paid.id
    item = bought["items"].data[0]
    assert (item.price.id, item.price.unit_amount, item.price.currency) == ("price_pilar_basic", 4900, "eur")
    assert item.current_period_end > item.current_period_start
    assert paid.parent.subscription_details.subscription == bought.id
    assert (paid.status, paid.amount_paid) == ("paid", 4900)
    assert (session.mode, session.status, session.payment_status) == ("subscription", "complete", "paid")
    assert session.customer_details.phone == "+31200009999"
    assert session.custom_fields[0].key == "studio_name"
    assert session.custom_fields[0].text.value == "Studio Zuid"
    assert session.metadata.to_dict() == {"affiliate": "anna", "time_zone": "Europe/Amsterdam"}
    assert payments.v1.events.retrieve(ids["events"][0]).id == ids["events"][0]


def test_related_objects_are_found_through_lists(sandbox: RunningSandbox, payments: stripe.StripeClient):
    ids = sandbox.sign_up()
    sandbox.sign_up("Another", email="other@studio.example")

    sessions = payments.v1.checkout.sessions.list({"subscription": ids["subscription"]})
    bought = payments.v1.subscriptions.list({"customer": ids["customer"], "expand": ["data.customer"]})
    named = payments.v1.customers.list({"email": "other@studio.example"})
    items = payments.v1.checkout.sessions.line_items.list(ids["checkout_session"])

    assert [session.id for session in sessions.data] == [ids["checkout_session"]]
    assert [one.customer.id for one in bought.data] == [ids["customer"]]
    assert [one.email for one in named.data] == ["other@studio.example"]
    assert [item.price.id for item in items.data] == ["price_pilar_pro"]
    assert payments.v1.prices.retrieve("price_pilar_pro").unit_amount == 9900


def test_a_long_list_comes_in_pages_newest_first(sandbox: RunningSandbox, payments: stripe.StripeClient):
    made = [sandbox.sign_up(f"Studio {number}")["customer"] for number in range(5)]

    first = payments.v1.customers.list({"limit": 2})

    assert first.has_more
    assert [customer.id for customer in first.auto_paging_iter()] == made[::-1]


def test_a_wrong_key_is_refused(sandbox: RunningSandbox):
    with pytest.raises(stripe.AuthenticationError):
        stripe_client(sandbox, "sk_test_wrong").v1.customers.retrieve("cus_1")


def test_an_unknown_object_is_missing_and_an_unknown_parameter_is_refused(payments: stripe.StripeClient):
    with pytest.raises(stripe.InvalidRequestError) as missing:
        payments.v1.subscriptions.retrieve("sub_unknown")
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        payments.v1.subscriptions.list({"payer": "cus_1"})  # type: ignore[typeddict-unknown-key]

    assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")
    assert (unknown.value.http_status, unknown.value.code) == (400, "parameter_unknown")


def test_metadata_is_merged_and_an_empty_value_removes_it(sandbox: RunningSandbox, payments: stripe.StripeClient):
    customer = sandbox.sign_up()["customer"]

    payments.v1.customers.update(customer, {"metadata": {"workspace": "w1", "note": "x"}})
    payments.v1.customers.update(customer, {"metadata": {"note": ""}})

    assert payments.v1.customers.retrieve(customer).metadata.to_dict() == {"workspace": "w1"}


def test_an_idempotency_key_repeats_its_first_answer(sandbox: RunningSandbox, payments: stripe.StripeClient):
    customer = sandbox.sign_up()["customer"]
    once = {"idempotency_key": "link-w1"}

    payments.v1.customers.update(customer, {"metadata": {"workspace": "w1"}}, once)
    payments.v1.customers.update(customer, {"metadata": {"workspace": "w2"}})
    again = payments.v1.customers.update(customer, {"metadata": {"workspace": "w1"}}, once)

    assert again.metadata["workspace"] == "w1"
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert payments.v1.customers.retrieve(customer).metadata["workspace"] == "w2"
    with pytest.raises(stripe.IdempotencyError):
        payments.v1.customers.update(customer, {"metadata": {"workspace": "w3"}}, once)


def test_an_idempotency_key_is_forgotten_after_a_day(tmp_path: Path):
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    config = sandbox_config(tmp_path)
    headers = {"Authorization": f"Bearer {config.stripe_api_key}", "Idempotency-Key": "k"}
    path = "/stripe/v1/customers/cus_unknown"
    with TestClient(create_app(config, clock)) as client:
        answers = [client.post(path, headers=headers)]
        for hours in (23, 2):
            clock.advance(timedelta(hours=hours))
            answers.append(client.post(path, headers=headers))

    assert [answer.headers.get("idempotent-replayed") for answer in answers] == [None, "true", None]


def test_brackets_in_forms_become_structure():
    assert decode("metadata[a]=1&metadata[b]=&expand[]=x&expand[]=y&items[0][price]=p") == {
        "metadata": {"a": "1", "b": ""},
        "expand": ["x", "y"],
        "items": [{"price": "p"}],
    }


def test_customers_are_made_changed_and_deleted_with_what_they_bought(
    sandbox: RunningSandbox, payments: stripe.StripeClient
):
    v1 = payments.v1
    made = v1.customers.create({"email": "bo@studio.example", "address": {"country": "NL"}, "metadata": {"a": "1"}})
    changed = v1.customers.update(made.id, {"name": "Bo", "email": "bo2@studio.example", "address": {"city": "Ede"}})
    assert changed.address is not None
    assert (changed.name, changed.address.city, changed.address.country) == ("Bo", "Ede", "NL")
    assert [one.id for one in v1.customers.list({"email": "bo2@studio.example"}).data] == [made.id]
    assert v1.customers.list({"email": "bo@studio.example"}).data == []

    ids = sandbox.sign_up()
    v1.customers.delete(ids["customer"])
    assert v1.customers.retrieve(ids["customer"]).deleted is True
    assert v1.subscriptions.retrieve(ids["subscription"]).status == "canceled"
    assert [one.id for one in v1.customers.list().data] == [made.id]
    with pytest.raises(stripe.InvalidRequestError) as gone:
        v1.subscriptions.create({"customer": ids["customer"], "items": [{"price": "price_pilar_pro"}]})
    assert (gone.value.http_status, gone.value.code, gone.value.param) == (400, "resource_missing", "customer")


def test_a_card_is_attached_unless_its_issuer_refuses(payments: stripe.StripeClient):
    v1 = payments.v1
    customer = v1.customers.create({"email": "bo@studio.example"}).id
    with pytest.raises(stripe.CardError) as refused:
        v1.payment_methods.attach("pm_card_chargeDeclined", {"customer": customer})
    assert (refused.value.http_status, refused.value.code) == (402, "card_declined")
    kept = v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    assert [one.id for one in v1.payment_methods.list({"customer": customer}).data] == [kept.id]
    assert v1.payment_methods.detach(kept.id).customer is None
    with pytest.raises(stripe.CardError, match="test cards"):
        v1.payment_methods.create({"type": "card", "card": {"number": "4111111111111111"}})  # type: ignore[typeddict-item]


def test_an_invoice_is_drafted_made_definite_paid_voided_or_given_up(payments: stripe.StripeClient):
    v1 = payments.v1
    customer = v1.customers.create({"email": "bo@studio.example"}).id
    drafts = []
    for amount in (1500, 2500, 3500):
        v1.invoice_items.create({"customer": customer, "amount": amount, "currency": "eur", "description": "Extra"})
        drafts.append(v1.invoices.create({"customer": customer}))
    assert [(one.status, one.total, one.number) for one in drafts] == [
        ("draft", total, None) for total in (1500, 2500, 3500)
    ]
    paid, voided, lost = (v1.invoices.finalize_invoice(one.id) for one in drafts)
    assert (paid.status, paid.amount_remaining, bool(paid.number)) == ("open", 1500, True)
    with pytest.raises(stripe.InvalidRequestError, match="no default payment method"):
        v1.invoices.pay(paid.id)
    with pytest.raises(stripe.CardError):
        v1.invoices.pay(paid.id, {"payment_method": "pm_card_chargeDeclined"})
    assert v1.invoices.pay(paid.id, {"payment_method": "pm_card_visa"}).status == "paid"
    assert [charge.status for charge in v1.charges.list({"customer": customer}).data] == ["succeeded", "failed"]
    assert v1.invoices.void_invoice(voided.id).status == "void"
    assert v1.invoices.mark_uncollectible(lost.id).status == "uncollectible"
    with pytest.raises(stripe.InvalidRequestError, match="void"):
        v1.invoices.pay(voided.id, {"payment_method": "pm_card_visa"})
    assert v1.invoices.pay(lost.id, {"payment_method": "pm_card_visa"}).status == "paid"
    assert [one.id for one in v1.invoices.list({"status": "void"}).data] == [voided.id]
    assert [line.amount for line in v1.invoices.line_items.list(paid.id).data] == [1500]


def test_lists_are_narrowed_by_moment_and_status_and_refuse_a_lost_cursor(
    sandbox: RunningSandbox, payments: stripe.StripeClient
):
    ids = [sandbox.sign_up(f"Studio {number}")["subscription"] for number in range(3)]
    payments.v1.subscriptions.cancel(ids[0])
    listed = payments.v1.subscriptions.list
    assert [one.id for one in listed().data] == ids[:0:-1]
    assert [one.id for one in listed({"status": "ended"}).data] == ids[:1]
    assert len(listed({"status": "all"}).data) == 3
    created = payments.v1.subscriptions.retrieve(ids[0]).created
    assert listed({"created": {"gt": created + 3600}}).data == []
    back = listed({"status": "all", "limit": 1, "ending_before": ids[0]})
    assert ([one.id for one in back.data], back.has_more) == ([ids[1]], True)
    with pytest.raises(stripe.InvalidRequestError) as lost:
        listed({"starting_after": "sub_unknown"})
    assert (lost.value.http_status, lost.value.param) == (400, "starting_after")
    for limit in (0, 101):
        with pytest.raises(stripe.InvalidRequestError, match="between 1 and 100"):
            listed({"limit": limit})

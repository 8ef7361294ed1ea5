"""Invoices and charges as they are read from Stripe, by way of the real SDK, against a local server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from pilar.errors import Transient
from pilar.money import Money
from pilar.providers.stripe.client import StripeGateway
from pilar.settings import Settings
from tests.providers.local_http import Answer, LocalServer

PAID_AT = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def gateway(server: LocalServer, settings_at: Callable[..., Settings]) -> Iterator[StripeGateway]:
    gateway = StripeGateway(settings_at(server.base))
    yield gateway
    gateway.close()


def invoice(**changes: Any) -> Answer:
    document = {
        "id": "in_1",
        "object": "invoice",
        "status": "paid",
        "customer": "cus_1",
        "currency": "eur",
        "amount_paid": 9900,
        "billing_reason": "subscription_cycle",
        "parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}},
        "status_transitions": {"paid_at": int(PAID_AT.timestamp())},
    }
    return Answer(body=document | changes)


def charge(**changes: Any) -> dict[str, Any]:
    return {
        "id": "ch_1",
        "object": "charge",
        "currency": "eur",
        "amount": 9900,
        "amount_refunded": 0,
        "disputed": False,
        "payment_intent": "pi_1",
        "customer": "cus_1",
    } | changes


def listing(*found: dict[str, Any]) -> Answer:
    return Answer(body={"object": "list", "data": list(found), "has_more": False, "url": "/v1/any"})


def test_a_paid_invoice_is_read(gateway: StripeGateway, server: LocalServer) -> None:
    server.answers(invoice())
    found = gateway.invoice("in_1")
    assert (found.id, found.subscription_id, found.customer_id) == ("in_1", "sub_1", "cus_1")
    assert (found.amount_paid, found.paid_at) == (Money(9900, "EUR"), PAID_AT)


def test_an_invoice_of_the_older_shape_names_its_subscription_itself(
    gateway: StripeGateway, server: LocalServer
) -> None:
    server.answers(invoice(parent=None, subscription="sub_2", customer={"id": "cus_2", "object": "customer"}))
    found = gateway.invoice("in_1")
    assert (found.subscription_id, found.customer_id) == ("sub_2", "cus_2")


def test_an_invoice_that_is_not_paid_has_no_moment_of_payment(gateway: StripeGateway, server: LocalServer) -> None:
    server.answers(invoice(status="void", parent=None))
    found = gateway.invoice("in_1")
    assert (found.paid_at, found.subscription_id) == (None, None)


@pytest.mark.parametrize("changes", [{"amount_paid": None}, {"amount_paid": 99.5}, {"customer": None}, {"id": ""}])
def test_an_invoice_that_lacks_what_was_promised_is_asked_for_again(
    changes: dict[str, Any], gateway: StripeGateway, server: LocalServer
) -> None:
    server.answers(invoice(**changes))
    with pytest.raises(Transient):
        gateway.invoice("in_1")


def test_a_charge_that_was_never_disputed_is_read_in_one_call(gateway: StripeGateway, server: LocalServer) -> None:
    server.answers(Answer(body=charge(amount_refunded=4000)))
    found = gateway.charge("ch_1")
    assert (found.amount, found.amount_refunded, found.gone_back) == (
        Money(9900, "EUR"),
        Money(4000, "EUR"),
        Money(4000, "EUR"),
    )
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("statuses", "gone"),
    [
        (["needs_response"], 3000),
        (["lost"], 3000),
        (["won"], 0),
        (["warning_needs_response"], 0),
        (["won", "under_review"], 3000),
        (["lost", "lost", "lost", "lost"], 9900),
    ],
)
def test_disputed_money_is_gone_until_the_dispute_is_won(
    statuses: list[str], gone: int, gateway: StripeGateway, server: LocalServer
) -> None:
    disputes = [
        {"id": f"du_{number}", "object": "dispute", "amount": 3000, "currency": "eur", "status": status}
        for number, status in enumerate(statuses)
    ]
    server.answers(Answer(body=charge(disputed=True)), listing(*disputes))
    assert gateway.charge("ch_1").gone_back == Money(gone, "EUR")


def test_an_invoices_charge_is_found_by_way_of_its_payment(gateway: StripeGateway, server: LocalServer) -> None:
    payment = {
        "id": "inpay_1",
        "object": "invoice_payment",
        "invoice": "in_1",
        "payment": {"type": "payment_intent", "payment_intent": "pi_1"},
    }
    intent = {"id": "pi_1", "object": "payment_intent", "latest_charge": charge()}
    server.answers(listing(payment), Answer(body=intent))
    found = gateway.charge_of_invoice("in_1")
    assert found is not None
    assert found.id == "ch_1"
    assert server.requests[0].query == {"invoice": "in_1", "status": "paid", "limit": "1"}


def test_an_invoice_that_was_paid_otherwise_has_no_charge(gateway: StripeGateway, server: LocalServer) -> None:
    payment = {"id": "inpay_1", "object": "invoice_payment", "invoice": "in_1", "payment": {"type": "out_of_band"}}
    server.answers(listing(payment))
    assert gateway.charge_of_invoice("in_1") is None
    server.answers(listing())
    assert gateway.charge_of_invoice("in_1") is None

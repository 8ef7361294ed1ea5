"""What a Stripe event is a hint about."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilar.errors import Invalid
from pilar.providers.stripe.events import StripeSubject, subject_of

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
HANDLED = ["checkout.session.completed", "customer.updated", "customer.subscription.updated", "invoice.paid"]


def event(kind: str, about: Any) -> dict[str, Any]:
    return {"id": "evt_1", "object": "event", "type": kind, "data": {"object": about}}


SUBSCRIPTION = {"id": "sub_1", "object": "subscription", "customer": "cus_1"}
INVOICE = {
    "id": "in_1",
    "object": "invoice",
    "customer": "cus_1",
    "parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}},
}


@pytest.mark.parametrize(
    ("kind", "about", "subscription_id", "customer_id"),
    [
        (
            "checkout.session.completed",
            {"id": "cs_1", "object": "checkout.session", "subscription": "sub_1", "customer": "cus_1"},
            "sub_1",
            "cus_1",
        ),
        (
            "checkout.session.completed",
            {"id": "cs_1", "subscription": SUBSCRIPTION, "customer": {"id": "cus_1", "object": "customer"}},
            "sub_1",
            "cus_1",
        ),
        ("checkout.session.completed", {"id": "cs_1", "subscription": None, "customer": None}, None, None),
        ("customer.created", {"id": "cus_1", "object": "customer"}, None, "cus_1"),
        ("customer.deleted", {"id": "cus_1", "object": "customer"}, None, "cus_1"),
        ("customer.tax_id.created", {"id": "txi_1", "object": "tax_id", "customer": "cus_1"}, None, "cus_1"),
        ("customer.subscription.created", SUBSCRIPTION, "sub_1", "cus_1"),
        ("customer.subscription.deleted", SUBSCRIPTION, "sub_1", "cus_1"),
        ("invoice.paid", INVOICE, "sub_1", "cus_1"),
        ("invoice.payment_failed", {"id": "in_1", "subscription": "sub_1", "customer": "cus_1"}, "sub_1", "cus_1"),
        ("invoice.paid", {"id": "in_1", "customer": "cus_1", "parent": None}, None, "cus_1"),
        ("charge.refunded", {"id": "ch_1", "object": "charge", "customer": "cus_1"}, None, "cus_1"),
        ("charge.dispute.created", {"id": "dp_1", "object": "dispute", "charge": "ch_1"}, None, None),
        ("charge.dispute.created", {"id": "dp_1", "charge": {"id": "ch_1", "customer": "cus_1"}}, None, "cus_1"),
        ("payout.created", {"id": "po_1", "customer": "cus_1", "subscription": "sub_1"}, None, None),
    ],
)
def test_an_event_names_its_subscription_and_customer(
    kind: str, about: dict[str, Any], subscription_id: str | None, customer_id: str | None
) -> None:
    found = subject_of(event(kind, about))
    assert (found.type, found.subscription_id, found.customer_id) == (kind, subscription_id, customer_id)


@pytest.mark.parametrize(
    ("kind", "about", "invoice_id", "charge_id"),
    [
        ("invoice.paid", INVOICE, "in_1", None),
        ("charge.refunded", {"id": "ch_1", "object": "charge"}, None, "ch_1"),
        ("charge.refund.updated", {"id": "re_1", "object": "refund", "charge": "ch_1"}, None, "ch_1"),
        ("refund.failed", {"id": "re_1", "object": "refund", "charge": {"id": "ch_1"}}, None, "ch_1"),
        ("refund.created", {"id": "re_1", "object": "refund", "charge": None}, None, None),
        ("charge.dispute.created", {"id": "dp_1", "object": "dispute", "charge": "ch_1"}, None, "ch_1"),
        ("customer.subscription.created", SUBSCRIPTION, None, None),
        ("checkout.session.completed", {"id": "cs_1", "invoice": "in_1"}, None, None),
    ],
)
def test_an_event_names_its_invoice_and_charge(
    kind: str, about: dict[str, Any], invoice_id: str | None, charge_id: str | None
) -> None:
    found = subject_of(event(kind, about))
    assert found == StripeSubject("evt_1", kind, found.subscription_id, found.customer_id, invoice_id, charge_id)


@given(st.sampled_from([*HANDLED, "charge.refunded", "unheard.of"]), json_values)
def test_whatever_an_event_holds_it_is_read(kind: str, about: Any) -> None:
    assert subject_of(event(kind, about)).type == kind


@given(st.dictionaries(st.sampled_from(["id", "type", "data", "object"]), json_values))
def test_a_document_without_id_or_type_is_no_event(document: dict[str, Any]) -> None:
    named = all(isinstance(document.get(name), str) and document[name] for name in ("id", "type"))
    if named:
        assert subject_of(document).event_id == document["id"]
    else:
        with pytest.raises(Invalid):
            subject_of(document)

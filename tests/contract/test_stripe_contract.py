"""What our client expects of Stripe, clause by clause, held against everybody here who plays Stripe.

The sandbox keeps every clause. Where another side is known to differ, the clause is expected to fail there, so that
the list of deviations (`stripe_sides.py`) stays true in both directions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import stripe

from benchmarks.queue import installs
from pilar.errors import Conflict, CredentialsRefused, NotFound, PilarError
from pilar.money import Money
from pilar.providers.stripe.client import StripeGateway
from pilar.settings import Settings
from provider_sandbox.testing import running_sandbox, sandbox_config
from tests.contract.stripe_sides import (
    KEY,
    LOCALSTRIPE,
    SERVER,
    Side,
    Subscribed,
    localstripe,
    side,
    subscribe_to_plan,
    subscribe_to_price,
)

PAID = Money(4900, "EUR")


def subscription(side: Side, who: Subscribed) -> None:
    found = side.gateway.subscription(who.subscription)
    assert (found.id, found.status, found.item_id) == (who.subscription, "active", who.item)
    assert (found.customer.id, found.customer.email) == (who.customer, "bo@studio.example")
    assert found.current_period_end is not None
    assert found.current_period_end - datetime.now(UTC) > timedelta(days=27)
    assert (found.cancel_at_period_end, found.trial_end) == (False, None)


def price(side: Side, who: Subscribed) -> None:
    found = side.gateway.subscription(who.subscription)
    assert found.amount == PAID
    assert found.price_id is not None


def price_change(side: Side, who: Subscribed) -> None:
    found = side.gateway.subscription(who.subscription)
    product = side.sdk.v1.products.create({"name": "Dearer"})
    dearer = side.sdk.v1.prices.create(
        {"product": product.id, "unit_amount": 9900, "currency": "eur", "recurring": {"interval": "month"}}
    )
    changed = side.gateway.change_price(found, dearer.id, "change-1", proration="none")
    again = side.gateway.change_price(found, dearer.id, "change-1", proration="none")
    assert changed.amount == again.amount == side.gateway.subscription(who.subscription).amount == Money(9900, "EUR")


def invoice(side: Side, who: Subscribed) -> None:
    found = side.gateway.invoice(who.invoice)
    assert (found.subscription_id, found.customer_id, found.amount_paid) == (who.subscription, who.customer, PAID)
    assert found.paid_at is not None


def billing_reason(side: Side, who: Subscribed) -> None:
    assert side.gateway.invoice(who.invoice).billing_reason == "subscription_create"


def payment(side: Side, who: Subscribed) -> None:
    charge = side.gateway.charge_of_invoice(who.invoice)
    assert charge is not None
    assert (charge.id, charge.amount) == (who.charge, PAID)
    assert charge.payment_intent_id is not None
    assert side.gateway.invoice_of_payment(charge.payment_intent_id) == who.invoice


def refund(side: Side, who: Subscribed) -> None:
    assert side.gateway.charge(who.charge).gone_back == Money(0, "EUR")
    side.sdk.v1.refunds.create({"charge": who.charge, "amount": 1000})
    assert side.gateway.charge(who.charge).gone_back == Money(1000, "EUR")


def over_refund(side: Side, who: Subscribed) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        side.sdk.v1.refunds.create({"charge": who.charge, "amount": 4901})


def note(side: Side, who: Subscribed) -> None:
    side.gateway.name_workspace(who.customer, "w-1", f"name-{who.customer}")
    assert side.gateway.subscription(who.subscription).customer.metadata["pilar_workspace"] == "w-1"


def keys(side: Side, who: Subscribed) -> None:
    side.gateway.name_workspace(who.customer, "w-1", f"name-{who.customer}")
    with pytest.raises(Conflict):
        side.gateway.name_workspace(who.customer, "w-2", f"name-{who.customer}")


def missing(side: Side, _who: Subscribed) -> None:
    for ask in (side.gateway.subscription, side.gateway.invoice, side.gateway.charge):
        with pytest.raises(NotFound):
            ask("sub_unknown")


def missing_code(side: Side, _who: Subscribed) -> None:
    with pytest.raises(NotFound) as refused:
        side.gateway.subscription("sub_unknown")
    assert refused.value.details["provider_code"] == "resource_missing"


def key_check(side: Side, who: Subscribed) -> None:
    stranger = StripeGateway(Settings(stripe_api_key="sk_test_stranger", stripe_api_base=side.base))
    try:
        with pytest.raises(CredentialsRefused):
            stranger.subscription(who.subscription)
    finally:
        stranger.close()


def end_with_period(side: Side, who: Subscribed) -> None:
    assert side.gateway.end_with_period(who.subscription, "end-1").cancel_at_period_end is True
    assert side.gateway.end_with_period(who.subscription, "end-2", ends=False).cancel_at_period_end is False
    assert side.gateway.subscription(who.subscription).status == "active"


def cancel(side: Side, who: Subscribed) -> None:
    assert side.gateway.cancel_subscription(who.subscription).status == "canceled"
    with pytest.raises(NotFound):
        side.gateway.cancel_subscription(who.subscription)
    assert side.gateway.subscription(who.subscription).status == "canceled"


def checkout(side: Side, who: Subscribed) -> None:
    assert side.gateway.checkout_of(who.subscription) is None


def connect(side: Side, _who: Subscribed) -> None:
    connect = side.gateway.connect
    begun = datetime.now(UTC) - timedelta(minutes=1)
    assert connect.find_account("a-1", begun) is None
    made = connect.create_account("a-1", "bo@affiliate.example", "NL", "account-1")
    assert connect.create_account("a-1", "bo@affiliate.example", "NL", "account-1") == made
    assert connect.account(made.id) == connect.find_account("a-1", begun) == made
    assert (made.can_receive, made.payouts_enabled, made.details_submitted) == (False, False, False)
    assert "external_account" in made.due
    page = connect.onboarding_link(made.id, return_url="http://127.0.0.1:1/a", refresh_url="http://127.0.0.1:1/b")
    assert page.expires_at > datetime.now(UTC)
    with pytest.raises(Conflict):
        connect.transfer(made.id, Money(100, "EUR"), "transfer-1", group="p-1")
    assert connect.transfers_in("p-1") == []


def balance(side: Side, _who: Subscribed) -> None:
    found = side.gateway.connect.balance()
    assert [money.currency for money in found.pending] == ["EUR"]
    assert found.pending[0].minor > 0
    assert found.available == (Money(0, "EUR"),)


def events(side: Side, who: Subscribed) -> None:
    told = side.sdk.v1.events.list({"type": "invoice.paid", "limit": 100}).data
    assert who.invoice in [event.data.object["id"] for event in told]


Clause = Callable[[Side, Subscribed], None]
CLAUSES: tuple[Clause, ...] = (
    *(subscription, price, price_change, invoice, billing_reason, payment, refund, over_refund, note, keys),
    *(missing, missing_code, key_check, end_with_period, cancel, checkout, connect, balance, events),
)


@pytest.fixture(scope="module")
def sandbox_side(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    config = sandbox_config(tmp_path_factory.mktemp("sandbox"), stripe_api_key=KEY)
    with running_sandbox(config) as sandbox, side(f"{sandbox.base_url}/stripe", KEY, subscribe_to_price, {}) as one:
        yield one


@pytest.fixture(scope="module")
def localstripe_side(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    try:
        python = installs.python_with(
            tmp_path_factory.mktemp("localstripe"), "localstripe", SERVER / "requirements.txt"
        )
    except installs.NotAvailable as reason:
        pytest.skip(f"localstripe is not to be had here: {reason}")
    with localstripe(python) as base, side(base, KEY, subscribe_to_plan, LOCALSTRIPE) as one:
        yield one


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.__name__)
def test_the_sandbox_keeps_the_contract(clause: Clause, sandbox_side: Side) -> None:
    clause(sandbox_side, sandbox_side.subscribe(sandbox_side.sdk))


@pytest.mark.slow
@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.__name__)
def test_localstripe_keeps_the_contract_but_for_what_is_listed(clause: Clause, localstripe_side: Side) -> None:
    who = localstripe_side.subscribe(localstripe_side.sdk)
    if clause.__name__ not in localstripe_side.deviations:
        clause(localstripe_side, who)
        return
    with pytest.raises((AssertionError, PilarError, stripe.StripeError, pytest.fail.Exception)):
        clause(localstripe_side, who)


def test_every_deviation_is_a_clause() -> None:
    assert set(LOCALSTRIPE) <= {clause.__name__ for clause in CLAUSES}

"""What we ask of Stripe for those whom we pay, by way of the real SDK, against a local server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from pilar.errors import Conflict, InsufficientFunds, Invalid, NotFound, OutcomeUnknown, PilarError, Transient
from pilar.money import Money
from pilar.providers.stripe.client import StripeGateway
from pilar.providers.stripe.connect import StripeAccount, StripeReversal, StripeTransfer
from pilar.settings import Settings
from tests.providers.local_http import Answer, LocalServer, Misbehaviour
from tests.providers.test_stripe_client import subscription

MOMENT = datetime(2026, 5, 1, tzinfo=UTC)
TEN = Money(1000, "EUR")


@pytest.fixture
def gateway(server: LocalServer, settings_at: Callable[..., Settings]) -> Iterator[StripeGateway]:
    gateway = StripeGateway(settings_at(server.base))
    yield gateway
    gateway.close()


def account(**changes: Any) -> dict[str, Any]:
    return {
        "id": "acct_1",
        "object": "account",
        "email": "bo@affiliate.example",
        "details_submitted": True,
        "payouts_enabled": False,
        "capabilities": {"transfers": "active"},
        "requirements": {"currently_due": ["individual.id_number"], "disabled_reason": "requirements.past_due"},
        "metadata": {"pilar_affiliate": "a-1"},
    } | changes


def transfer(**changes: Any) -> dict[str, Any]:
    return {
        "id": "tr_1",
        "object": "transfer",
        "amount": 1000,
        "amount_reversed": 250,
        "currency": "eur",
        "created": int(MOMENT.timestamp()),
        "destination": "acct_1",
        "transfer_group": "payout-1",
        "metadata": {"payout": "1"},
    } | changes


def listing(*found: dict[str, Any], more: bool = False) -> Answer:
    return Answer(body={"object": "list", "data": list(found), "has_more": more, "url": "/v1/any"})


def refusal(status: int, **fields: Any) -> Answer:
    return Answer(status, {"error": {"message": "no", "type": "invalid_request_error"} | fields})


def test_an_account_is_made_once_for_somebody_and_read(gateway: StripeGateway, server: LocalServer) -> None:
    server.answers(Answer(body=account()))
    made = gateway.connect.create_account("a-1", "bo@affiliate.example", "NL", "account-a-1")
    assert made == StripeAccount(
        id="acct_1",
        affiliate="a-1",
        email="bo@affiliate.example",
        details_submitted=True,
        can_receive=True,
        payouts_enabled=False,
        due=("individual.id_number",),
        disabled_reason="requirements.past_due",
    )
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/accounts")
    assert request.headers["idempotency-key"] == "account-a-1"
    assert request.form["capabilities[transfers][requested]"] == "true"
    assert request.form["metadata[pilar_affiliate]"] == "a-1"


def test_an_account_that_tells_little_can_do_nothing(gateway: StripeGateway, server: LocalServer) -> None:
    server.answers(Answer(body={"id": "acct_1", "object": "account", "requirements": {"currently_due": "x"}}))
    found = gateway.connect.account("acct_1")
    assert (found.can_receive, found.payouts_enabled, found.due, found.affiliate) == (False, False, (), None)


def test_an_account_whose_answer_was_lost_is_looked_for_page_by_page(
    gateway: StripeGateway, server: LocalServer
) -> None:
    other = {"pilar_affiliate": "a-2"}
    server.answers(
        listing(account(id="acct_4", metadata=other), account(id="acct_3"), more=True),
        listing(account(id="acct_2"), account(id="acct_1", metadata=other)),
    )
    found = gateway.connect.find_account("a-1", MOMENT)
    assert found is not None
    assert found.id == "acct_2"
    first, second = server.requests
    assert first.query == {"created[gte]": str(int(MOMENT.timestamp())), "limit": "100"}
    assert second.query["starting_after"] == "acct_3"
    server.answers(listing())
    assert gateway.connect.find_account("a-1", MOMENT) is None


def test_a_link_is_for_a_few_minutes(gateway: StripeGateway, server: LocalServer) -> None:
    told = {"object": "account_link", "url": "https://connect.example/x", "expires_at": int(MOMENT.timestamp())}
    server.answers(Answer(body=told))
    link = gateway.connect.onboarding_link("acct_1", return_url="https://a.example", refresh_url="https://b.example")
    assert (link.url, link.expires_at) == ("https://connect.example/x", MOMENT)
    assert server.requests[0].form["type"] == "account_onboarding"
    for answer in (Answer(body={"object": "account_link", "url": "x"}), Misbehaviour.RESET):
        server.answers(answer)
        with pytest.raises(Transient) as caught:
            gateway.connect.onboarding_link("acct_1", return_url="https://a.example", refresh_url="https://b.example")
        # Another link can be had at any time: nothing has to be settled first.
        assert type(caught.value) is Transient


def test_a_transfer_carries_its_key_its_name_and_what_it_comes_out_of(
    gateway: StripeGateway, server: LocalServer
) -> None:
    server.answers(Answer(body=transfer()), Answer(body=transfer(destination={"id": "acct_1", "object": "account"})))
    sent = gateway.connect.transfer("acct_1", TEN, "p-1", group="payout-1", metadata={"payout": "1"}, charge_id="ch_1")
    assert (
        sent
        == StripeTransfer("tr_1", "acct_1", TEN, Money(250, "EUR"), "payout-1", MOMENT, {"payout": "1"})
        == gateway.connect.sent("tr_1")
    )
    request = server.requests[0]
    assert request.headers["idempotency-key"] == "p-1"
    assert request.form == {
        "destination": "acct_1",
        "amount": "1000",
        "currency": "eur",
        "transfer_group": "payout-1",
        "metadata[payout]": "1",
        "source_transaction": "ch_1",
    }
    server.answers(Answer(body=transfer()))
    gateway.connect.transfer("acct_1", TEN, "p-2", group="payout-1")
    assert "source_transaction" not in server.requests[2].form


def test_transfers_and_reversals_are_found_by_what_they_hang_on(gateway: StripeGateway, server: LocalServer) -> None:
    taken = {"id": "trr_1", "object": "transfer_reversal", "amount": 250, "currency": "eur", "transfer": "tr_1"}
    server.answers(listing(transfer()), Answer(body=taken), listing(taken))
    assert [one.id for one in gateway.connect.transfers_in("payout-1")] == ["tr_1"]
    expected = StripeReversal("trr_1", "tr_1", Money(250, "EUR"), {})
    assert gateway.connect.reverse("tr_1", Money(250, "EUR"), "c-1") == expected
    assert gateway.connect.reversals_of("tr_1") == [expected]
    asked = [(request.method, request.path) for request in server.requests]
    assert asked == [("GET", "/v1/transfers"), *((verb, "/v1/transfers/tr_1/reversals") for verb in ("POST", "GET"))]
    assert server.requests[0].query["transfer_group"] == "payout-1"
    assert server.requests[1].headers["idempotency-key"] == "c-1"


def test_a_balance_is_ours_or_an_accounts(gateway: StripeGateway, server: LocalServer) -> None:
    told = {
        "object": "balance",
        "available": [{"amount": 1000, "currency": "eur"}, {"amount": -5, "currency": "usd"}],
        "pending": [{"amount": 0, "currency": "eur"}],
    }
    server.answers(Answer(body=told), Answer(body=told))
    ours = gateway.connect.balance()
    assert (ours.available, ours.pending) == ((TEN, Money(-5, "USD")), (Money(0, "EUR"),))
    gateway.connect.balance("acct_1")
    assert [request.headers.get("stripe-account") for request in server.requests] == [None, "acct_1"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refusal(400, code="balance_insufficient"), InsufficientFunds),
        (refusal(400, code="insufficient_capabilities_for_transfer"), Conflict),
        (refusal(400, code="resource_missing", param="destination"), NotFound),
        (refusal(400, type="idempotency_error"), Conflict),
        (refusal(500, type="api_error"), OutcomeUnknown),
        (Answer(body=transfer(amount=None)), OutcomeUnknown),
        (Answer(body=transfer(destination=None)), OutcomeUnknown),
        (Misbehaviour.HALF, OutcomeUnknown),
    ],
)
def test_each_way_in_which_a_transfer_fails_is_told_apart(
    gateway: StripeGateway, server: LocalServer, answer: Answer | Misbehaviour, expected: type[PilarError]
) -> None:
    server.answers(answer)
    with pytest.raises(PilarError) as caught:
        gateway.connect.transfer("acct_1", TEN, "p-1", group="payout-1")
    assert type(caught.value) is expected
    assert len(server.requests) == 1


def test_a_subscription_is_changed_and_ended_by_name(gateway: StripeGateway, server: LocalServer) -> None:
    server.answers(*(Answer(body=subscription()) for _ in range(5)))
    found = gateway.subscription("sub_1")
    assert gateway.change_price(found, "price_pro", "change-1", proration="always_invoice") == found
    gateway.end_with_period("sub_1", "end-1")
    gateway.end_with_period("sub_1", "end-2", ends=False)
    gateway.cancel_subscription("sub_1")
    _read, change, end, keep, cancel = server.requests
    assert change.form == {
        "items[0][id]": "si_1",
        "items[0][price]": "price_pro",
        "proration_behavior": "always_invoice",
        "expand[0]": "customer",
    }
    assert [one.form["cancel_at_period_end"] for one in (end, keep)] == ["true", "false"]
    assert [one.headers["idempotency-key"] for one in (change, end, keep)] == ["change-1", "end-1", "end-2"]
    assert (cancel.method, cancel.path) == ("DELETE", "/v1/subscriptions/sub_1")
    assert found.item_id == "si_1"


def test_a_subscription_without_an_item_cannot_be_changed(gateway: StripeGateway, server: LocalServer) -> None:
    bare = subscription()
    bare["items"]["data"] = []
    server.answers(Answer(body=bare))
    found = gateway.subscription("sub_1")
    with pytest.raises(Invalid, match="sub_1"):
        gateway.change_price(found, "price_pro", "change-1", proration="none")
    assert len(server.requests) == 1

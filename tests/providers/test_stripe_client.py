"""The Stripe gateway, by way of the real SDK, against a local server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pilar.errors import (
    Conflict,
    CredentialsRefused,
    NotConfigured,
    NotFound,
    OutcomeUnknown,
    Permanent,
    PilarError,
    Transient,
)
from pilar.money import Money
from pilar.providers.stripe.client import StripeCheckout, StripeCustomer, StripeGateway
from pilar.settings import Settings
from tests.providers.local_http import Answer, LocalServer, Misbehaviour, refusing_port

PERIOD_END = datetime(2026, 6, 1, tzinfo=UTC)
TRIAL_END = datetime(2026, 5, 15, tzinfo=UTC)


@pytest.fixture
def gateway(server: LocalServer, settings_at: Callable[..., Settings]) -> Iterator[StripeGateway]:
    gateway = StripeGateway(settings_at(server.base))
    yield gateway
    gateway.close()


def customer(**changes: Any) -> dict[str, Any]:
    return {
        "id": "cus_1",
        "object": "customer",
        "email": "owner@studio.example",
        "name": "Owner",
        "phone": None,
        "address": {"country": "NL", "city": None},
        "metadata": {"pilar_workspace": "w-1"},
    } | changes


def subscription(**changes: Any) -> dict[str, Any]:
    item = {
        "id": "si_1",
        "object": "subscription_item",
        "quantity": 2,
        "current_period_end": int(PERIOD_END.timestamp()),
        "price": {"id": "price_basic", "object": "price", "currency": "eur", "unit_amount": 4900},
    }
    return {
        "id": "sub_1",
        "object": "subscription",
        "status": "trialing",
        "customer": customer(),
        "items": {"object": "list", "data": [item], "has_more": False, "url": "/v1/subscription_items"},
        "trial_end": int(TRIAL_END.timestamp()),
        "cancel_at_period_end": True,
        "metadata": {"ref": "ab12"},
    } | changes


def error(status: int, **fields: Any) -> Answer:
    return Answer(status, {"error": {"message": "no", "type": "invalid_request_error"} | fields})


def test_a_subscription_is_read_with_its_customer(gateway: StripeGateway, server: LocalServer) -> None:
    server.answers(Answer(body=subscription()))
    found = gateway.subscription("sub_1")
    assert (found.id, found.status, found.price_id) == ("sub_1", "trialing", "price_basic")
    assert found.amount == Money(9800, "EUR")
    assert (found.current_period_end, found.trial_end) == (PERIOD_END, TRIAL_END)
    assert found.cancel_at_period_end is True
    assert found.metadata == {"ref": "ab12"}
    assert found.customer == StripeCustomer(
        "cus_1", "owner@studio.example", "Owner", None, "NL", False, {"pilar_workspace": "w-1"}
    )
    (request,) = server.requests
    assert (request.method, request.path) == ("GET", "/v1/subscriptions/sub_1")
    assert request.query == {"expand[0]": "customer"}
    assert request.headers["authorization"] == "Bearer sk_test_0123456789abcdef"


def test_a_deleted_customer_has_nothing_but_an_id(gateway: StripeGateway, server: LocalServer) -> None:
    gone = {"id": "cus_1", "object": "customer", "deleted": True}
    server.answers(Answer(body=subscription(customer=gone)))
    assert gateway.subscription("sub_1").customer == StripeCustomer("cus_1", None, None, None, None, True, {})


def test_a_period_end_of_the_older_shape_is_read(gateway: StripeGateway, server: LocalServer) -> None:
    old = subscription(current_period_end=int(PERIOD_END.timestamp()), trial_end=None)
    del old["items"]["data"][0]["current_period_end"]
    server.answers(Answer(body=old))
    assert gateway.subscription("sub_1").current_period_end == PERIOD_END


def test_a_price_that_is_not_flat_has_no_amount(gateway: StripeGateway, server: LocalServer) -> None:
    tiered = subscription()
    tiered["items"]["data"][0]["price"]["unit_amount"] = None
    server.answers(Answer(body=tiered))
    assert gateway.subscription("sub_1").amount is None


def checkout(**changes: Any) -> dict[str, Any]:
    return {
        "id": "cs_1",
        "object": "checkout.session",
        "custom_fields": [
            {"key": "size", "type": "numeric", "numeric": {"value": "3"}},
            {"key": "studio_name", "type": "text", "text": {"value": "Studio Zon"}},
        ],
        "customer_details": {
            "email": "owner@studio.example",
            "name": "Owner",
            "phone": "+31201234567",
            "address": {"country": "NL"},
        },
        "metadata": {"time_zone": "Europe/Amsterdam"},
        "client_reference_id": "click-1",
        "created": int(datetime(2026, 4, 30, tzinfo=UTC).timestamp()),
    } | changes


def sessions(*found: dict[str, Any]) -> Answer:
    return Answer(body={"object": "list", "data": list(found), "has_more": False, "url": "/v1/checkout/sessions"})


def test_a_checkout_is_found_by_its_subscription(gateway: StripeGateway, server: LocalServer) -> None:
    server.answers(sessions(checkout()))
    assert gateway.checkout_of("sub_1") == StripeCheckout(
        id="cs_1",
        studio_name="Studio Zon",
        email="owner@studio.example",
        name="Owner",
        phone="+31201234567",
        country="NL",
        time_zone="Europe/Amsterdam",
        metadata={"time_zone": "Europe/Amsterdam"},
        client_reference_id="click-1",
        created=datetime(2026, 4, 30, tzinfo=UTC),
    )
    assert server.requests[0].query == {"subscription": "sub_1", "limit": "1"}


def test_a_studio_without_a_name_has_its_owners(gateway: StripeGateway, server: LocalServer) -> None:
    server.answers(sessions(checkout(custom_fields=[])))
    found = gateway.checkout_of("sub_1")
    assert found is not None
    assert found.studio_name == "Owner"


def test_a_subscription_may_have_no_checkout(gateway: StripeGateway, server: LocalServer) -> None:
    server.answers(sessions())
    assert gateway.checkout_of("sub_1") is None


def test_the_workspace_is_noted_on_the_customer_under_an_idempotency_key(
    gateway: StripeGateway, server: LocalServer
) -> None:
    server.answers(Answer(body=customer()))
    gateway.name_workspace("cus_1", "w-1", "name-w-1")
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/customers/cus_1")
    assert request.form == {"metadata[pilar_workspace]": "w-1"}
    assert request.headers["idempotency-key"] == "name-w-1"


def test_no_file_of_the_sdk_is_written_and_no_telemetry_sent(
    gateway: StripeGateway, server: LocalServer, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    server.answers(Answer(body=subscription(), headers={"Request-Id": "req_1"}))
    gateway.subscription("sub_1")
    gateway.subscription("sub_1")
    assert list(tmp_path.iterdir()) == []
    assert all("x-stripe-client-telemetry" not in request.headers for request in server.requests)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (error(400), Permanent),
        (error(400, type="idempotency_error"), Conflict),
        (error(401), CredentialsRefused),
        (error(402, type="card_error", code="card_declined"), Permanent),
        (error(403), CredentialsRefused),
        (error(404, code="resource_missing"), NotFound),
        (error(409, code="idempotency_key_in_use"), OutcomeUnknown),
        (error(429, code="lock_timeout"), Transient),
        (error(500, type="api_error"), OutcomeUnknown),
        (Answer(502, b"<html>bad gateway</html>"), OutcomeUnknown),
        (Answer(200, b"<html>fine</html>"), OutcomeUnknown),
        (Answer(200, b"[]"), OutcomeUnknown),
        (Misbehaviour.RESET, OutcomeUnknown),
        (Misbehaviour.HALF, OutcomeUnknown),
    ],
)
def test_each_error_of_a_change_is_told_apart_and_never_tried_again(
    gateway: StripeGateway, server: LocalServer, answer: Answer | Misbehaviour, expected: type[PilarError]
) -> None:
    server.answers(answer)
    with pytest.raises(PilarError) as caught:
        gateway.name_workspace("cus_1", "w-1", "name-w-1")
    assert type(caught.value) is expected
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer", [error(500), error(429), Answer(200, b"oops"), Answer(200, {"id": "sub_1"}), Misbehaviour.HANG_UP]
)
def test_a_read_that_went_wrong_is_transient(
    gateway: StripeGateway, server: LocalServer, answer: Answer | Misbehaviour
) -> None:
    server.answers(answer)
    with pytest.raises(Transient) as caught:
        gateway.subscription("sub_1")
    assert type(caught.value) is Transient
    assert len(server.requests) == 1


def test_a_rate_limit_says_how_long_to_wait(gateway: StripeGateway, server: LocalServer) -> None:
    server.answers(Answer(429, b"slow down", {"Retry-After": "17"}))
    with pytest.raises(Transient) as caught:
        gateway.subscription("sub_1")
    assert caught.value.retry_after == timedelta(seconds=17)


def test_an_hour_long_silence_is_not_waited_for(server: LocalServer, settings_at: Callable[..., Settings]) -> None:
    gateway = StripeGateway(settings_at(server.base, provider_timeout_seconds=0.2))
    server.answers(Misbehaviour.SILENCE)
    with pytest.raises(OutcomeUnknown):
        gateway.name_workspace("cus_1", "w-1", "name-w-1")
    gateway.close()


def test_a_refused_connection_is_transient_even_for_a_change(settings_at: Callable[..., Settings]) -> None:
    with refusing_port() as port:
        gateway = StripeGateway(settings_at(f"http://127.0.0.1:{port}"))
        with pytest.raises(Transient) as caught:
            gateway.name_workspace("cus_1", "w-1", "name-w-1")
        gateway.close()
    assert type(caught.value) is Transient


def test_a_gateway_without_a_key_says_so_when_it_is_called(settings_at: Callable[..., Settings]) -> None:
    gateway = StripeGateway(settings_at("http://127.0.0.1:1", stripe_api_key=None))
    with pytest.raises(NotConfigured, match="PILAR_STRIPE_API_KEY"):
        gateway.subscription("sub_1")
    gateway.close()

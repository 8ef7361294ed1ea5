"""The Twilio gateway, by way of the real SDK, against a local server."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from pilar.errors import (
    Conflict,
    CredentialsRefused,
    Invalid,
    NotConfigured,
    NotFound,
    OutcomeUnknown,
    Permanent,
    PilarError,
    Transient,
)
from pilar.providers.twilio.client import TwilioAccount, TwilioGateway, TwilioNumber
from pilar.providers.twilio.credentials import (
    AUTH_TOKEN,
    KEY_SECRET,
    KEY_SID,
    TwilioCredentials,
    TwilioKey,
    by_token,
    of_account,
)
from pilar.settings import Settings
from tests.providers.local_http import Answer, LocalServer, Misbehaviour, refusing_port

PARENT = "AC" + "0" * 32
CHILD = "AC" + "1" * 32
ROOT = "/twilio/2010-04-01/Accounts"
ACCOUNT = TwilioCredentials(CHILD, "child-token")
WEBHOOKS = {
    "SmsUrl": "https://studios.example.com/sms",
    "SmsMethod": "POST",
    "StatusCallback": "https://studios.example.com/status",
    "StatusCallbackMethod": "POST",
}
URLS = (WEBHOOKS["SmsUrl"], WEBHOOKS["StatusCallback"])


@pytest.fixture
def gateway(server: LocalServer, settings_at: Callable[..., Settings]) -> Iterator[TwilioGateway]:
    gateway = TwilioGateway(settings_at(server.base))
    yield gateway
    gateway.close()


def account(**changes: Any) -> dict[str, Any]:
    return {
        "sid": CHILD,
        "auth_token": "child-token",
        "friendly_name": "w-1",
        "status": "active",
        "owner_account_sid": PARENT,
        "date_created": "Mon, 04 May 2026 12:00:00 +0000",
    } | changes


def number(**changes: Any) -> dict[str, Any]:
    return {
        "sid": "PN" + "1" * 32,
        "phone_number": "+13125550100",
        "friendly_name": "w-1:number",
        "date_created": "Mon, 04 May 2026 12:00:00 +0000",
    } | changes


def page(name: str, *records: dict[str, Any], following: str | None = None) -> Answer:
    return Answer(body={name: list(records), "page": 0, "page_size": 50, "next_page_uri": following})


def error(status: int, code: int) -> Answer:
    return Answer(status, {"code": code, "message": "no", "status": status, "more_info": "https://example.com"})


def user_of(header: str) -> str:
    return base64.b64decode(header.removeprefix("Basic ")).decode()


def test_a_subaccount_is_opened_by_the_parent(gateway: TwilioGateway, server: LocalServer) -> None:
    server.answers(Answer(201, account()))
    opened = gateway.create_subaccount("w-1")
    assert opened == TwilioAccount(CHILD, "child-token", "w-1", "active")
    assert opened.credentials == ACCOUNT
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", f"{ROOT}.json")
    assert request.form == {"FriendlyName": "w-1"}
    assert user_of(request.headers["authorization"]) == f"{PARENT}:parent-token"


def test_a_key_is_made_by_the_token_and_speaks_for_its_account(gateway: TwilioGateway, server: LocalServer) -> None:
    server.answers(Answer(201, {"sid": "SK1", "friendly_name": "w-1", "secret": "told-once"}))
    made = gateway.create_key(ACCOUNT, "w-1")
    assert made == TwilioKey("SK1", "told-once")
    kept = {AUTH_TOKEN: "child-token", KEY_SID: made.sid, KEY_SECRET: made.secret}
    server.answers(Answer(201, {"sid": "SM1"}))
    gateway.send_sms(of_account(CHILD, kept), "+13125550100", "+12025550123", "Hi")
    asked = [(one.path, user_of(one.headers["authorization"])) for one in server.requests]
    assert asked == [
        (f"{ROOT}/{CHILD}/Keys.json", f"{CHILD}:child-token"), (f"{ROOT}/{CHILD}/Messages.json", "SK1:told-once"),
    ]  # fmt: skip
    assert by_token(CHILD, kept) == of_account(CHILD, {AUTH_TOKEN: "child-token"}) == ACCOUNT
    assert "told-once" not in repr((made, of_account(CHILD, kept)))


def test_a_key_without_its_secret_is_one_of_unknown_fate(gateway: TwilioGateway, server: LocalServer) -> None:
    server.answers(Answer(201, {"sid": "SK1", "friendly_name": "w-1"}))
    with pytest.raises(OutcomeUnknown):
        gateway.create_key(ACCOUNT, "w-1")


def test_tokens_are_not_shown() -> None:
    assert "child-token" not in repr(ACCOUNT)
    assert "child-token" not in repr(TwilioAccount(CHILD, "child-token", "w-1", "active"))


def test_of_several_subaccounts_the_oldest_open_one_is_found(gateway: TwilioGateway, server: LocalServer) -> None:
    later = account(sid="AC" + "2" * 32, date_created="Tue, 05 May 2026 12:00:00 +0000")
    closed = account(sid="AC" + "3" * 32, status="closed", date_created="Sun, 03 May 2026 12:00:00 +0000")
    namesake = account(sid="AC" + "4" * 32, friendly_name="w-10", date_created="Sun, 03 May 2026 12:00:00 +0000")
    server.answers(
        page("accounts", later, closed, following="/2010-04-01/Accounts.json?Page=1&PageToken=x"),
        page("accounts", namesake, account()),
    )
    found = gateway.find_subaccount("w-1")
    assert found is not None
    assert found.sid == CHILD
    first, second = server.requests
    assert first.query == {"FriendlyName": "w-1", "PageSize": "50"}
    assert (second.path, second.query["PageToken"]) == (f"{ROOT}.json", "x")


def test_a_subaccount_may_not_exist(gateway: TwilioGateway, server: LocalServer) -> None:
    server.answers(page("accounts"))
    assert gateway.find_subaccount("w-1") is None


def test_numbers_for_sale_are_looked_for_by_area_code(gateway: TwilioGateway, server: LocalServer) -> None:
    server.answers(page("available_phone_numbers", {"phone_number": "+13125550100"}, {"phone_number": "+13125550101"}))
    assert gateway.available_numbers(ACCOUNT, "US", "312", limit=2) == ["+13125550100", "+13125550101"]
    (request,) = server.requests
    assert request.path == f"{ROOT}/{CHILD}/AvailablePhoneNumbers/US/Local.json"
    assert request.query == {"AreaCode": "312", "SmsEnabled": "true", "PageSize": "2"}
    assert user_of(request.headers["authorization"]) == f"{CHILD}:child-token"


def test_where_no_local_number_has_sms_mobile_ones_are_offered(gateway: TwilioGateway, server: LocalServer) -> None:
    server.answers(error(404, 20404), page("available_phone_numbers", {"phone_number": "+31612345678"}))
    assert gateway.available_numbers(ACCOUNT, "NL", limit=1) == ["+31612345678"]
    assert [request.path.rpartition("/")[2] for request in server.requests] == ["Local.json", "Mobile.json"]


def test_an_area_without_numbers_is_an_empty_list(gateway: TwilioGateway, server: LocalServer) -> None:
    server.answers(page("available_phone_numbers"))
    assert gateway.available_numbers(ACCOUNT, "US", "312", limit=5) == []
    assert len(server.requests) == 1


def test_a_number_is_bought_with_its_webhooks(gateway: TwilioGateway, server: LocalServer) -> None:
    server.answers(Answer(201, number()))
    bought = gateway.buy_number(ACCOUNT, "+13125550100", "w-1:number", *URLS)
    assert bought == TwilioNumber("PN" + "1" * 32, "+13125550100", "w-1:number")
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", f"{ROOT}/{CHILD}/IncomingPhoneNumbers.json")
    assert request.form == {"PhoneNumber": "+13125550100", "FriendlyName": "w-1:number"} | WEBHOOKS


def test_a_number_is_found_by_the_name_of_its_purchase(gateway: TwilioGateway, server: LocalServer) -> None:
    server.answers(page("incoming_phone_numbers", number(friendly_name="w-1:number-2"), number()))
    found = gateway.find_number(ACCOUNT, "w-1:number")
    assert found == TwilioNumber("PN" + "1" * 32, "+13125550100", "w-1:number")
    server.answers(page("incoming_phone_numbers"))
    assert gateway.find_number(ACCOUNT, "w-1:number") is None


def test_webhooks_are_pointed_to_us(gateway: TwilioGateway, server: LocalServer) -> None:
    sid = "PN" + "1" * 32
    server.answers(Answer(body=number()))
    gateway.set_webhooks(ACCOUNT, sid, *URLS)
    (request,) = server.requests
    assert request.path == f"{ROOT}/{CHILD}/IncomingPhoneNumbers/{sid}.json"
    assert request.form == WEBHOOKS


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (error(400, 21422), Conflict),
        (error(400, 21451), Invalid),
        (error(400, 21452), NotFound),
        (error(400, 21649), Permanent),
        (error(401, 20003), CredentialsRefused),
        (error(404, 20404), NotFound),
        (error(429, 20429), Transient),
        (error(500, 20500), OutcomeUnknown),
        (Answer(503, b"<html>"), OutcomeUnknown),
        (Answer(400, {"type": "t", "title": "t", "status": 400, "code": 21422, "detail": "taken"}), Conflict),
        (Answer(201, b"<html>"), OutcomeUnknown),
        (Answer(201, b"[]"), OutcomeUnknown),
        (Answer(201, {"sid": "PN1"}), OutcomeUnknown),
        (Misbehaviour.RESET, OutcomeUnknown),
        (Misbehaviour.HANG_UP, OutcomeUnknown),
    ],
)
def test_each_error_of_a_purchase_is_told_apart_and_never_tried_again(
    gateway: TwilioGateway, server: LocalServer, answer: Answer | Misbehaviour, expected: type[PilarError]
) -> None:
    server.answers(answer)
    with pytest.raises(PilarError) as caught:
        gateway.buy_number(ACCOUNT, "+13125550100", "w-1:number", *URLS)
    assert type(caught.value) is expected
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [error(500, 20500), Answer(200, b"oops"), Answer(200, {"a": [], "b": []}), Answer(204, b""), Misbehaviour.RESET],
)
def test_a_look_up_that_went_wrong_is_transient(
    gateway: TwilioGateway, server: LocalServer, answer: Answer | Misbehaviour
) -> None:
    server.answers(answer)
    with pytest.raises(Transient) as caught:
        gateway.find_number(ACCOUNT, "w-1:number")
    assert type(caught.value) is Transient
    assert len(server.requests) == 1


def test_a_rate_limit_says_how_long_to_wait(gateway: TwilioGateway, server: LocalServer) -> None:
    server.answers(Answer(429, {"code": 20429, "message": "slow"}, {"Retry-After": "3"}))
    with pytest.raises(Transient) as caught:
        gateway.create_subaccount("w-1")
    assert caught.value.retry_after == timedelta(seconds=3)
    assert caught.value.details["provider_code"] == "20429"


def test_silence_is_not_waited_for(server: LocalServer, settings_at: Callable[..., Settings]) -> None:
    gateway = TwilioGateway(settings_at(server.base, provider_timeout_seconds=0.2))
    server.answers(Misbehaviour.SILENCE)
    with pytest.raises(OutcomeUnknown):
        gateway.create_subaccount("w-1")
    gateway.close()


def test_a_refused_connection_is_transient_even_for_a_purchase(settings_at: Callable[..., Settings]) -> None:
    with refusing_port() as port:
        gateway = TwilioGateway(settings_at(f"http://127.0.0.1:{port}"))
        with pytest.raises(Transient) as caught:
            gateway.buy_number(ACCOUNT, "+13125550100", "w-1:number", *URLS)
        gateway.close()
    assert type(caught.value) is Transient


@pytest.mark.parametrize("name", ["twilio_account_sid", "twilio_auth_token"])
def test_a_gateway_without_its_parent_says_so_when_it_is_called(
    name: str, settings_at: Callable[..., Settings]
) -> None:
    gateway = TwilioGateway(settings_at("http://127.0.0.1:1", **{name: None}))
    with pytest.raises(NotConfigured, match=f"PILAR_{name.upper()}"):
        gateway.create_subaccount("w-1")
    gateway.close()

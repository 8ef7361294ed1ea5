"""The Graph client against a local server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from pilar.errors import (
    CredentialsRefused,
    Invalid,
    NotConfigured,
    NotFound,
    OutcomeUnknown,
    Permanent,
    PilarError,
    Transient,
)
from pilar.providers.documents import Unreadable
from pilar.providers.whatsapp.client import GraphClient, WhatsAppNumber
from pilar.providers.whatsapp.numbers import as_e164, split
from pilar.settings import Settings
from tests.providers.local_http import Answer, LocalServer, Misbehaviour, refusing_port

DONE = Answer(body={"success": True})
BACK = "https://studios.example.com/whatsapp/connected"
WANTED = "id,display_phone_number,verified_name,code_verification_status,status"


@pytest.fixture
def graph(server: LocalServer, settings_at: Callable[..., Settings]) -> Iterator[GraphClient]:
    graph = GraphClient(settings_at(server.base))
    yield graph
    graph.close()


def number(number_id: str = "106", **changes: Any) -> dict[str, Any]:
    return {
        "id": number_id,
        "display_phone_number": "+1 631-555-0100",
        "verified_name": "Studio Zon",
        "code_verification_status": "NOT_VERIFIED",
        "status": "PENDING",
    } | changes


def error(status: int, code: int, **fields: Any) -> Answer:
    return Answer(status, {"error": {"message": "no", "type": "OAuthException", "code": code} | fields})


def test_the_sign_up_address_names_app_configuration_and_state(settings_at: Callable[..., Settings]) -> None:
    graph = GraphClient(settings_at("http://127.0.0.1:1", meta_dialog_base="https://dialog.example.com/"))
    parts = urlsplit(graph.signup_url("a state&more", BACK))
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://dialog.example.com/v23.0/dialog/oauth"
    assert dict(parse_qsl(parts.query)) == {
        "client_id": "4711",
        "config_id": "815",
        "response_type": "code",
        "redirect_uri": BACK,
        "state": "a state&more",
    }


def test_a_code_is_exchanged_for_the_studios_token(graph: GraphClient, server: LocalServer) -> None:
    server.answers(Answer(body={"access_token": "studio-token", "token_type": "bearer"}))
    assert graph.exchange_code("the-code", BACK) == "studio-token"
    (request,) = server.requests
    assert (request.method, request.path) == ("GET", "/v23.0/oauth/access_token")
    assert request.query == {
        "client_id": "4711",
        "client_secret": "newest-secret",
        "code": "the-code",
        "redirect_uri": BACK,
    }


def test_a_code_whose_exchange_is_in_doubt_may_be_used_up(graph: GraphClient, server: LocalServer) -> None:
    server.answers(Misbehaviour.HANG_UP)
    with pytest.raises(OutcomeUnknown):
        graph.exchange_code("the-code", BACK)


def test_the_granted_accounts_are_those_of_the_managing_scope(graph: GraphClient, server: LocalServer) -> None:
    scopes = [
        {"scope": "whatsapp_business_management", "target_ids": ["102", "103"]},
        {"scope": "whatsapp_business_messaging", "target_ids": ["999"]},
        {"scope": "whatsapp_business_management", "target_ids": ["102"]},
        {"scope": "business_management"},
    ]
    server.answers(Answer(body={"data": {"is_valid": True, "granular_scopes": scopes}}))
    assert graph.granted_accounts("studio-token") == ["102", "103"]
    (request,) = server.requests
    assert (request.path, request.query) == ("/v23.0/debug_token", {"input_token": "studio-token"})
    assert request.headers["authorization"] == "Bearer 4711|newest-secret"


def test_a_token_that_is_no_longer_valid_grants_nothing(graph: GraphClient, server: LocalServer) -> None:
    server.answers(Answer(body={"data": {"is_valid": False}}))
    with pytest.raises(CredentialsRefused):
        graph.granted_accounts("studio-token")


def test_all_pages_of_numbers_are_read(graph: GraphClient, server: LocalServer) -> None:
    following = {"cursors": {"before": "a", "after": "b"}, "next": "https://graph.example.com/…"}
    server.answers(
        Answer(body={"data": [number("106")], "paging": following}),
        Answer(body={"data": [number("107", code_verification_status="VERIFIED")], "paging": {"cursors": {}}}),
    )
    first, second = graph.phone_numbers("studio-token", "102")
    assert first == WhatsAppNumber("106", "+16315550100", "Studio Zon", False, "PENDING")
    assert (second.id, second.code_verified) == ("107", True)
    one, two = server.requests
    assert one.path == "/v23.0/102/phone_numbers"
    assert one.query == {"fields": WANTED, "limit": "100"}
    assert two.query == {"fields": WANTED, "limit": "100", "after": "b"}
    assert one.headers["authorization"] == "Bearer studio-token"


def test_a_page_that_leads_to_itself_is_not_followed_for_ever(graph: GraphClient, server: LocalServer) -> None:
    server.answers(Answer(body={"data": [], "paging": {"cursors": {"after": "b"}, "next": "…"}}))
    with pytest.raises(Transient):
        graph.phone_numbers("studio-token", "102")
    assert len(server.requests) == 2


def test_a_number_is_added_by_calling_code_and_national_part(graph: GraphClient, server: LocalServer) -> None:
    server.answers(Answer(body={"id": "106"}))
    assert graph.add_phone_number("studio-token", "102", "+16315550100", "Studio Zon") == "106"
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v23.0/102/phone_numbers")
    assert request.document == {"cc": "1", "phone_number": "6315550100", "verified_name": "Studio Zon"}


def test_what_is_no_phone_number_is_not_sent_to_meta(graph: GraphClient, server: LocalServer) -> None:
    with pytest.raises(Invalid):
        graph.add_phone_number("studio-token", "102", "0201234567", "Studio Zon")
    assert server.requests == []


def test_one_number_is_read_as_it_stands(graph: GraphClient, server: LocalServer) -> None:
    server.answers(Answer(body=number(status="CONNECTED", verified_name=None)))
    assert graph.phone_number("studio-token", "106") == WhatsAppNumber("106", "+16315550100", None, False, "CONNECTED")
    assert (server.requests[0].path, server.requests[0].query) == ("/v23.0/106", {"fields": WANTED})


@pytest.mark.parametrize(
    ("act", "path", "body"),
    [
        (
            lambda graph: graph.request_code("studio-token", "106", "en_US"),
            "106/request_code",
            {"code_method": "SMS", "language": "en_US"},
        ),
        (lambda graph: graph.verify_code("studio-token", "106", "123456"), "106/verify_code", {"code": "123456"}),
        (
            lambda graph: graph.register("studio-token", "106", "654321"),
            "106/register",
            {"messaging_product": "whatsapp", "pin": "654321"},
        ),
        (lambda graph: graph.subscribe_app("studio-token", "102"), "102/subscribed_apps", {}),
    ],
)
def test_each_step_of_a_number_is_posted_and_its_success_checked(
    graph: GraphClient, server: LocalServer, act: Callable[[GraphClient], None], path: str, body: dict[str, str]
) -> None:
    server.answers(DONE)
    act(graph)
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", f"/v23.0/{path}")
    assert request.document == body
    assert request.headers["authorization"] == "Bearer studio-token"
    server.answers(Answer(body={"success": False}))
    with pytest.raises(OutcomeUnknown):
        act(graph)


def test_the_subscription_is_ours_only_where_our_app_is_listed(graph: GraphClient, server: LocalServer) -> None:
    def subscribers(*apps: str) -> Answer:
        return Answer(body={"data": [{"whatsapp_business_api_data": {"id": app, "name": "x"}} for app in apps]})

    server.answers(subscribers("1", "4711"), subscribers("1"), subscribers())
    assert [graph.subscribed("studio-token", "102") for _ in range(3)] == [True, False, False]


def test_an_id_with_a_slash_leads_nowhere_else(graph: GraphClient, server: LocalServer) -> None:
    server.answers(DONE)
    graph.subscribe_app("studio-token", "102/../me?x=")
    assert server.requests[0].path == "/v23.0/102%2F..%2Fme%3Fx%3D/subscribed_apps"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (error(400, 100), Invalid),
        (error(401, 190), CredentialsRefused),
        (error(403, 200), CredentialsRefused),
        (error(500, 3), CredentialsRefused),
        (error(400, 133010), Permanent),
        (error(404, 803), NotFound),
        (error(400, 80007), Transient),
        (error(429, 4), Transient),
        (error(400, 131000), OutcomeUnknown),
        (error(503, 2), OutcomeUnknown),
        (error(500, 131016), OutcomeUnknown),
        (Answer(500, b"<html>"), OutcomeUnknown),
        (Answer(200, b"<html>"), OutcomeUnknown),
        (Answer(200, b"[]"), OutcomeUnknown),
        (Answer(302, b"", {"Location": "/elsewhere"}), OutcomeUnknown),
        (Misbehaviour.RESET, OutcomeUnknown),
        (Misbehaviour.HALF, OutcomeUnknown),
    ],
)
def test_each_error_of_a_change_is_told_apart_and_never_tried_again(
    graph: GraphClient, server: LocalServer, answer: Answer | Misbehaviour, expected: type[PilarError]
) -> None:
    server.answers(answer)
    with pytest.raises(PilarError) as caught:
        graph.register("studio-token", "106", "654321")
    assert type(caught.value) is expected
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [error(500, 1), error(400, 131000), Answer(200, b"oops"), Answer(200, {"id": "106"}), Misbehaviour.HANG_UP],
)
def test_a_read_that_went_wrong_is_transient(
    graph: GraphClient, server: LocalServer, answer: Answer | Misbehaviour
) -> None:
    server.answers(answer)
    with pytest.raises(Transient) as caught:
        graph.phone_number("studio-token", "106")
    assert type(caught.value) is Transient


def test_a_refusal_tells_metas_own_details_and_how_long_to_wait(graph: GraphClient, server: LocalServer) -> None:
    limited = error(429, 80007, error_data={"details": "the account is limited"})
    server.answers(Answer(limited.status, limited.body, {"Retry-After": "60"}))
    with pytest.raises(Transient, match="the account is limited") as caught:
        graph.register("studio-token", "106", "654321")
    assert caught.value.retry_after == timedelta(minutes=1)
    assert caught.value.details["provider_code"] == "80007"


def test_a_refused_connection_is_transient_even_for_a_change(settings_at: Callable[..., Settings]) -> None:
    with refusing_port() as port:
        graph = GraphClient(settings_at(f"http://127.0.0.1:{port}"))
        with pytest.raises(Transient) as caught:
            graph.register("studio-token", "106", "654321")
        graph.close()
    assert type(caught.value) is Transient


@pytest.mark.parametrize(
    ("name", "missing", "act"),
    [
        ("meta_app_id", None, lambda graph: graph.signup_url("s", BACK)),
        ("meta_config_id", None, lambda graph: graph.signup_url("s", BACK)),
        ("meta_app_secret", "", lambda graph: graph.exchange_code("c", BACK)),
        ("meta_app_secret", "", lambda graph: graph.granted_accounts("t")),
    ],
)
def test_a_missing_setting_is_named_when_it_is_needed(
    name: str, missing: str | None, act: Callable[[GraphClient], object], settings_at: Callable[..., Settings]
) -> None:
    with pytest.raises(NotConfigured, match=f"PILAR_{name.upper()}"):
        act(GraphClient(settings_at("http://127.0.0.1:1", **{name: missing})))


@pytest.mark.parametrize(
    ("shown", "expected"),
    [("+1 631-555-0100", "+16315550100"), ("31 6 12345678", "+31612345678"), ("+39 06 1234 5678", "+390612345678")],
)
def test_a_number_as_meta_shows_it_is_read(shown: str, expected: str) -> None:
    assert as_e164(shown) == expected


def test_what_is_no_number_can_not_be_read() -> None:
    with pytest.raises(Unreadable):
        as_e164("none yet")


@pytest.mark.parametrize(
    ("number", "parts"),
    [
        ("+16315550100", ("1", "6315550100")),
        ("+31612345678", ("31", "612345678")),
        ("+390612345678", ("39", "0612345678")),
    ],
)
def test_a_number_is_split_behind_its_calling_code(number: str, parts: tuple[str, str]) -> None:
    assert split(number) == parts

"""Twilio's doors: forms and JSON, two tokens while one is rotated, and the address behind a proxy."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from pilar.settings import Settings
from tests.webhook_ingest.conftest import ORIGIN, PARENT, House
from tests.webhook_ingest.doors import FORM as FORM_TYPE
from tests.webhook_ingest.doors import SMS, STATUS, connect, twilio_json, twilio_request
from tests.webhook_ingest.test_doors import SUBACCOUNT, kept
from tests.webhook_ingest.test_own_apps import drained, give
from webhook_ingest.proxies import TrustedProxies

PROXY, STRANGER = "10.1.2.3", "192.0.2.9"
FORM = {"AccountSid": PARENT, "MessageSid": "SM1", "Body": "hi"}


@pytest.mark.parametrize("settings", [{"twilio_secondary_auth_token": "parent-next"}], indirect=True)
def test_either_token_is_right_during_rotation(client: TestClient, house: House) -> None:
    connect(house, studio := house.studio("North"), "twilio", SUBACCOUNT, auth_token="sub-token")
    give(house, studio, "sub-next", "twilio")
    for number, token in enumerate(("parent-token", "parent-next")):
        assert client.post(**twilio_request(SMS, FORM | {"MessageSid": f"SM{number}"}, token)).status_code == 200
    for number, token in enumerate(("sub-token", "sub-next"), 5):
        form = FORM | {"AccountSid": SUBACCOUNT, "MessageSid": f"SM{number}"}
        assert client.post(**twilio_request(SMS, form, token)).status_code == 200
        assert client.post(**twilio_request(SMS, form, "parent-token")).status_code == 403
    assert sorted(name for _, name, _, _ in kept(house)) == ["SM0", "SM1", "SM5", "SM6"]


def test_json_is_taken_by_its_digest_in_the_address_and_read_like_a_form(client: TestClient, house: House) -> None:
    connect(house, house.studio("North"), "twilio", SUBACCOUNT, auth_token="sub-token")
    told = {"account_sid": SUBACCOUNT, "messageSid": "SM1", "Body": "Your WhatsApp code: 123-456", "segments": 1}
    asked = twilio_json(SMS, told, "sub-token")
    assert client.post(**{**asked, "content": asked["content"] + b" "}).status_code == 403
    assert client.post(**{**asked, "url": SMS}).status_code == 403
    assert client.post(**twilio_json(SMS, told, "other-token")).status_code == 403
    assert client.post(**asked).status_code == 200
    assert client.post(**asked).status_code == 200
    status = {"account_sid": SUBACCOUNT, "message_sid": "SM1", "message_status": "sent"}
    assert client.post(**twilio_json(STATUS, status, "sub-token")).status_code == 200
    assert client.post(**twilio_json(SMS, {"account_sid": SUBACCOUNT}, "sub-token")).status_code == 400
    assert client.post(**{**asked, "content": b"[]"}).status_code == 400
    assert sorted(name for _, name, _, _ in kept(house)) == ["SM1", "SM1:sent"]
    assert len([one for one in drained(house) if one and "code" in one]) == 1  # the verification code was found in it


def test_door_and_reader_see_the_same_account_where_a_form_names_two(client: TestClient, house: House) -> None:
    connect(house, house.studio("North"), "twilio", SUBACCOUNT, auth_token="sub-token")
    other = house.studio("South")
    connect(house, other, "twilio", "AC" + "b2" * 16, auth_token="other-token")
    body = f"AccountSid=AC{'b2' * 16}&AccountSid={SUBACCOUNT}&Body=WhatsApp+code+123-456&MessageSid=SM1"
    signed = f"{ORIGIN}{SMS}AccountSid{SUBACCOUNT}AccountSidAC{'b2' * 16}BodyWhatsApp code 123-456MessageSidSM1"
    digest = hmac.new(b"sub-token", signed.encode(), hashlib.sha1).digest()
    headers = {"x-twilio-signature": base64.b64encode(digest).decode(), "content-type": FORM_TYPE}
    assert client.post(SMS, content=body, headers=headers).status_code == 200
    assert [one["workspace"] for one in drained(house) if one and "workspace" in one] != [str(other.workspace_id)]


def forwarded(proto: str = "https", host: str = "hooks.studio.example") -> dict[str, str]:
    return {"x-forwarded-proto": proto, "x-forwarded-host": host}


def post_as(client: TestClient, peer: str, more: dict[str, str], asked: dict[str, Any]) -> int:
    client._transport.client = (peer, 1)  # type: ignore[attr-defined]
    return client.post(**{**asked, "headers": {**asked["headers"], **more}}).status_code


@pytest.mark.parametrize("settings", [{"trusted_proxies": "10.0.0.0/8, 127.0.0.1"}], indirect=True)
def test_the_forwarded_address_counts_where_a_trusted_proxy_tells_it(client: TestClient) -> None:
    asked = twilio_request(SMS, FORM, "parent-token", "?a=1", origin="https://hooks.studio.example")
    assert post_as(client, PROXY, forwarded(), asked) == 200
    assert post_as(client, f"::ffff:{PROXY}", forwarded(), asked) == 200
    assert post_as(client, PROXY, forwarded("http, https", "evil.example, hooks.studio.example:443"), asked) == 200
    assert post_as(client, PROXY, {}, twilio_request(SMS, FORM, "parent-token")) == 200  # PILAR_PUBLIC_URL
    for peer, headers in (
        (STRANGER, forwarded()),
        ("testclient", forwarded()),
        (PROXY, {}),
        (PROXY, forwarded("ftp")),
        (PROXY, forwarded("http")),
        (PROXY, forwarded(host="a b/c?")),
        (PROXY, forwarded(host="hooks.studio.example, evil.example")),
        (PROXY, forwarded(host="hooks.studio.example/x")),
        (PROXY, {"x-forwarded-host": "hooks.studio.example"}),
    ):
        assert post_as(client, peer, headers, asked) == 403, (peer, headers)


def test_without_trusted_proxies_nobodys_forwarded_headers_count(client: TestClient) -> None:
    asked = twilio_request(SMS, FORM, "parent-token", origin="https://hooks.studio.example")
    for peer in (PROXY, "127.0.0.1"):
        assert post_as(client, peer, forwarded(), asked) == 403


@pytest.mark.parametrize(
    ("peer", "hops", "visitor"),
    [
        (PROXY, ["192.0.2.1, 10.9.9.9"], "192.0.2.1"),
        (PROXY, ["192.0.2.1, 192.0.2.2"], "192.0.2.2"),
        (PROXY, ["192.0.2.1", "192.0.2.2"], "192.0.2.2"),
        (PROXY, ["10.9.9.9"], "10.9.9.9"),
        (PROXY, ["192.0.2.1, nonsense"], PROXY),
        (PROXY, ["\xff"], PROXY),
        (PROXY, [], PROXY),
        (STRANGER, ["192.0.2.1"], STRANGER),
        ("10.1.2.3.4", ["192.0.2.1"], "10.1.2.3.4"),
    ],
)
def test_the_visitor_is_the_last_one_who_is_no_proxy(peer: str, hops: list[str], visitor: str) -> None:
    seen: list[Any] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["client"][0])

    headers = [(b"x-forwarded-for", hop.encode("latin-1")) for hop in hops]
    scope = {"type": "http", "client": (peer, 1), "headers": headers}
    asyncio.run(TrustedProxies(inner, ["10.0.0.0/8", "::1"])(scope, None, None))  # type: ignore[arg-type]
    assert seen == [visitor]


def test_what_is_no_network_is_refused_in_words() -> None:
    with pytest.raises(ValidationError, match=r"'10\.0\.0\.0/99' is no address and no network"):
        Settings(trusted_proxies="127.0.0.1, 10.0.0.0/99")

"""The webhook doors: what is genuine is kept before it is answered, once; everything else is refused politely."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pilar.backplane.queue_tables import queue
from pilar.backplane.tables import inbox
from pilar.database.engine import Database, Scope
from pilar.workspaces import credentials
from pilar.workspaces.store import upsert_integration
from tests.webhook_ingest.conftest import ORIGIN, PARENT, House
from tests.webhook_ingest.doors import (
    DOORS,
    SMS,
    STATUS,
    STRIPE,
    STRIPE_ALIAS,
    VERIFY,
    WHATSAPP,
    meta_headers,
    stripe_headers,
    twilio_request,
)
from webhook_ingest.app import create_app

SUBACCOUNT = "AC" + "a1" * 16


def kept(house: House) -> list[tuple[str, str, bytes, dict[str, str]]]:
    with house.app.database.transaction(Scope.fleet()) as connection:
        rows = connection.execute(inbox.select().order_by(inbox.c.position)).all()
        waiting = connection.execute(queue.select()).all()
    assert {row.position for row in waiting} == {row.position for row in rows}
    return [(row.provider, row.external_id, bytes(row.body), row.headers) for row in rows]


def event(identity: object = "evt_1") -> bytes:
    return json.dumps({"id": identity, "type": "invoice.paid"}).encode()


@pytest.mark.parametrize("path", [STRIPE, STRIPE_ALIAS])
def test_stripes_event_is_kept_by_its_id(path: str, client: TestClient, house: House) -> None:
    bodies = {secret: event(f"evt_{secret}") for secret in ("whsec_new", "whsec_old")}
    for secret, body in bodies.items():
        assert client.post(path, content=body, headers=stripe_headers(house, body, secret)).status_code == 200
    told = sorted(kept(house))
    assert told == [("stripe", f"evt_{secret}", body, {}) for secret, body in sorted(bodies.items())]


def test_the_same_event_at_both_addresses_is_one_delivery(client: TestClient, house: House) -> None:
    for path in (STRIPE, STRIPE_ALIAS, STRIPE):
        body = event()
        assert client.post(path, content=body, headers=stripe_headers(house, body)).status_code == 200
    assert len(kept(house)) == 1


def test_whatsapps_delivery_is_kept_by_its_digest(client: TestClient, house: House) -> None:
    body = b'{"object":"whatsapp_business_account","entry":[]}'
    for _ in range(2):
        assert client.post(WHATSAPP, content=body, headers=meta_headers(body)).status_code == 200
    assert kept(house) == [("whatsapp", hashlib.sha256(body).hexdigest(), body, {})]


def test_twilios_forms_are_kept_by_message_and_status(client: TestClient, house: House) -> None:
    message = {"AccountSid": PARENT, "MessageSid": "SM1", "Body": "Olá & hi", "NewField": ""}
    answer = client.post(**twilio_request(SMS, message, "parent-token"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    assert answer.text.endswith("<Response/>")
    for status in ("sent", "delivered", "delivered"):
        form = {"AccountSid": PARENT, "MessageSid": "SM1", "MessageStatus": status}
        assert client.post(**twilio_request(STATUS, form, "parent-token", "?x=1")).status_code == 200
    assert {external_id: headers["about"] for _, external_id, _, headers in kept(house)} == {
        "SM1": "sms",
        "SM1:sent": "status",
        "SM1:delivered": "status",
    }
    assert len(kept(house)) == 3


def test_a_studios_own_account_signs_with_its_own_token(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    with house.app.database.transaction(Scope.fleet()) as connection:
        sealed = credentials.seal(house.app.box, {"auth_token": "subaccount-token"})
        upsert_integration(
            connection, studio.workspace_id, "twilio", now=house.real.now(), external_id=SUBACCOUNT,
            sealed_credentials=sealed,
        )  # fmt: skip
    form = {"AccountSid": SUBACCOUNT, "MessageSid": "SM2", "Body": "hi"}
    assert client.post(**twilio_request(SMS, form, "parent-token")).status_code == 403
    assert client.post(**twilio_request(SMS, form, "subaccount-token")).status_code == 200
    assert len(kept(house)) == 1


def test_what_is_not_signed_is_refused_at_every_door(client: TestClient, house: House) -> None:
    wrong = {"stripe-signature": "t=1,v1=00", "x-twilio-signature": "AAAA", "x-hub-signature-256": "sha256=00"}
    for path in DOORS:
        for headers in ({}, wrong, dict.fromkeys(wrong, b"\xe9\x7f")):
            answer = client.post(path, content=event(), headers=headers)
            assert answer.status_code == 403, path
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "bad_signature"
    assert kept(house) == []


def test_refusals_are_counted_and_shown_by_the_health_check(client: TestClient) -> None:
    for _ in range(3):
        client.post(WHATSAPP, content=b"{}")
    assert client.get("/api/health/autopilot").json()["refused_deliveries"] == {"whatsapp.bad_signature": 3}


def test_an_old_signature_is_refused(client: TestClient, house: House) -> None:
    body = event()
    assert client.post(STRIPE, content=body, headers=stripe_headers(house, body, age=400)).status_code == 403


def test_a_signed_body_that_cant_be_read_is_refused(client: TestClient, house: House) -> None:
    bodies = [b"", b"no json", b"[]", b'"text"', b"\xff\xfe", b"{}", event(7), event(""), event("a b"), event("x" * 300),
              event("nul\0"), b"[" * 100_000, b'{"id":' + b"9" * 5_000 + b"}"]  # fmt: skip
    for body in bodies:
        answer = client.post(STRIPE, content=body, headers=stripe_headers(house, body))
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed"), body[:12]
    assert kept(house) == []


def test_a_signed_form_without_a_message_is_refused(client: TestClient) -> None:
    answer = client.post(**twilio_request(SMS, {"AccountSid": PARENT, "Body": "hi"}, "parent-token"))
    assert answer.status_code == 400


def test_a_strange_form_is_refused(client: TestClient) -> None:
    for content in (b"\xff\xff=1", b"&".join(b"a=1" for _ in range(2_000)), b"AccountSid=AC%00"):
        assert client.post(SMS, content=content).status_code in {400, 403}


def test_a_body_is_bounded_with_and_without_its_length(client: TestClient, house: House) -> None:
    big = b"x" * (1024 * 1024 + 1)
    assert client.post(STRIPE, content=big).status_code == 413
    assert client.post(STRIPE, content=iter([big[:600_000], big[600_000:]])).status_code == 413
    assert kept(house) == []


HANDSHAKE = {"hub.mode": "subscribe", "hub.verify_token": "shake-hands", "hub.challenge": "<b>12</b>"}


@pytest.mark.parametrize("path", [WHATSAPP, VERIFY])
def test_meta_shakes_hands(path: str, client: TestClient) -> None:
    query = HANDSHAKE
    answer = client.get(path, params=query)
    assert (answer.status_code, answer.text) == (200, "<b>12</b>")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    for wrong in ({"hub.verify_token": "guess"}, {"hub.mode": "other"}, {"hub.challenge": ""}):
        assert client.get(path, params=query | wrong).status_code == 403


def test_the_address_named_after_the_verification_takes_it_by_post_and_deliveries_too(
    client: TestClient, house: House
) -> None:
    for answer in (client.post(VERIFY, params=HANDSHAKE), client.post(VERIFY, json=HANDSHAKE)):
        assert (answer.status_code, answer.text) == (200, "<b>12</b>")
    assert client.post(VERIFY, json=HANDSHAKE | {"hub.verify_token": "guess"}).status_code == 403
    assert client.post(VERIFY, content=b"no json").status_code == 400
    assert kept(house) == []
    body = b'{"object":"whatsapp_business_account","entry":[]}'
    for path in (VERIFY, WHATSAPP):
        assert client.post(path, content=body, headers=meta_headers(body)).status_code == 200
    assert len(kept(house)) == 1


def test_other_methods_are_refused_with_the_ones_that_are_not(client: TestClient) -> None:
    assert client.get(STRIPE).status_code == 405
    assert client.get(STRIPE).headers["allow"] == "POST"
    assert client.put(WHATSAPP).headers["allow"] == "GET, POST"


def test_nothing_is_accepted_while_no_secret_is_set(house: House) -> None:
    bare = house.app.settings.model_copy(
        update={
            "stripe_webhook_secret": (),
            "meta_app_secret": (),
            "twilio_auth_token": None,
            "meta_verify_token": None,
        }
    )
    app = type(house.app)(**{**vars(house.app), "settings": bare})
    body = event()
    with TestClient(create_app(app), base_url=ORIGIN) as client:
        assert client.post(STRIPE, content=body, headers=stripe_headers(house, body, "")).status_code == 403
        assert client.post(WHATSAPP, content=body, headers=meta_headers(body, "")).status_code == 403
        form = {"AccountSid": PARENT, "MessageSid": "SM1"}
        assert client.post(**twilio_request(SMS, form, "")).status_code == 403
        handshake = {"hub.mode": "subscribe", "hub.verify_token": "", "hub.challenge": "1"}
        assert client.get(WHATSAPP, params=handshake).status_code == 403


def test_while_neither_database_nor_disk_takes_it_a_delivery_has_to_come_again(
    house: House, closed_port: int, tmp_path: Path
) -> None:
    away = Database(f"postgresql://nobody:nothing@127.0.0.1:{closed_port}/nowhere")
    (tmp_path / "file").touch()  # where a directory is wanted
    settings = house.app.settings.model_copy(update={"spool_dir": tmp_path / "file"})
    app = type(house.app)(**{**vars(house.app), "database": away, "settings": settings})
    body = event()
    with TestClient(create_app(app), base_url=ORIGIN) as client:
        answer = client.post(STRIPE, content=body, headers=stripe_headers(house, body))
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert "127.0.0.1" not in answer.text
        form = {"AccountSid": SUBACCOUNT, "MessageSid": "SM1"}
        assert client.post(**twilio_request(SMS, form, "x")).status_code == 503
        health = client.get("/api/health/autopilot")
        assert health.status_code == 503
        assert health.json()["database"] == "unreachable"
        assert client.get("/sign-in", headers={"accept": "text/html"}).status_code == 503
    assert kept(house) == []

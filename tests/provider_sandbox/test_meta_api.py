"""Embedded Signup and the Graph API, from the owner's click to a number that can send."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from starlette.testclient import TestClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from pilar.clocks import ManualClock
from provider_sandbox.app import create_app
from provider_sandbox.pages import Page
from provider_sandbox.testing import RunningSandbox, sandbox_config
from tests.provider_sandbox.graph import Graph
from tests.provider_sandbox.product import Answer, Product, Received


def test_accepting_gives_a_token_for_one_business(sandbox: RunningSandbox, graph: Graph):
    page = graph.dialog("studio-1").text
    assert "Connect your business to" in page
    assert "<script" not in page

    graph.connect("studio-1")

    described = graph.describe(graph.token)
    assert (described["is_valid"], described["app_id"]) == (True, sandbox.config.meta_app_id)
    assert {scope["scope"] for scope in described["granular_scopes"]} == {
        "whatsapp_business_management",
        "whatsapp_business_messaging",
    }
    assert graph.call("GET", graph.waba)["id"] == graph.waba
    assert not graph.describe("EAAnonsense")["is_valid"]
    assert sandbox.effects() == {"meta.waba_connected": 1}


def test_accepting_twice_reaches_the_same_business(sandbox: RunningSandbox, graph: Graph):
    graph.connect("studio-1")
    first = graph.waba
    graph.connect("studio-1")
    assert graph.waba == first
    graph.connect("studio-2")
    assert graph.waba != first
    assert sandbox.effects() == {"meta.waba_connected": 2}


def test_declining_leads_back_without_a_code(sandbox: RunningSandbox, graph: Graph):
    fields = Page(graph.dialog("studio-1").text).forms[0].fields
    answer = sandbox.client.post("/meta/v23.0/dialog/oauth", data=fields | {"decision": "decline"})

    assert "error=access_denied" in answer.headers["location"]
    assert sandbox.effects() == {}


def test_the_dialog_refuses_an_address_that_is_not_right(graph: Graph):
    assert graph.dialog("s", client_id="1").status_code == 400
    assert graph.dialog("s", response_type="token").status_code == 400
    assert graph.dialog("", redirect_uri="").status_code == 400


def test_a_code_is_good_once_and_only_as_it_was_given(graph: Graph):
    code = graph.accept("studio-1")

    assert graph.exchange(code, client_secret="wrong")["error"]["code"] == 1
    assert graph.exchange(code, client_id="1")["error"]["code"] == 101
    assert graph.exchange(code, redirect_uri="http://127.0.0.1:2/")["error"]["error_subcode"] == 36008
    assert graph.exchange(code)["token_type"] == "bearer"
    again = graph.exchange(code)["error"]
    assert (again["type"], again["code"], again["error_subcode"]) == ("OAuthException", 100, 36009)
    assert again["fbtrace_id"]


def test_a_code_is_good_for_ten_minutes(tmp_path: Path):
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    config = sandbox_config(tmp_path)
    with TestClient(create_app(config, clock), follow_redirects=False) as client:
        graph = Graph(client, config)
        early, late = graph.accept("one"), graph.accept("two")
        clock.advance(timedelta(minutes=10))
        assert "access_token" in graph.exchange(early)
        clock.advance(timedelta(seconds=1))
        assert graph.exchange(late)["error"]["error_subcode"] == 36007


def test_a_number_is_added_verified_and_registered(
    sandbox: RunningSandbox, graph: Graph, twilio: Client, product: Product
):
    number = twilio.available_phone_numbers("NL").local.list(limit=1)[0].phone_number
    url = f"{product.url}/sms"
    twilio.incoming_phone_numbers.create(phone_number=number, sms_url=url)
    graph.connect("studio-1")
    wanted = {"cc": "31", "phone_number": number.removeprefix("+31"), "verified_name": "Studio Noord"}

    added = graph.call("POST", f"{graph.waba}/phone_numbers", data=wanted)["id"]
    assert graph.error("POST", f"{graph.waba}/phone_numbers", json=wanted) == 200000
    assert graph.error("POST", f"{graph.waba}/phone_numbers", json=wanted | {"phone_number": number}) == 200000
    assert graph.error("POST", f"{added}/register", json={"messaging_product": "whatsapp", "pin": "123456"}) == 133006

    sms = {"code_method": "SMS", "language": "nl"}
    assert graph.call("POST", f"{added}/request_code", json=sms) == {"success": True}
    sandbox.wait_idle()
    [request] = product.at("/sms")
    assert RequestValidator(sandbox.config.twilio_auth_token).validate(
        url, request.form, request.headers["x-twilio-signature"]
    )
    found = re.search(r"code is (\d{3})-(\d{3})", request.form["Body"])
    assert found
    code = "".join(found.groups())
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    assert graph.error("POST", f"{added}/verify_code", json={"code": wrong}) == 136025
    assert graph.call("POST", f"{added}/verify_code", data={"code": code}) == {"success": True}
    assert graph.error("POST", f"{added}/request_code", json=sms) == 136024

    pin = {"messaging_product": "whatsapp", "pin": "123456"}
    assert graph.call("POST", f"{added}/register", json=pin) == {"success": True}
    assert graph.call("POST", f"{added}/register", json=pin) == {"success": True}
    assert graph.error("POST", f"{added}/register", json=pin | {"pin": "654321"}) == 133005

    [listed] = graph.call("GET", f"{graph.waba}/phone_numbers")["data"]
    assert (listed["id"], listed["code_verification_status"], listed["status"]) == (added, "VERIFIED", "CONNECTED")
    assert listed["display_phone_number"].replace(" ", "") == number
    assert graph.call("GET", added, params={"fields": "status,verified_name"}) == {
        "id": added,
        "status": "CONNECTED",
        "verified_name": "Studio Noord",
    }
    counted = sandbox.effects_by_key()
    for kind in ("number_added", "code_requested", "number_verified", "number_registered"):
        assert counted[f"meta.{kind}", number] == 1


def test_a_verification_code_is_replaced_by_the_next_and_expires(tmp_path: Path):
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    config = sandbox_config(tmp_path)
    with TestClient(create_app(config, clock), follow_redirects=False) as client:
        graph = Graph(client, config)
        graph.connect("studio-1")
        wanted = {"cc": "31", "phone_number": "200001234", "verified_name": "Noord"}
        added = graph.call("POST", f"{graph.waba}/phone_numbers", json=wanted)["id"]
        graph.call("POST", f"{added}/request_code", json={"code_method": "SMS", "language": "nl"})
        [phone] = client.get("/control/objects/meta.phone").json()
        clock.advance(timedelta(minutes=10, seconds=1))
        assert graph.error("POST", f"{added}/verify_code", json={"code": phone["code"]}) == 136025
        graph.call("POST", f"{added}/request_code", json={"code_method": "SMS", "language": "nl"})
        [phone] = client.get("/control/objects/meta.phone").json()
        assert graph.call("POST", f"{added}/verify_code", json={"code": phone["code"]}) == {"success": True}


def test_a_subscription_of_the_app_is_counted_once(sandbox: RunningSandbox, graph: Graph):
    graph.connect("studio-1")
    assert graph.call("GET", f"{graph.waba}/subscribed_apps") == {"data": []}

    for _attempt in range(2):
        assert graph.call("POST", f"{graph.waba}/subscribed_apps") == {"success": True}

    [app] = graph.call("GET", f"{graph.waba}/subscribed_apps")["data"]
    assert app["whatsapp_business_api_data"]["id"] == sandbox.config.meta_app_id
    assert sandbox.effects()["meta.app_subscribed"] == 1


def test_a_token_reaches_no_other_business(sandbox: RunningSandbox):
    one, other = Graph(sandbox.client, sandbox.config), Graph(sandbox.client, sandbox.config)
    one.connect("studio-1")
    other.connect("studio-2")
    wanted = {"cc": "31", "phone_number": "200001234", "verified_name": "Noord"}
    added = one.call("POST", f"{one.waba}/phone_numbers", json=wanted)["id"]

    for path in (one.waba, added, f"{one.waba}/phone_numbers", f"{one.waba}/subscribed_apps"):
        assert other.call("GET", path)["error"]["error_subcode"] == 33
    assert other.error("POST", f"{added}/register", json={}) == 100
    other.token = "EAAnonsense"
    assert other.error("GET", other.waba) == 190
    assert other.client.get("/meta/v23.0/1").status_code == 401
    assert one.error("GET", f"{one.waba}/unheard_of") == 2500
    assert one.client.get("/meta/latest/debug_token").json()["error"]["code"] == 2500


def test_the_webhook_is_verified_by_its_challenge(sandbox: RunningSandbox, product: Product):
    def respond(request: Received) -> Answer:
        if request.query.get("hub.verify_token") != sandbox.config.meta_verify_token:
            return Answer(403)
        return Answer(body=request.query["hub.challenge"])

    sandbox.set_targets(meta_webhook_url=f"{product.url}/hook")
    asked = "/control/meta/verify-webhook"
    assert sandbox.client.post(asked).json() == {"verified": False}
    product.respond = respond
    assert sandbox.client.post(asked).json() == {"verified": True}
    assert product.at("/hook")[0].query["hub.mode"] == "subscribe"


def test_a_change_is_told_with_a_signature_over_the_raw_body(sandbox: RunningSandbox, product: Product):
    sandbox.set_targets(meta_webhook_url=f"{product.url}/hook")
    change = {"waba": "1", "field": "account_update", "value": {"event": "PARTNER_ADDED", "note": "é"}}
    sandbox.client.post("/control/meta/changes", json=change).raise_for_status()
    sandbox.wait_idle()

    [request] = product.at("/hook")
    digest = hmac.new(sandbox.config.meta_app_secret.encode(), request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-hub-signature-256"] == f"sha256={digest}"
    [entry] = json.loads(request.body)["entry"]
    assert entry["changes"] == [{"field": "account_update", "value": {"event": "PARTNER_ADDED", "note": "é"}}]

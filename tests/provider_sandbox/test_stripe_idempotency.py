"""Idempotency keys as Stripe treats them: replayed, guarded while at work, and kept through a crash."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from provider_sandbox.testing import RunningSandbox, running_sandbox, sandbox_config
from tests.provider_sandbox.stripe_life import Life, refusal

ONCE = {"idempotency_key": "make-1"}


def test_what_is_refused_before_it_began_can_be_put_right_under_the_same_key(life: Life):
    create = life.payments.v1.customers.create
    assert refusal(lambda: create({"emial": "x"}, ONCE)).code == "parameter_unknown"  # type: ignore[typeddict-unknown-key]
    made = create({"email": "bo@studio.example"}, ONCE)
    assert create({"email": "bo@studio.example"}, ONCE).id == made.id
    reused = refusal(lambda: create({"email": "other@studio.example"}, ONCE))
    elsewhere = refusal(lambda: life.payments.v1.products.create({"name": "x"}, ONCE))
    assert [one.error.type for one in (reused, elsewhere) if one.error] == ["idempotency_error"] * 2  # type: ignore[attr-defined]
    assert len(life.payments.v1.customers.list().data) == 1


def test_a_refusal_is_replayed_even_when_it_would_succeed_by_now(life: Life):
    connected = life.payments.v1.accounts.create({"type": "express", "country": "NL"}).id
    life.sandbox.complete_onboarding(connected)

    def transfer(key: str) -> str:
        wanted = {"destination": connected, "amount": 500, "currency": "eur"}
        return life.payments.v1.transfers.create(wanted, {"idempotency_key": key}).id  # type: ignore[arg-type]

    assert refusal(lambda: transfer("t-1")).code == "balance_insufficient"
    life.sandbox.top_up(1000)
    assert refusal(lambda: transfer("t-1")).code == "balance_insufficient"
    assert transfer("t-2") == transfer("t-2")
    assert life.sandbox.effects()["stripe.transferred"] == 1


def test_a_declined_payment_is_replayed_and_its_card_charged_once(life: Life):
    wanted = {"amount": 500, "currency": "eur", "payment_method": "pm_card_chargeDeclined", "confirm": True}
    for _ in range(2):
        refused = refusal(lambda: life.payments.v1.payment_intents.create(wanted, ONCE))  # type: ignore[arg-type]
        assert (refused.http_status, refused.code) == (402, "card_declined")
    [charge] = life.payments.v1.charges.list().data
    assert (charge.status, charge.failure_code) == ("failed", "card_declined")


def test_a_request_whose_key_is_at_work_is_turned_away(sandbox: RunningSandbox):
    key = sandbox.config.stripe_api_key
    body = b"email=bo%40studio.example"
    parts = urlsplit(sandbox.base_url)
    head = (
        "POST /stripe/v1/customers HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n"
        f"Authorization: Bearer {key}\r\nIdempotency-Key: make-1\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=20) as slow:
        slow.sendall(head.encode())
        # It is asked for its body, so it is at work by now.
        assert slow.recv(1000).startswith(b"HTTP/1.1 100")
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "make-1"}
        url = f"{sandbox.base_url}/stripe/v1/customers"
        meanwhile = httpx.post(url, content=body, headers=headers, trust_env=False)
        assert (meanwhile.status_code, meanwhile.json()["error"]["code"]) == (409, "idempotency_key_in_use")
        slow.sendall(body)
        made = b""
        while part := slow.recv(65536):
            made += part
    assert made.startswith(b"HTTP/1.1 200")
    again = httpx.post(url, content=body, headers=headers, trust_env=False)
    assert (again.headers["idempotent-replayed"], again.json()["id"].encode() in made) == ("true", True)


def test_a_key_is_remembered_over_a_restart(tmp_path: Path):
    config = sandbox_config(tmp_path)
    headers = {"Authorization": f"Bearer {config.stripe_api_key}", "Idempotency-Key": "make-1"}
    answers = []
    for _ in range(2):
        with running_sandbox(config) as sandbox:
            answers.append(sandbox.client.post("/stripe/v1/customers", data={"name": "Bo"}, headers=headers))
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["original-request"] == answers[0].headers["request-id"]

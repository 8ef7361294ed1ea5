"""What a plan does to requests, on the wire; what our clients make of it is in tests/contract."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from provider_sandbox.faults.plan import PROVIDERS
from provider_sandbox.testing import RunningSandbox, running_sandbox, sandbox_config

PRICES = "/stripe/v1/prices"
SHAPES = {
    "stripe": ("/v1/prices", {"error": {"type": str, "message": str, "code": str}}),
    "twilio": ("/2010-04-01/Accounts.json", {"code": int, "message": str, "more_info": str, "status": int}),
    "meta": ("/v23.0/debug_token", {"error": {"message": str, "type": str, "code": int, "fbtrace_id": str}}),
    "openai": (
        "/v1/chat/completions",
        {"error": {"message": str, "type": str, "param": type(None), "code": str}},
    ),
    "groq": (
        "/openai/v1/chat/completions",
        {"error": {"message": str, "type": str, "param": type(None), "code": str}},
    ),
    "anthropic": ("/v1/messages", {"type": str, "error": {"type": str, "message": str}}),
    "elevenlabs": ("/v1/voices", {"detail": {"status": str, "message": str}}),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running_sandbox(sandbox_config(tmp_path_factory.mktemp("state"))) as sandbox:
        sandbox.client.headers["authorization"] = f"Bearer {sandbox.config.stripe_api_key}"
        yield sandbox


@pytest.fixture
def sandbox(shared: RunningSandbox) -> Iterator[RunningSandbox]:
    yield shared
    shared.clear_faults()


def befall(sandbox: RunningSandbox, kind: str, provider: str = "stripe", **changes: Any) -> None:
    sandbox.set_faults(1, [{"provider": provider, "kind": kind} | changes])


def shape(value: Any) -> Any:
    return {name: shape(item) for name, item in value.items()} if isinstance(value, dict) else type(value)


@pytest.mark.parametrize("provider", SHAPES)
def test_each_provider_refuses_in_its_own_words(sandbox: RunningSandbox, provider: str):
    path, expected = SHAPES[provider]
    befall(sandbox, "rate_limited", provider, seconds=2.5)
    answer = sandbox.client.post(f"/{provider}{path}")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
    assert answer.headers["content-type"] == "application/json"
    assert shape(answer.json()) == expected

    befall(sandbox, "server_error", provider, status=503)
    answer = sandbox.client.post(f"/{provider}{path}")
    assert answer.status_code == 503
    assert shape(answer.json()).keys() == expected.keys()


def test_every_provider_of_a_request_has_its_words():
    assert set(SHAPES) | {"mail"} == set(PROVIDERS)


def test_half_an_answer_keeps_its_status_and_its_kind(sandbox: RunningSandbox):
    whole = sandbox.client.get(PRICES)
    befall(sandbox, "malformed")
    half = sandbox.client.get(PRICES)
    assert (half.status_code, half.headers["content-type"]) == (whole.status_code, whole.headers["content-type"])
    assert whole.content.startswith(half.content)
    with pytest.raises(json.JSONDecodeError):
        half.json()


def test_a_slow_answer_trickles_and_is_whole(sandbox: RunningSandbox):
    whole = sandbox.client.get(PRICES).content
    befall(sandbox, "slow", seconds=0.2)
    with sandbox.client.stream("GET", PRICES) as answer:
        pieces = list(answer.iter_raw())
    assert len(pieces) > 1
    assert b"".join(pieces) == whole


def test_the_sandbox_itself_is_reached_whatever_befalls_its_providers(sandbox: RunningSandbox):
    sandbox.set_faults(1, [{"provider": provider, "kind": "outage"} for provider in PROVIDERS])
    assert sandbox.client.get("/control/health").status_code == 200
    assert sandbox.client.get("/").status_code == 200
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.client.get(PRICES)
    assert [rule["struck"] for rule in sandbox.faults()["rules"] if rule["struck"]] == [1]


def test_a_line_that_is_cut_is_that_of_the_struck_request_only(sandbox: RunningSandbox):
    befall(sandbox, "accept_then_timeout", path="/v1/customers", seconds=600)
    with ThreadPoolExecutor() as threads:
        held = threads.submit(sandbox.client.get, "/stripe/v1/customers")
        while not sandbox.faults()["struck"]:
            assert not held.done()
        assert sandbox.client.get(PRICES).status_code == 200
        sandbox.clear_faults()
        with pytest.raises(httpx.RemoteProtocolError):
            held.result()


def test_requests_at_once_are_struck_as_often_as_the_rule_says(sandbox: RunningSandbox):
    befall(sandbox, "server_error", most=5)
    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda _: sandbox.client.get(PRICES).status_code, range(24)))
    assert (statuses.count(500), statuses.count(200)) == (5, 19)
    (rule,) = sandbox.faults()["rules"]
    assert (rule["seen"], rule["struck"]) == (24, 5)

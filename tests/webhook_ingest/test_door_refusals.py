"""What knocks and should not: refused with a problem document, counted, told as one incident; never a fault of ours."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from pilar.database.engine import Scope
from pilar.health.incidents import list_incidents
from tests.fixtures.system import serving
from tests.webhook_ingest.conftest import PARENT, House
from tests.webhook_ingest.doors import (
    DOORS,
    FORM,
    JSON,
    SMS,
    STATUS,
    STRIPE,
    VERIFY,
    WHATSAPP,
    meta_headers,
    stripe_headers,
)
from tests.webhook_ingest.test_doors import event, kept
from webhook_ingest.app import create_app
from webhook_ingest.protocol import BoundedProtocol

ANSWERS = {200, 400, 401, 403, 404, 405, 413, 415, 503}
HEALTH = "/api/autopilot/health"

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20)
    | st.sampled_from(["\x00", "\ud800", "9001", "NaN"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["id", "entry", "changes", "value", "metadata", "phone_number_id", "AccountSid"]),
                      inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
bodies = st.one_of(
    st.binary(max_size=200),
    values.map(lambda value: json.dumps(value).encode()),
    st.integers(1, 3_000).map(lambda depth: b'{"entry":' + b"[" * depth),
    st.integers(1, 900).map(lambda depth: b'{"entry":' + b"[" * depth + b"]" * depth + b"}"),
    st.integers(1, 9_000).map(lambda digits: b'{"id":' + b"9" * digits + b"}"),
    st.sampled_from(["utf-16", "utf-32"]).map('{"id":"evt_1"}'.encode),
    st.lists(st.tuples(st.sampled_from(["AccountSid", "MessageSid", "x"]), st.sampled_from([PARENT, "SM1", "%00", "\xff"])))
    .map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs).encode("latin-1")),
)  # fmt: skip
tokens = st.binary(max_size=40) | st.sampled_from(
    [b"t=1,v1=00", b"t=9999999999999999999,v1=", b"t=,v1", b"sha256=", b"sha256=\xe9", b"sha1=00", b"=", b",,,"]
)
types = st.sampled_from(
    [b"", JSON.encode(), FORM.encode(), b"application/json; charset=utf-8", b"text/plain", b"\xff;;="]
)


def knock(
    client: TestClient, house: House, path: str, body: bytes, token: bytes, kind: bytes, *, signed: bool
) -> httpx.Response:
    headers: list[tuple[Any, Any]] = [("stripe-signature", token), ("x-twilio-signature", token)]
    if kind:
        headers.append(("content-type", kind))
    if signed:
        headers = [*stripe_headers(house, body).items(), *headers]
        headers += list(meta_headers(body).items())
    else:
        headers.append(("x-hub-signature-256", token))
    return client.post(path, content=body, headers=headers)


def test_whatever_knocks_is_answered_and_never_with_a_fault(
    client: TestClient, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        path=st.sampled_from(DOORS),
        body=bodies,
        token=tokens,
        kind=types,
        signed=st.booleans(),
        query=st.sampled_from(["", "?a=%00&b=%ff", "?" + "x&" * 1_500]),
    )
    def story(path: str, body: bytes, token: bytes, kind: bytes, signed: bool, query: str) -> None:
        answer = knock(client, house, path + query, body, token, kind, signed=signed)
        assert answer.status_code in ANSWERS
        if answer.status_code != 200:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code

    with caplog.at_level(logging.INFO):
        story()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    # Nor does what was let in, since it was signed, stop whoever works on it.
    house.app.drain("test").run_until_idle(house.real.now() + timedelta(hours=1))
    with house.app.database.transaction(Scope.fleet()) as connection:
        left = connection.exec_driver_sql("select type, error_code from dead_letter").all()
    assert {code for _, code in left} <= {"invalid"}


def test_what_a_provider_never_sends_is_refused_by_its_type(client: TestClient, house: House) -> None:
    right = {STRIPE: JSON, WHATSAPP: JSON, VERIFY: JSON, SMS: FORM, STATUS: FORM}
    wrong = [
        {"content-type": kind}
        for kind in ("text/plain", "multipart/form-data; boundary=x", "x", f"{JSON}; charset=utf-16")
    ]
    for path, kind in right.items():
        for headers in (*wrong, {"content-type": kind, "content-encoding": "gzip"}):
            answer = client.post(path, content=b"{}", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type"), (path, headers)
            assert answer.headers["connection"] == "close"
    body = event()
    for kind in (JSON, "Application/JSON; Charset=UTF-8", 'application/json;charset="utf-8"'):
        headers = {**stripe_headers(house, body), "content-type": kind, "content-encoding": "identity"}
        assert client.post(STRIPE, content=body, headers=headers).status_code == 200
    assert client.get(HEALTH).json()["refused_deliveries"] == {
        "stripe.wrong_type": 5,
        "whatsapp.wrong_type": 10,
        "twilio.wrong_type": 10,
    }


@pytest.mark.parametrize("settings", [{"door_refusals_at_most": 3, "door_refusals_window_seconds": 60}], indirect=True)
def test_many_refusals_are_one_incident_while_it_is_open(
    client: TestClient, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(times: int, path: str = WHATSAPP) -> None:
        for _ in range(times):
            secret = {"x-hub-signature-256": "sha256=+31612345678"}
            assert client.post(path, content=b'{"from": "+31612345678"}', headers=secret).status_code == 403
        client.portal.call(client.app.state.entrance.refusals.settle)  # type: ignore[union-attr,attr-defined]
        house.app.drain("test").run_until_idle(house.real.now() + timedelta(seconds=20))

    refuse(3)
    refuse(3, STRIPE)
    assert found(house) == []
    with caplog.at_level(logging.INFO):
        refuse(5)
    assert found(house) == [("door:whatsapp", "security", "high", 1)]
    assert "31612345678" not in caplog.text
    house.real.advance(timedelta(seconds=60))
    refuse(4)
    assert found(house) == [("door:whatsapp", "security", "high", 2)]
    (incident,) = incidents(house)
    assert "bad_signature 4" in incident.description
    assert client.get(HEALTH).json()["refused_deliveries"] == {"whatsapp.bad_signature": 12, "stripe.bad_signature": 3}


def incidents(house: House) -> list[Any]:
    with house.app.database.transaction(Scope.fleet()) as connection:
        return list_incidents(connection, open_only=True)


def found(house: House) -> list[tuple[Any, ...]]:
    with house.app.database.transaction(Scope.fleet()) as connection:
        told = connection.exec_driver_sql(
            "select dedupe_key, component, severity, occurrences from incident where status = 'open'"
        )
        return [tuple(row) for row in told]


# On a real socket.


class Impatient(BoundedProtocol):
    """Waits for a head no longer than a test wants to."""

    head_seconds = 1.0
    head_bytes = 2_000


@contextmanager
def served(house: House, **options: Any) -> Iterator[int]:
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as listener,
        serving(house.app, listener, http=Impatient, **options),
    ):
        port = listener.getsockname()[1]
        httpx.get(f"http://127.0.0.1:{port}{HEALTH}", trust_env=False)  # it listens
        yield port


def said(port: int, *sent: bytes) -> bytes:
    """What is answered to a client that sends so much and then waits until the connection is closed."""
    with closing(socket.create_connection(("127.0.0.1", port), 20)) as line:
        for part in sent:
            line.sendall(part)
        told = b""
        while part := line.recv(65_536):
            told += part
        return told


@pytest.mark.parametrize("settings", [{"door_body_seconds": 0.2}], indirect=True)
def test_who_sends_slowly_is_cut_off_and_keeps_no_memory(house: House) -> None:
    head = f"POST {STRIPE} HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n"
    with served(house) as port:
        slow = [head.encode() + b"\r\n" + b"x" * 50_000, head.encode(), b"\r\n"]  # in the body, in the head, before it
        with ThreadPoolExecutor() as clients:
            answers = list(clients.map(lambda sent: said(port, sent), slow))
        assert [told.startswith(b"HTTP/1.1 408 ") for told in answers] == [True] * 3
        assert all(b"application/problem+json" in told for told in answers)
        endless = head.encode() + b"".join(b"x-%d: %s\r\n" % (number, b"y" * 100) for number in range(100))
        assert said(port, endless).startswith(b"HTTP/1.1 431 ")
        too_much = head.replace("100000", "99999999").encode() + b"\r\n"
        assert said(port, too_much).startswith(b"HTTP/1.1 413 ")  # and the rest is not waited for
        body = event()
        answer = httpx.post(
            f"http://127.0.0.1:{port}{STRIPE}", content=body, headers=stripe_headers(house, body), trust_env=False
        )
        assert answer.status_code == 200
        health = httpx.get(f"http://127.0.0.1:{port}{HEALTH}", trust_env=False).json()
        assert health["refused_deliveries"] == {"stripe.too_slow": 1, "stripe.too_large": 1}
    assert [name for _, name, _, _ in kept(house)] == ["evt_1"]


def test_memory_of_who_was_cut_off_is_given_back(house: House) -> None:
    impatient = house.app.settings.model_copy(update={"door_body_seconds": 0.01})
    app = create_app(replace(house.app, settings=impatient))
    free = app.state.entrance._memory._free

    async def endless() -> None:
        sent: list[Any] = []
        parts = iter([{"type": "http.request", "body": b"x" * 1_000, "more_body": True}])

        async def receive() -> Any:
            part = next(parts, None)
            if part is None:
                assert app.state.entrance._memory._free == free - 1_000
                await asyncio.Event().wait()
            return part

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "path": STRIPE, "method": "POST", "headers": [], "query_string": b"", "client": None}
        await app.state.entrance(scope, receive, send)
        assert sent[0]["status"] == 408

    asyncio.run(endless())
    assert app.state.entrance._memory._free == free

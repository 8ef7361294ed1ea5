"""Locks over the API: one holder, within one studio, until released or expired."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from pilar.backplane import limits
from pilar.backplane.limits import Limit
from pilar.security.principals import Kind
from tests.webhook_ingest.conftest import House

ACQUIRE = "/api/autopilot/locks/acquire"


@pytest.fixture
def headers(house: House) -> dict[str, str]:
    """Of a studio's program."""
    return house.bearer(Kind.MEMBER, house.studio("North").workspace_id)


def take(client: TestClient, headers: dict[str, str], key: str = "import", **more: Any) -> Any:
    return client.post(ACQUIRE, json={"key": key, **more}, headers=headers)


def test_a_lock_has_one_holder_until_it_is_released(client: TestClient, house: House, headers: dict[str, str]) -> None:
    first = take(client, headers, ttl_seconds=60, holder="the import")
    assert first.status_code == 201
    lock = first.json()
    assert (lock["key"], lock["holder"]) == ("import", "the import")
    house.real.advance(timedelta(seconds=15))
    refused = take(client, headers)
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (409, "held", "45")
    assert refused.headers["content-type"] == "application/problem+json"
    path = f"/api/autopilot/locks/{lock['lock_id']}"
    assert client.delete(path, headers=headers).status_code == 409, "the import holds it, and who asks does not say so"
    own = {"fencing_token": lock["fencing_token"]}
    released = client.delete(path, params=own, headers=headers)
    assert (released.status_code, released.content) == (204, b"")
    assert client.delete(path, headers=headers).status_code == 404
    second = take(client, headers).json()
    assert second["fencing_token"] > lock["fencing_token"]
    assert second["lock_id"] != lock["lock_id"]
    assert client.delete(path, headers=headers).status_code == 404


def test_an_expired_lock_is_anybodys_and_its_last_holder_has_no_say(
    client: TestClient, house: House, headers: dict[str, str]
) -> None:
    lock = take(client, headers, ttl_seconds=10).json()
    house.real.advance(timedelta(seconds=10))
    path = f"/api/autopilot/locks/{lock['lock_id']}"
    assert client.post(f"{path}/renew", json={}, headers=headers).status_code == 404
    assert client.delete(path, headers=headers).status_code == 404
    assert take(client, headers).status_code == 201
    assert client.delete(path, headers=headers).status_code == 404
    assert take(client, headers).status_code == 409


def test_a_renewed_lock_lasts_from_then_on(client: TestClient, house: House, headers: dict[str, str]) -> None:
    lock = take(client, headers, ttl_seconds=10).json()
    house.real.advance(timedelta(seconds=9))
    wanted = {"ttl_seconds": 30, "fencing_token": lock["fencing_token"]}
    renewed = client.post(f"/api/autopilot/locks/{lock['lock_id']}/renew", json=wanted, headers=headers)
    assert renewed.status_code == 200
    until = (house.real.now() + timedelta(seconds=30)).isoformat().replace("+00:00", "Z")
    assert renewed.json() == lock | {"expires_at": until}
    house.real.advance(timedelta(seconds=29))
    assert take(client, headers).status_code == 409


def test_another_fencing_token_is_refused(client: TestClient, headers: dict[str, str]) -> None:
    lock = take(client, headers).json()
    path, other = f"/api/autopilot/locks/{lock['lock_id']}", lock["fencing_token"] + 1
    assert client.post(f"{path}/renew", json={"fencing_token": other}, headers=headers).status_code == 409
    assert client.delete(path, params={"fencing_token": other}, headers=headers).status_code == 409
    own = {"fencing_token": lock["fencing_token"]}
    assert client.delete(path, params=own, headers=headers).status_code == 204


def test_studios_and_fleet_never_meet(client: TestClient, house: House, headers: dict[str, str]) -> None:
    south, system = house.bearer(Kind.OWNER, house.studio("South").workspace_id), house.bearer(Kind.SYSTEM)
    holdings = [take(client, whose).json() for whose in (headers, south, system)]
    assert len({lock["workspace_id"] for lock in holdings}) == 3
    colleague = house.bearer(Kind.MEMBER, UUID(holdings[0]["workspace_id"]))
    path = f"/api/autopilot/locks/{holdings[0]['lock_id']}"
    assert client.delete(path, headers=colleague).status_code == 409
    assert client.post(f"{path}/renew", json={}, headers=colleague).status_code == 409
    for lock, whose in ((holdings[0], south), (holdings[2], south), (holdings[1], headers)):
        path = f"/api/autopilot/locks/{lock['lock_id']}"
        assert client.delete(path, headers=whose).status_code == 404
        assert client.post(f"{path}/renew", json={}, headers=whose).status_code == 404
    assert take(client, south, workspace_id=holdings[0]["workspace_id"]).status_code == 403
    assert take(client, system, workspace_id=holdings[0]["workspace_id"]).status_code == 409
    assert client.delete(f"/api/autopilot/locks/{holdings[0]['lock_id']}", headers=system).status_code == 204


def test_of_many_who_try_at_once_one_gets_it(client: TestClient, headers: dict[str, str]) -> None:
    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(lambda _: take(client, headers), range(16)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 15


def test_a_repeated_request_gets_the_lock_it_got(client: TestClient, headers: dict[str, str]) -> None:
    headers = headers | {"idempotency-key": "k"}
    first, again = take(client, headers), take(client, headers)
    assert (again.status_code, again.json()) == (201, first.json())


def test_attempts_are_limited_for_each_studio_and_refusals_count(
    client: TestClient, house: House, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = limits.LOCKS
    assert (limit.amount, limit.window) == (100, timedelta(minutes=1))
    monkeypatch.setattr(limits, "LOCKS", Limit(limit.name, 3, limit.window))
    assert [take(client, headers).status_code for _ in range(4)] == [201, 409, 409, 429]
    assert take(client, headers).headers["retry-after"] == "30"
    assert take(client, house.bearer(Kind.OWNER, house.studio("South").workspace_id)).status_code == 201
    house.real.advance(timedelta(seconds=30))
    assert take(client, headers, key="other").status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        {"key": ""}, {"key": "a\x00"}, {"key": "x" * 201}, {"key": "k", "ttl_seconds": 0}, {},
        {"key": "k", "ttl_seconds": 3_601}, {"key": "k", "holder": ""}, {"key": "k", "more": 1},
    ],
)  # fmt: skip
def test_a_lock_has_a_form(body: dict[str, Any], client: TestClient, headers: dict[str, str]) -> None:
    assert client.post(ACQUIRE, json=body, headers=headers).status_code == 422

"""What the API promises beside who may call it: problems, pages of lists, repetition, limits, headers, description."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from pilar.backplane import audit, heartbeat
from pilar.backplane.facts import Cause, Job, enqueue
from pilar.backplane.notices import IncidentRequested
from pilar.backplane.tables import audit_log
from pilar.database.engine import Scope
from pilar.errors import Permanent
from pilar.health.incidents import open_incident
from pilar.ids import new_id
from pilar.provisioning.events import AdvanceProvisioning
from pilar.security.principals import Kind
from tests.webhook_ingest.conftest import ORIGIN, House
from webhook_ingest import guard
from webhook_ingest.app import create_app
from webhook_ingest.routes import ROUTES


def retries(house: House) -> int:
    with house.app.database.transaction(Scope.fleet()) as connection:
        return len(connection.execute(audit_log.select().filter_by(action="provisioning.retried")).all())


def test_the_system_is_well_while_a_worker_is_alive(client: TestClient, house: House) -> None:
    with house.app.database.transaction(Scope.fleet()) as connection:
        heartbeat.beat(connection, "w1", house.real.now())
    answer = client.get("/api/health/autopilot")
    assert answer.status_code == 200
    assert answer.json()["status"] == "healthy"
    assert answer.json()["workers_alive"] == 1


def _ask_for_work(house: House) -> None:
    job = Job(payload=AdvanceProvisioning(job_id=new_id()), key="1")
    with house.app.database.transaction(Scope.fleet()) as connection:
        enqueue(connection, house.app.clocks, [job], Cause.new())


def test_the_system_is_well_without_a_worker_while_nothing_waits_for_long(client: TestClient, house: House) -> None:
    _ask_for_work(house)
    answer = client.get("/api/health/autopilot")
    assert answer.status_code == 200
    assert (answer.json()["workers_alive"], answer.json()["waiting"][0]["count"]) == (0, 1)


def test_the_system_is_not_well_when_nobody_drains(client: TestClient, house: House) -> None:
    _ask_for_work(house)
    house.real.advance(timedelta(minutes=1))
    answer = client.get("/api/autopilot/health")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json() | {"checked_at": ""} == {
        "status": "unhealthy", "database": "reachable", "workers_alive": 0, "dead_letters": 0,
        "waiting": [{"lane": "default", "count": 1, "oldest_seconds": 60.0}],
        "refused_deliveries": {}, "checked_at": "",
        "inbox": {
            "state": "direct", "waiting": 0, "oldest_seconds": None, "refused": 0, "spooled": 0, "replayed": 0,
            "turned_away": 0,
        },
    }  # fmt: skip


def test_a_studios_status_tells_each_step_and_whom_it_waits_on(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    house.step(
        studio, "whatsapp_connection", "waiting", status="waiting", attempts=1, waits_on="studio",
        wait_reason="the owner has to accept Meta's terms", wait_since=house.real.now(),
    )  # fmt: skip
    path = f"/api/provisioning/workspace/{studio.workspace_id}/status"
    owner = client.get(path, headers=house.bearer(Kind.OWNER, studio.workspace_id)).json()
    assert owner["state"] == "waiting"
    assert [step["name"] for step in owner["steps"]] == [step.name for step in house.app.steps]
    [waiting] = [step for step in owner["steps"] if step["waits_on"]]
    assert waiting["wait_link"] == f"{ORIGIN}/setup/{studio.setup_token}"
    member = client.get(path, headers=house.bearer(Kind.MEMBER, studio.workspace_id))
    assert studio.setup_token not in member.text
    alias = client.get(f"/api/provisioning/status/{studio.workspace_id}", headers=house.bearer(Kind.ADMIN))
    assert alias.json() == owner


def test_a_studio_that_is_not_there_is_not_found(client: TestClient, house: House) -> None:
    answer = client.get(
        "/api/provisioning/status/00000000-0000-7000-8000-000000000000", headers=house.bearer(Kind.ADMIN)
    )
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:pilar:problem:not_found", "title": "Not Found", "status": 404, "code": "not_found",
        "detail": "There is no such studio.",
    }  # fmt: skip


def pages(client: TestClient, path: str, headers: dict[str, str], limit: int) -> list[list[dict[str, Any]]]:
    found, cursor = [], None
    while True:
        query = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        page = client.get(path, params=query, headers=headers).json()
        found.append(page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def test_lists_go_on_by_cursor_without_gap_or_repetition(client: TestClient, house: House) -> None:
    studios = [house.studio(f"Studio {number}") for number in range(5)]
    admin = house.bearer(Kind.ADMIN)
    found = pages(client, "/api/provisioning/workspaces", admin, 2)
    assert [len(page) for page in found] == [2, 2, 1]
    assert [item["name"] for page in found for item in page] == [studio.name for studio in reversed(studios)]
    assert len(pages(client, "/api/provisioning/workspaces", admin, 5)) == 1

    with house.app.database.transaction(Scope.fleet()) as connection:
        for number in range(3):
            request = IncidentRequested(
                dedupe_key=f"k{number}", title=f"t{number}", description="d", severity="high", component="c"
            )
            open_incident(connection, request, None, None, house.app.clocks.business.now())
            audit.record(
                connection, actor="system", action=f"test.{number}", subject="x", now=house.real.now(),
                workspace_id=studios[0].workspace_id,
            )  # fmt: skip
    found = pages(client, "/api/health/incidents", admin, 2)
    assert [item["title"] for page in found for item in page] == ["t2", "t1", "t0"]
    owner = house.bearer(Kind.OWNER, studios[0].workspace_id)
    found = pages(client, f"/api/security/audit/{studios[0].workspace_id}", owner, 2)
    actions = [item["action"] for page in found for item in page]
    assert actions == ["security.token_created", "test.2", "test.1", "test.0"]


@pytest.mark.parametrize("query", [{"cursor": "%%%"}, {"cursor": "AAAA"}, {"limit": 0}, {"limit": 201}, {"limit": "x"}])
def test_a_list_is_not_asked_for_nonsense(query: dict[str, Any], client: TestClient, house: House) -> None:
    studio, admin = house.studio("North"), house.bearer(Kind.ADMIN)
    for path in ("/api/provisioning/workspaces", "/api/health/incidents", f"/api/security/audit/{studio.workspace_id}"):
        answer = client.get(path, params=query, headers=admin)
        assert answer.status_code == 422
        assert answer.json()["code"] == "invalid"


def test_what_was_sent_is_not_repeated_in_a_problem(client: TestClient, house: House) -> None:
    answer = client.get("/api/provisioning/workspaces?limit=my-secret", headers=house.bearer(Kind.ADMIN))
    assert answer.json()["errors"][0]["at"] == "query/limit"
    assert "my-secret" not in answer.text


def test_a_retry_is_done_once_per_key_and_its_answer_replayed(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    path = f"/api/provisioning/workspace/{studio.workspace_id}/retry"
    headers = house.bearer(Kind.OWNER, studio.workspace_id) | {"idempotency-key": "first"}
    first, again = client.post(path, headers=headers), client.post(path, headers=headers)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json() == {"workspace_id": str(studio.workspace_id), "status": "accepted"}
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert retries(house) == 1
    assert client.post(path, headers=headers | {"idempotency-key": "second"}).status_code == 200
    assert client.post(path, headers=house.bearer(Kind.ADMIN) | {"idempotency-key": "first"}).status_code == 200
    assert retries(house) == 3


def test_a_key_is_not_for_two_requests(client: TestClient, house: House) -> None:
    studio, other, headers = house.studio("North"), house.studio("South"), house.bearer(Kind.ADMIN)
    headers["idempotency-key"] = "same"
    assert client.post(f"/api/provisioning/workspace/{studio.workspace_id}/retry", headers=headers).status_code == 200
    answer = client.post(f"/api/provisioning/workspace/{other.workspace_id}/retry", headers=headers)
    assert answer.status_code == 409
    assert answer.json()["code"] == "conflict"
    assert retries(house) == 1


def test_what_failed_may_be_sent_again_under_its_key(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    path = f"/api/provisioning/workspace/{studio.workspace_id}/retry"
    headers = house.bearer(Kind.ADMIN) | {"idempotency-key": "k"}
    house.step(studio, "activation", "completed", status="completed")
    assert client.post(path, headers=headers).status_code == 409
    house.step(studio, "activation", "failed", status="failed")
    assert client.post(path, headers=headers).status_code == 200


@pytest.mark.parametrize("key", ["", "x" * 256, "é"])
def test_a_key_has_a_form(key: str, client: TestClient, house: House) -> None:
    studio = house.studio("North")
    headers = house.bearer(Kind.ADMIN) | {"idempotency-key": key.encode("latin-1")}
    path = f"/api/provisioning/workspace/{studio.workspace_id}/retry"
    assert client.post(path, headers=headers).status_code == 422


def test_who_calls_too_often_is_told_when_to_come_back(
    client: TestClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = guard.Limit("requests_per_principal", 3, guard.PER_PRINCIPAL.window)
    monkeypatch.setattr(guard, "PER_PRINCIPAL", limit)
    admin, other = house.bearer(Kind.ADMIN), house.bearer(Kind.ADMIN)
    assert [client.get("/api/health/incidents", headers=admin).status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = client.get("/api/health/incidents", headers=admin)
    assert answer.headers["retry-after"] == "30"
    assert answer.json()["code"] == "too_many_requests"
    assert client.get("/api/health/incidents", headers=other).status_code == 200
    house.real.advance(timedelta(seconds=30))
    assert client.get("/api/health/incidents", headers=admin).status_code == 200


def test_guessing_tokens_is_limited_too(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "PER_ADDRESS", guard.Limit("requests_per_address", 5, guard.PER_ADDRESS.window))
    guesses = [{"authorization": f"Bearer pilar_token_{number}"} for number in range(12)]
    statuses = [client.get("/api/health/incidents", headers=guess).status_code for guess in guesses]
    assert statuses == [401] * 5 + [429] * 7


def test_a_body_is_bounded(client: TestClient, house: House) -> None:
    path = f"/api/provisioning/workspace/{house.studio('North').workspace_id}/retry"
    answer = client.post(path, content=b"x" * (1024 * 1024 + 1), headers=house.bearer(Kind.ADMIN))
    assert answer.status_code == 413
    assert answer.json()["status"] == 413


def test_an_address_that_leads_nowhere_says_so_to_programs_and_to_people(client: TestClient) -> None:
    assert client.get("/api/nothing").json()["code"] == "not_found"
    assert client.get("/docs", headers={"accept": "text/html"}).status_code == 404
    page = client.get("/nothing", headers={"accept": "text/html"})
    assert page.status_code == 404
    assert "<h1>Not Found</h1>" in page.text
    assert client.delete("/api/health/autopilot").status_code == 405


@pytest.mark.parametrize("error", [RuntimeError("token=sk_live_abcdefghijklmnop"), Permanent("anna.smith@example.com")])
def test_an_unforeseen_error_tells_nobody_anything_but_the_log_and_that_is_masked(
    error: Exception,
    client: TestClient,
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(type(house.app.overview), "list_studios", fail)
    monkeypatch.setattr("pilar.operator.overview.list_studios", fail)
    for accept in ("application/json", "text/html"):
        with caplog.at_level(logging.WARNING):
            path = "/overview" if accept == "text/html" else "/api/provisioning/workspaces"
            answer = client.get(path, headers=house.bearer(Kind.ADMIN) | {"accept": accept})
        assert answer.status_code == 500
        assert "Something went wrong on our side." in answer.text
        assert "x-content-type-options" in answer.headers
        for secret in ("sk_live", "anna.smith", "Traceback", "RuntimeError"):
            assert secret not in answer.text
    assert caplog.records
    assert "sk_live_abc" not in caplog.text
    assert "anna.smith" not in caplog.text


def test_tokens_in_addresses_are_not_logged(client: TestClient, house: House, caplog: pytest.LogCaptureFixture) -> None:
    studio = house.studio("North")
    with caplog.at_level(logging.INFO, logger="webhook_ingest"):
        client.get(f"/setup/{studio.setup_token}")
        client.get(f"/setup/callback?state={studio.setup_token}&code=secret-code")
    assert "/setup/{token}" in caplog.text
    assert studio.setup_token not in caplog.text
    assert "secret-code" not in caplog.text


def test_every_answer_carries_the_security_headers(client: TestClient, house: House) -> None:
    house.sign_in(client, house.person("founder@pilar.test", is_founder=True))
    for path in ("/overview", "/api/health/autopilot", "/nothing", "/static/app.css", "/api/webhooks/stripe"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "unsafe" not in policy
        for directive in ("default-src 'self'", "frame-ancestors 'none'", "object-src 'none'", "base-uri 'self'"):
            assert directive in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "permissions-policy" in headers
        assert "referrer-policy" in headers
        assert "strict-transport-security" not in headers


@pytest.mark.parametrize("settings", [{"public_url": "https://pilar.test"}], indirect=True)
def test_over_https_browsers_are_told_to_stay_there(house: House) -> None:
    with TestClient(create_app(house.app), base_url="https://pilar.test") as client:
        assert "max-age" in client.get("/static/app.css").headers["strict-transport-security"]
        person = house.person("founder@pilar.test", is_founder=True, password="a long password")
        assert person
        form = {"email": "founder@pilar.test", "password": "a long password"}
        cookie = client.post("/sign-in", data=form, follow_redirects=False).headers["set-cookie"]
        assert cookie.startswith("__Host-pilar=")
        for attribute in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"):
            assert attribute in cookie


def test_the_description_is_complete(client: TestClient, house: House) -> None:
    document = client.get("/openapi.json", headers=house.bearer(Kind.ADMIN)).json()
    described = {
        (method.upper(), path): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    expected = [entry for entry in ROUTES if entry.answers in {"json", "door"}]
    assert set(described) == {(entry.method, entry.path) for entry in expected}
    for entry in expected:
        operation = described[entry.method, entry.path]
        assert operation["operationId"] == entry.name
        assert operation["summary"] == entry.summary != ""
        assert "application/problem+json" in operation["responses"]["default"]["content"]
        if entry.answers == "json":
            assert entry.status == 204 or operation["responses"][str(entry.status)]["content"]["application/json"]
            assert {str(status) for status in entry.responses} < set(operation["responses"])
            assert ("security" in operation) != entry.requires.is_public

"""Events and jobs that come in over the API: which, whose, how many, and once per key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from pilar.backplane import idempotency, limits, posting
from pilar.backplane.facts import Kind as FactKind
from pilar.backplane.limits import Limit
from pilar.clocks import ManualClock
from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.security.principals import Kind
from pilar.workspaces import store as workspaces
from tests.webhook_ingest.conftest import House

EVENTS, JOBS = "/api/autopilot/events", "/api/autopilot/jobs"
SUBMIT = {"type": "messaging.submit_templates", "payload": {}}


def asked_for(**more: Any) -> dict[str, Any]:
    return {"type": "coaching.asked_for", "payload": {"lead_id": str(new_id())}, **more}


def rows(house: House, statement: str) -> list[Any]:
    with house.app.database.transaction(Scope.fleet()) as connection:
        return list(connection.exec_driver_sql(statement).all())


def count(house: House, table: str) -> int:
    return int(rows(house, f"select count(*) from {table}")[0][0])


def test_a_studios_token_posts_an_event_that_is_due_at_once(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    body = asked_for(idempotency_key="lead 1", correlation_id=str(new_id()))
    answer = client.post(EVENTS, json=body, headers=house.bearer(Kind.MEMBER, studio.workspace_id))
    assert answer.status_code == 201
    found = answer.json()
    assert {name: found[name] for name in ("type", "version", "payload", "idempotency_key", "correlation_id")} == {
        "type": "coaching.asked_for", "version": 1, "payload": body["payload"], "idempotency_key": "lead 1",
        "correlation_id": body["correlation_id"],
    }  # fmt: skip
    assert found["workspace_id"] == str(studio.workspace_id)
    assert found["aggregate"] == {"type": "workspace", "id": str(studio.workspace_id)}
    assert rows(house, f"select kind, workspace_id from queue where position = {found['position']}") == [
        (2, studio.workspace_id)
    ]
    [(actor,)] = rows(house, f"select actor from audit_log where subject = 'event:{found['id']}'")
    assert actor.startswith("token:")


def test_a_job_waits_for_its_moment_of_business_time(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    later = house.app.clocks.business.now() + timedelta(hours=3)
    body = SUBMIT | {"scheduled_at": later.isoformat(), "priority": 70}
    answer = client.post(JOBS, json=body, headers=house.bearer(Kind.OWNER, studio.workspace_id))
    assert (answer.status_code, answer.json()["priority"]) == (201, 70)
    assert count(house, "queue") == 0
    assert rows(house, "select due_at, business_time, priority from scheduled") == [(later, True, 70)]


def test_an_event_waits_for_its_moment_and_is_handled_then(client: TestClient, house: House) -> None:
    later = house.app.clocks.business.now() + timedelta(hours=3)
    payload = {"dedupe_key": "k", "title": "t", "description": "d", "severity": "low", "component": "c"}
    body = {"type": "incident.requested", "payload": payload, "scheduled_at": later.isoformat(), "priority": 70}
    answer = client.post(EVENTS, json=body, headers=house.bearer(Kind.ADMIN))
    assert answer.status_code == 201
    position = answer.json()["position"]
    assert count(house, "queue") == 0
    assert rows(house, "select position, kind, type, priority, due_at, business_time from scheduled") == [
        (position, 2, "incident.requested", 70, later, True)
    ]
    business = house.app.clocks.business
    assert isinstance(business, ManualClock)
    for wait, incidents in ((timedelta(hours=2), 0), (timedelta(hours=1), 1)):
        business.advance(wait)
        drain = house.app.drain("test")
        with closing(drain):
            drain.run_until_idle(house.real.now() + timedelta(seconds=20))
        assert count(house, "incident") == incidents


def test_the_same_key_is_the_same_fact_and_no_other(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    owner, member = (house.bearer(kind, studio.workspace_id) for kind in (Kind.OWNER, Kind.MEMBER))
    body = asked_for(idempotency_key="k")
    first, again = client.post(EVENTS, json=body, headers=owner), client.post(EVENTS, json=body, headers=member)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    for other in (asked_for(idempotency_key="k"), body | {"aggregate": {"type": "lead", "id": "1"}}):
        refused = client.post(EVENTS, json=other, headers=owner)
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    job = SUBMIT | {"idempotency_key": "k"}
    assert client.post(JOBS, json=job, headers=owner).status_code == 201
    assert client.post(JOBS, json=job | {"priority": 51}, headers=owner).status_code == 409
    south = house.bearer(Kind.OWNER, house.studio("South").workspace_id)
    assert client.post(EVENTS, json=body, headers=south).status_code == 201
    assert (count(house, "autopilot_event"), count(house, "autopilot_job")) == (2, 1)


def test_many_at_once_with_one_key_make_one_fact(client: TestClient, house: House) -> None:
    headers, body = house.bearer(Kind.OWNER, house.studio("North").workspace_id), asked_for(idempotency_key="k")
    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(lambda _: client.post(EVENTS, json=body, headers=headers), range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert count(house, "queue") == 1


def test_a_header_answers_once_to_the_same_caller_only(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    owner, member = (
        house.bearer(kind, studio.workspace_id) | {"idempotency-key": "k"} for kind in (Kind.OWNER, Kind.MEMBER)
    )
    body = asked_for()
    first, again = client.post(EVENTS, json=body, headers=owner), client.post(EVENTS, json=body, headers=owner)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert client.post(EVENTS, json=asked_for(), headers=owner).status_code == 409
    theirs = client.post(EVENTS, json=body, headers=member)
    assert (theirs.status_code, "idempotency-replayed" in theirs.headers) == (201, False)
    assert theirs.json()["id"] != first.json()["id"]
    assert count(house, "autopilot_event") == 2


@pytest.mark.parametrize("path", [EVENTS, JOBS])
def test_a_header_makes_one_fact_though_its_answer_was_lost(path: str, client: TestClient, house: House) -> None:
    """The process died between the fact's commit and keeping the answer: the key is tried again later."""
    headers = house.bearer(Kind.OWNER, house.studio("North").workspace_id) | {"idempotency-key": "k"}
    body = asked_for() if path == EVENTS else SUBMIT
    first = client.post(path, json=body, headers=headers)
    with house.app.database.transaction(Scope.fleet()) as connection:
        connection.exec_driver_sql("update api_request set status = null, headers = null, body = null")
    assert client.post(path, json=body, headers=headers).json()["code"] == "busy"
    house.real.advance(idempotency.ABANDONED_AFTER)
    again = client.post(path, json=body, headers=headers)
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])


def test_what_only_the_product_can_know_does_not_come_from_outside(client: TestClient, house: House) -> None:
    studio, registry = house.studio("North"), house.app.registry
    owner = house.bearer(Kind.OWNER, studio.workspace_id)
    internal = {(kind, name) for (kind, name), model in registry.payloads.items() if not model.from_outside}
    assert {name for _, name in internal} >= {
        "message.received", "messaging.send", "provisioning.advance", "provisioning.step_completed",
        "workspace.activated", "subscription.read", "lead.opted_out", "incident.requested",
    }  # fmt: skip
    for kind, name in internal:
        path = EVENTS if kind is FactKind.EVENT else JOBS
        answer = client.post(path, json={"type": name, "payload": {}}, headers=owner)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), name
    assert count(house, "autopilot_event") == count(house, "autopilot_job") == 0


def test_those_in_charge_of_the_fleet_post_any_type_for_any_studio_or_none(client: TestClient, house: House) -> None:
    studio, system = house.studio("North"), house.bearer(Kind.SYSTEM)
    payload = {"dedupe_key": "k", "title": "t", "description": "d", "severity": "low", "component": "c"}
    body = {"type": "incident.requested", "payload": payload}
    fleet = client.post(EVENTS, json=body, headers=system)
    theirs = client.post(EVENTS, json=body | {"workspace_id": str(studio.workspace_id)}, headers=system)
    assert [answer.status_code for answer in (fleet, theirs)] == [201, 201]
    assert [answer.json()["workspace_id"] for answer in (fleet, theirs)] == [None, str(studio.workspace_id)]
    nobody = client.post(EVENTS, json=body | {"workspace_id": str(new_id())}, headers=system)
    assert nobody.status_code == 404


def test_a_studio_posts_for_itself_only(client: TestClient, house: House) -> None:
    north, south = house.studio("North"), house.studio("South")
    owner = house.bearer(Kind.OWNER, north.workspace_id)
    own, other = (asked_for(workspace_id=str(one.workspace_id)) for one in (north, south))
    assert client.post(EVENTS, json=own, headers=owner).status_code == 201
    assert client.post(EVENTS, json=other, headers=owner).status_code == 403
    affiliate = house.sign_in(client, house.person("bram@blog.test"))
    house.affiliate("Bram")
    assert client.post(EVENTS, json=own, headers={"x-csrf-token": affiliate}).status_code == 403


def test_who_has_several_studios_names_one(browser: TestClient, house: House) -> None:
    north, south, other = (house.studio(name) for name in ("North", "South", "East"))
    with house.app.database.transaction(Scope.fleet()) as connection:
        workspaces.ensure_membership(connection, south.workspace_id, north.owner, "member", house.real.now())
    headers = {"x-csrf-token": house.sign_in(browser, north.owner)}
    assert browser.post(EVENTS, json=asked_for(), headers=headers).status_code == 422
    for studio, status in ((north, 201), (south, 201), (other, 403)):
        answer = browser.post(EVENTS, json=asked_for(workspace_id=str(studio.workspace_id)), headers=headers)
        assert answer.status_code == status


def test_an_unknown_type_is_told_which_there_are(client: TestClient, house: House) -> None:
    studio = house.studio("North").workspace_id
    for headers, is_all in ((house.bearer(Kind.OWNER, studio), False), (house.bearer(Kind.ADMIN), True)):
        for path, kind in ((EVENTS, FactKind.EVENT), (JOBS, FactKind.JOB)):
            answer = client.post(path, json={"type": "no.such", "payload": {}}, headers=headers)
            assert answer.status_code == 422
            assert answer.json()["known_types"] == posting.postable(house.app.registry, kind, any_type=is_all)
    assert "coaching.asked_for" in posting.postable(house.app.registry, FactKind.EVENT, any_type=False)


@pytest.mark.parametrize(
    ("payload", "at"),
    [
        ({}, "body/payload/lead_id"),
        ({"lead_id": "my-secret"}, "body/payload/lead_id"),
        ({"lead_id": "00000000-0000-7000-8000-000000000000", "more": 1}, "body/payload/more"),
    ],
)
def test_a_payload_is_held_against_its_type(payload: Any, at: str, client: TestClient, house: House) -> None:
    headers = house.bearer(Kind.OWNER, house.studio("North").workspace_id)
    answer = client.post(EVENTS, json={"type": "coaching.asked_for", "payload": payload}, headers=headers)
    assert answer.status_code == 422
    assert [error["at"] for error in answer.json()["errors"]] == [at]
    assert "my-secret" not in answer.text


@pytest.mark.parametrize("text", [r'"a\u0000b"', r'"\ud800"', "NaN", "1e999"])
def test_what_can_not_be_kept_is_refused_and_not_an_error_of_ours(text: str, client: TestClient, house: House) -> None:
    payload = f'{{"dedupe_key": "k", "title": {text}, "description": "d", "severity": "low", "component": "c"}}'
    body = f'{{"type": "incident.requested", "payload": {payload}}}'
    headers = house.bearer(Kind.ADMIN) | {"content-type": "application/json"}
    assert client.post(EVENTS, content=body, headers=headers).status_code == 422
    assert count(house, "autopilot_event") == 0


@pytest.mark.parametrize(
    "change",
    [
        {"type": ""}, {"type": "a\x00"}, {"payload": []}, {"idempotency_key": ""}, {"idempotency_key": "x" * 201},
        {"idempotency_key": "a\x00"}, {"more": 1}, {"aggregate": {"type": "x"}},
    ],
)  # fmt: skip
def test_a_posting_has_a_form(change: dict[str, Any], client: TestClient, house: House) -> None:
    headers = house.bearer(Kind.OWNER, house.studio("North").workspace_id)
    assert client.post(EVENTS, json=asked_for() | change, headers=headers).status_code == 422


@pytest.mark.parametrize("change", [{"priority": 101}, {"priority": -1}, {"scheduled_at": "2027-03-01T09:00:00"}])
def test_a_job_has_a_form(change: dict[str, Any], client: TestClient, house: House) -> None:
    headers = house.bearer(Kind.OWNER, house.studio("North").workspace_id)
    assert client.post(JOBS, json=SUBMIT | change, headers=headers).status_code == 422


@pytest.mark.parametrize(("path", "name"), [(EVENTS, "EVENTS"), (JOBS, "JOBS")])
def test_a_studio_posts_so_many_an_hour_and_repetitions_are_free(
    path: str, name: str, client: TestClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit: Limit = getattr(limits, name)
    assert (limit.amount, limit.window) == ({"EVENTS": 1_000, "JOBS": 500}[name], timedelta(hours=1))
    monkeypatch.setattr(limits, name, Limit(limit.name, 2, limit.window))
    studio, other = house.studio("North").workspace_id, house.studio("South").workspace_id
    headers = house.bearer(Kind.OWNER, studio)
    bodies = [{**(asked_for() if path == EVENTS else SUBMIT), "idempotency_key": str(number)} for number in range(3)]

    def post(body: dict[str, Any], whose: dict[str, str]) -> Any:
        return client.post(path, json=body, headers=whose)

    assert [post(body, headers).status_code for body in bodies] == [201, 201, 429]
    assert post(bodies[0], headers).status_code == 200
    refused = post(bodies[2], headers)
    assert refused.headers["retry-after"] == str(3_600 - 30)
    assert count(house, "queue") == 2
    admin = house.bearer(Kind.ADMIN)
    assert post(bodies[2] | {"workspace_id": str(studio)}, admin).status_code == 429
    assert post(bodies[2], house.bearer(Kind.OWNER, other)).status_code == 201
    house.real.advance(timedelta(hours=1))
    assert post(bodies[2], headers).status_code == 201

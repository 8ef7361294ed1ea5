"""Work over the API: read by a studio its own, cancelled, put off; dead letters, pauses, effects in doubt, status."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from pilar.backplane import heartbeat
from pilar.backplane.breakers import Breakers
from pilar.backplane.effects import Effect, EffectLedger, EffectSettled
from pilar.backplane.facts import Cause, Event, Job, Lane, emit, enqueue
from pilar.backplane.work import EventState, JobState, Status
from pilar.coach.events import SendNudge
from pilar.database.engine import Scope
from pilar.errors import OutcomeUnknown
from pilar.ids import FLEET, new_id
from pilar.messaging.events import ReleaseHeld, SubmitTemplates
from pilar.provisioning.events import AdvanceProvisioning
from pilar.security.principals import Kind
from tests.webhook_ingest.conftest import House, Studio
from webhook_ingest.api import dead_letters as dead_api
from webhook_ingest.api.work import EventStateItem, JobStateItem

EVENTS, JOBS, DEAD = "/api/autopilot/events", "/api/autopilot/jobs", "/api/autopilot/dead-letters"
PAUSES, EFFECTS = "/api/autopilot/pauses", "/api/autopilot/effects"


def ask(house: House, studio: UUID | None, key: str, payload: Any = None, **options: Any) -> str:
    """A job of a studio's; its id."""
    job = Job(payload=payload or SubmitTemplates(), key=key, workspace_id=studio, **options)
    with house.app.database.transaction(Scope.fleet()) as connection:
        assert enqueue(connection, house.app.clocks, [job], Cause.new()) == 1
        return str(connection.exec_driver_sql("select id from autopilot_job order by position desc limit 1").scalar())


def release() -> ReleaseHeld:
    """A job that finds nothing to do."""
    return ReleaseHeld(workspace_id=None, control_id=new_id())


def rows(house: House, statement: str) -> list[Any]:
    with house.app.database.transaction(Scope.fleet()) as connection:
        return list(connection.exec_driver_sql(statement).all())


def bury(house: House, studio: UUID | None, *keys: str, type_name: str = "messaging.submit_templates") -> list[str]:
    """Jobs whose type nobody knows any more, dead: their ids."""
    ids = [ask(house, studio, key) for key in keys]
    with house.app.database.transaction(Scope.fleet()) as connection:
        connection.exec_driver_sql("update queue set type = 'no.such' where handler = ''")
    drain(house)
    with house.app.database.transaction(Scope.fleet()) as connection:
        connection.exec_driver_sql(f"update dead_letter set type = '{type_name}' where type = 'no.such'")
    return ids


def drain(house: House) -> None:
    drain = house.app.drain("test")
    with closing(drain):
        drain.run_until_idle(house.real.now() + timedelta(seconds=20))


def test_every_column_of_a_job_is_told_as_it_is(client: TestClient, house: House) -> None:
    assert set(JobStateItem.model_fields) == set(JobState.__dataclass_fields__)
    assert set(EventStateItem.model_fields) == set(EventState.__dataclass_fields__)
    studio = house.studio("North").workspace_id
    made = ask(house, studio, "1", priority=70)
    owner = house.bearer(Kind.OWNER, studio)
    found = client.get(f"{JOBS}/{studio}/{made}", headers=owner)
    assert found.status_code == 200
    told = found.json()
    assert (told["id"], told["status"], told["priority"], told["attempts"], told["idempotency_key"]) == (
        made, "pending", 70, 0, "1",
    )  # fmt: skip
    assert client.get(JOBS, headers=owner).json()["items"] == [told]
    assert client.get(f"{JOBS}/{studio}", headers=owner).json()["items"] == [told]


def test_an_events_handlers_are_told_one_by_one(client: TestClient, house: House) -> None:
    studio, subject = house.studio("North").workspace_id, new_id()
    settled = EffectSettled(effect_id=subject, kind="test.none", state="unknown")
    event = Event(payload=settled, key="k", aggregate=("effect", str(subject)), workspace_id=studio)
    with house.app.database.transaction(Scope.fleet()) as connection:
        emit(connection, house.app.clocks, [event], Cause.new())
    drain(house)
    params = {"type": EffectSettled.type_name}
    [told] = client.get(EVENTS, params=params, headers=house.bearer(Kind.OWNER, studio)).json()["items"]
    assert (told["aggregate_type"], told["aggregate_id"], told["status"]) == ("effect", str(subject), "completed")
    assert {one["handler"]: one["status"] for one in told["handlers"]} == {
        "agents.effects": "completed", "agents.refusal_effects": "completed",
        "messaging.effects": "completed", "provisioning.effects": "completed",
    }  # fmt: skip
    same = client.get(f"{EVENTS}/{studio}/{told['id']}", headers=house.bearer(Kind.MEMBER, studio)).json()
    assert same == told


def test_a_studio_sees_its_own_and_the_founder_everybodys(client: TestClient, house: House) -> None:
    north, south = house.studio("North").workspace_id, house.studio("South").workspace_id
    own, theirs, fleets = ask(house, north, "1"), ask(house, south, "1"), ask(house, None, "1")
    owner, admin = house.bearer(Kind.OWNER, north), house.bearer(Kind.ADMIN)

    def seen(path: str, headers: dict[str, str], **params: Any) -> list[str]:
        answer = client.get(path, params=params, headers=headers)
        return [one["id"] for one in answer.json()["items"]] if answer.status_code == 200 else [str(answer.status_code)]

    assert seen(JOBS, owner) == [own]
    assert seen(JOBS, owner, workspace_id=str(south)) == ["403"]
    assert set(seen(JOBS, admin)) == {own, theirs, fleets}
    assert seen(JOBS, admin, workspace_id=str(south)) == seen(f"{JOBS}/{south}", admin) == [theirs]
    assert seen(f"{JOBS}/{new_id()}", admin) == ["404"]
    assert client.get(f"{JOBS}/{north}/{theirs}", headers=owner).status_code == 404
    assert client.get(f"{JOBS}/{north}/{theirs}", headers=admin).status_code == 404
    assert client.get(f"{JOBS}/{FLEET}/{fleets}", headers=admin).json()["workspace_id"] is None
    assert client.get(f"{JOBS}/{FLEET}/{fleets}", headers=owner).status_code == 403


def test_lists_are_filtered_and_go_on_by_cursor(client: TestClient, house: House) -> None:
    studio = house.studio("North").workspace_id
    owner = house.bearer(Kind.OWNER, studio)
    ids = [ask(house, studio, str(number)) for number in range(5)]
    later = ask(house, studio, "later", due_at=house.real.now() + timedelta(hours=1))
    other = ask(house, studio, "other", release())

    def seen(**params: Any) -> list[str]:
        return [one["id"] for one in client.get(JOBS, params=params, headers=owner).json()["items"]]

    assert seen(status="scheduled") == [later]
    assert seen(type=ReleaseHeld.type_name) == [other]
    story = client.get(f"{JOBS}/{studio}/{ids[0]}", headers=owner).json()["correlation_id"]
    assert seen(correlation_id=story) == [ids[0]]
    paged, cursor = [], None
    for _ in range(4):
        page = client.get(JOBS, params={"limit": 2, "cursor": cursor} if cursor else {"limit": 2}, headers=owner).json()
        paged += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert paged == seen()
    assert len(paged) == 7
    for params in ({"status": "lost"}, {"cursor": "!"}, {"limit": 0}, {"correlation_id": "x"}):
        assert client.get(JOBS, params=params, headers=owner).status_code == 422


def test_a_job_is_cancelled_once_and_not_when_it_has_ended(client: TestClient, house: House) -> None:
    studio = house.studio("North").workspace_id
    owner = house.bearer(Kind.OWNER, studio)
    path = f"{JOBS}/{studio}/{ask(house, studio, '1')}"
    for was in (Status.PENDING, Status.CANCELLED):
        answer = client.delete(path, params={"reason": "not needed"}, headers=owner)
        assert (answer.status_code, answer.json()["was"], answer.json()["was_running"]) == (200, was, False)
    assert client.get(path, headers=owner).json()["status"] == "cancelled"
    [(actor, reason)] = rows(
        house, "select actor, details ->> 'reason' from audit_log where action = 'queue.cancelled'"
    )
    assert (actor.partition(":")[0], reason) == ("token", "not needed")
    done = ask(house, studio, "2", release())
    drain(house)
    refused = client.delete(f"{JOBS}/{studio}/{done}", headers=house.bearer(Kind.ADMIN))
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


def test_a_studio_changes_only_what_it_may_ask_for(client: TestClient, house: House) -> None:
    north, south = house.studio("North"), house.studio("South")
    internal = ask(house, north.workspace_id, "1", AdvanceProvisioning(job_id=north.job_id))
    path = f"{JOBS}/{north.workspace_id}/{internal}"
    owner = house.bearer(Kind.OWNER, north.workspace_id)
    assert client.delete(path, headers=owner).status_code == 403
    assert client.post(f"{path}/reschedule", json={"scheduled_at": None}, headers=owner).status_code == 403
    theirs = ask(house, south.workspace_id, "1")
    assert client.delete(f"{JOBS}/{north.workspace_id}/{theirs}", headers=owner).status_code == 404
    assert client.delete(path, headers=house.bearer(Kind.SYSTEM)).status_code == 200
    assert rows(house, "select count(*) from queue") == [(1,)]


def test_a_job_is_put_off_and_brought_forward(client: TestClient, house: House) -> None:
    studio = house.studio("North").workspace_id
    owner = house.bearer(Kind.OWNER, studio)
    path = f"{JOBS}/{studio}/{ask(house, studio, '1')}"
    later = house.app.clocks.business.now() + timedelta(hours=3)
    body = {"scheduled_at": later.isoformat()}
    put_off = client.post(f"{path}/reschedule", json=body, headers=owner)
    assert (put_off.status_code, put_off.json()["status"], put_off.json()["business_time"]) == (200, "scheduled", True)
    assert rows(house, "select due_at, business_time from scheduled") == [(later, True)]
    body["business_time"] = False  # type: ignore[assignment]
    assert not client.post(f"{path}/reschedule", json=body, headers=owner).json()["business_time"]
    now = client.post(f"{path}/reschedule", json={"scheduled_at": None}, headers=owner)
    assert now.json()["status"] == "pending"
    client.delete(path, headers=owner)
    assert client.post(f"{path}/reschedule", json={"scheduled_at": None}, headers=owner).status_code == 409
    for wrong in ({}, {"scheduled_at": "2027-03-01T09:00:00"}, {"scheduled_at": None, "more": 1}):
        assert client.post(f"{path}/reschedule", json=wrong, headers=owner).status_code == 422


def test_dead_letters_are_listed_by_filter_and_page(client: TestClient, house: House) -> None:
    studio, system = house.studio("North").workspace_id, house.bearer(Kind.SYSTEM)
    ids = bury(house, studio, "1", "2", "3")
    fleets = bury(house, None, "1", type_name="x.y")

    def seen(**params: Any) -> tuple[int, list[str]]:
        found = client.get(DEAD, params=params, headers=system).json()
        return found["count"], [one["id"] for one in found["items"]]

    assert seen(workspace_id=str(studio)) == (3, ids[::-1])
    assert seen(workspace_id=str(FLEET)) == seen(type="x.y") == (1, fleets)
    assert seen(error_code="unknown_type", kind="job")[0] == 4
    assert seen(kind="delivery") == (0, [])
    assert seen(since=(house.real.now() + timedelta(seconds=1)).isoformat()) == (0, [])
    paged, cursor = [], None
    while not paged or cursor:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = client.get(DEAD, params=params, headers=system).json()
        paged += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert len(paged) == len(set(paged)) == 4
    [one] = client.get(DEAD, params={"type": "x.y"}, headers=system).json()["items"]
    assert (one["kind"], one["handler"], one["workspace_id"], one["error_code"]) == ("job", "", None, "unknown_type")


@pytest.mark.parametrize("act", ["requeue", "discard"])
def test_dead_letters_are_dealt_with_by_id_by_filter_and_altogether(
    act: str, client: TestClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_api, "AT_ONCE", 2)
    monkeypatch.setattr(dead_api, "AT_MOST", 4)
    studio, admin = house.studio("North").workspace_id, house.bearer(Kind.ADMIN)
    ids = bury(house, studio, *"abcdefg")
    bury(house, None, "z", type_name="x.y")

    def post(**body: Any) -> Any:
        answer = client.post(f"{DEAD}/{act}", json=body, headers=admin)
        return answer.json() if answer.status_code == 200 else answer.status_code

    assert post(ids=[ids[0], str(new_id())], reason="repaired") == {"count": 1, "is_complete": True}
    assert post(filter={"type": "x.y"}) == {"count": 1, "is_complete": True}
    assert post(all=True) == {"count": 4, "is_complete": False}
    assert post(all=True) == {"count": 2, "is_complete": True}
    assert post(all=True) == {"count": 0, "is_complete": True}
    outcome = {
        "requeue": "select count(*) from queue",
        "discard": "select count(*) from queue_log where outcome = 'discarded'",
    }
    assert rows(house, outcome[act]) == [(8,)]
    for wrong in ({}, {"all": False}, {"filter": {}}, {"ids": []}, {"ids": ids[:1], "all": True}, {"filter": {"x": 1}}):
        assert post(**wrong) == 422


def test_work_is_paused_with_a_reason_and_goes_on(client: TestClient, house: House) -> None:
    admin, studio = house.bearer(Kind.ADMIN), house.studio("North").workspace_id
    until = (house.real.now() + timedelta(hours=1)).isoformat()
    wanted = {
        "dimension": "type",
        "subject": "messaging.submit_templates",
        "reason": "WhatsApp reviews",
        "until": until,
    }
    made = client.post(PAUSES, json=wanted, headers=admin)
    assert (made.status_code, made.json()["reason"]) == (201, "WhatsApp reviews")
    assert client.post(
        PAUSES, json=wanted | {"dimension": "workspace", "subject": str(studio)}, headers=admin
    ).is_success
    assert len(client.get(PAUSES, headers=admin).json()["items"]) == 2
    path = f"{PAUSES}/type/messaging.submit_templates"
    assert client.delete(path, headers=admin).status_code == 204
    assert client.delete(path, headers=admin).status_code == 404
    assert [one["dimension"] for one in client.get(PAUSES, headers=admin).json()["items"]] == ["workspace"]
    for change in ({"dimension": "colour"}, {"dimension": "lane"}, {"dimension": "workspace"}, {"reason": " "},
                   {"until": "2026-01-01T00:00:00Z"}):  # fmt: skip
        assert client.post(PAUSES, json=wanted | change, headers=admin).status_code == 422
    assert client.delete(f"{PAUSES}/colour/red", headers=admin).status_code == 422


def doubt(house: House, key: str = "1") -> None:
    """An effect whose outcome is not known."""

    def cut() -> dict[str, Any]:
        raise OutcomeUnknown("The connection to +31612345678 failed.")

    ledger = EffectLedger(house.app.database, house.app.clocks, timeout=timedelta(seconds=5))
    with pytest.raises(OutcomeUnknown):
        ledger.perform(Effect("mail.setup_link", key, call=cut, request={"to": "owner@north.test"}))


def test_an_effect_in_doubt_is_settled_by_what_somebody_knows(client: TestClient, house: House) -> None:
    admin = house.bearer(Kind.ADMIN)
    for number in range(3):
        doubt(house, str(number))
    first = client.get(f"{EFFECTS}/unknown", params={"limit": 2}, headers=admin).json()
    rest = client.get(f"{EFFECTS}/unknown", params={"cursor": first["next_cursor"]}, headers=admin).json()
    found = first["items"] + rest["items"]
    assert (len(found), rest["next_cursor"]) == (3, None)
    assert "31612345678" not in str(found)
    assert "owner@north.test" not in str(found)
    for one, verdict, state in ((found[0], "happened", "confirmed"), (found[1], "did_not_happen", "intent")):
        path, body = f"{EFFECTS}/{one['id']}/settle", {"verdict": verdict, "note": "asked the owner"}
        assert client.post(path, json=body, headers=admin).json() == {"id": one["id"], "state": state}
        assert client.post(path, json=body, headers=admin).status_code == 409
    assert len(client.get(f"{EFFECTS}/unknown", headers=admin).json()["items"]) == 1
    assert client.post(f"{EFFECTS}/{new_id()}/settle", json=body, headers=admin).status_code == 404
    assert client.post(path, json={"verdict": "happened", "note": ""}, headers=admin).status_code == 422


def test_the_status_tells_of_lanes_workers_breakers_and_pauses(client: TestClient, house: House) -> None:
    studio: Studio = house.studio("North")
    ask(house, studio.workspace_id, "waits", lane=Lane.BULK)
    ask(house, studio.workspace_id, "later", SendNudge(nudge_id=new_id()), due_at=house.real.now() + timedelta(hours=1))
    ask(house, studio.workspace_id, "done", release(), lane=Lane.REPLY)
    drained = house.app.drain("test")
    with closing(drained):
        drained.step(Lane.REPLY)
    seen = Breakers(house.real)
    for _ in range(5):
        seen.of("twilio").failed(0)
    with house.app.database.transaction(Scope.fleet()) as connection:
        heartbeat.beat(connection, "w1", house.real.now(), seen.snapshot())
    house.real.advance(timedelta(seconds=3))
    told = client.get("/api/autopilot/status", params={"minutes": 30}, headers=house.bearer(Kind.SYSTEM)).json()
    lanes = {one["lane"]: one for one in told["work"]["lanes"]}
    assert list(lanes) == ["inbox", "reply", "default", "bulk"]
    assert (lanes["bulk"]["waiting"], lanes["bulk"]["oldest_seconds"]) == (1, 3.0)
    assert (lanes["default"]["scheduled"], lanes["default"]["wait_seconds"]["p95"]) == (1, None)
    assert (lanes["reply"]["ended"], lanes["reply"]["per_minute"]) == (1, 0.033)
    assert lanes["reply"]["run_seconds"]["p50"] is not None
    assert [
        (one["name"], one["seen_by"], one["state"]) for one in told["work"]["breakers"] if one["state"] != "closed"
    ] == [("twilio", "w1", "open")]
    assert [one["name"] for one in told["work"]["workers"]] == ["w1"]
    assert told["work"]["pauses"] == []
    assert told["inbox"]["state"] == "direct"

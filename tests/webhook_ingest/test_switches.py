"""The pause switch, the dry run and the test message, from pages and from programs."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from pilar.backplane.tables import audit_log
from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.messaging.tables import messaging_day
from pilar.security.principals import Kind
from pilar.workspaces.configuration import StudioConfiguration, StudioProfile
from pilar.workspaces.store import save_configuration
from tests.webhook_ingest.conftest import House, Studio
from tests.webhook_ingest.test_pages import Outline


def switched(house: House) -> list[tuple[str, str]]:
    with house.app.database.transaction(Scope.fleet()) as connection:
        rows = connection.execute(audit_log.select().order_by(audit_log.c.position)).all()
    return [(row.action, row.actor.partition(":")[0]) for row in rows if row.action.startswith("messaging.")]


def switches(page: str) -> dict[str | None, str | None]:
    return {
        attributes["data-control"]: attributes["data-state"]
        for _, attributes in Outline(page).elements
        if "data-control" in attributes
    }


def turn(browser: TestClient, path: str, csrf: str, kind: str, to: str, **more: str) -> int:
    form = {"csrf_token": csrf, "kind": kind, "turn": to, "reason": "A drill", **more}
    return browser.post(path, data=form, follow_redirects=False).status_code


def configured(house: House, name: str = "North", phone: str | None = "+31612345678") -> Studio:
    studio = house.studio(name)
    profile = StudioProfile(name=name, country="NL", time_zone="Europe/Amsterdam", language="nl")
    with house.app.database.transaction(Scope.fleet()) as connection:
        save_configuration(
            connection, studio.workspace_id, StudioConfiguration(plan="PRO", studio=profile), changed_by="system",
            note="test", now=house.real.now(),
        )  # fmt: skip
        connection.exec_driver_sql("update person set phone = %s where id = %s", (phone, studio.owner))
    return studio


def test_an_owner_chooses_channels_beside_whatsapp_by_page_or_program(browser: TestClient, house: House) -> None:
    studio = configured(house)
    csrf, home = house.sign_in(browser, studio.owner), f"/studios/{studio.workspace_id}"
    form = {"csrf_token": csrf, "email": "true", "reply_to": "Desk@NORTH.test"}
    refused = browser.post(f"{home}/channels", data=form, follow_redirects=False)
    assert refused.status_code == 422 and "postal address" in refused.text and "Desk@NORTH.test" in refused.text
    form["postal_address"] = "Dorpsstraat 1\r\nUtrecht"
    assert browser.post(f"{home}/channels", data=form, follow_redirects=False).status_code == 303
    page = browser.get(f"{home}/messages").text
    assert 'name="email" value="true" checked' in page and "Desk@north.test" in page
    api = f"/api/messaging/{studio.workspace_id}/channels"
    kept = {"sms": False, "email": True, "reply_to": "Desk@north.test", "postal_address": "Dorpsstraat 1\nUtrecht"}
    assert browser.get(api).json() == kept
    owner = house.bearer(Kind.OWNER, studio.workspace_id)
    assert browser.put(api, json={**kept, "sms": True}, headers=owner).json() == {**kept, "sms": True}
    assert switched(house) == [("messaging.channels_chosen", who) for who in ("owner", "token")]


def test_an_owner_pauses_and_resumes_their_studio_and_everybody_sees_it(browser: TestClient, house: House) -> None:
    studio, other = house.studio("North"), house.studio("South")
    csrf, path = house.sign_in(browser, studio.owner), f"/studios/{studio.workspace_id}/controls"
    messages = f"/studios/{studio.workspace_id}/messages"
    assert switches(browser.get(messages).text) == {"pause": "off", "dry_run": "off"}
    for _ in range(2):
        assert turn(browser, path, csrf, "pause", "on") == 303
    page = browser.get(messages).text
    assert switches(page) == {"pause": "on", "dry_run": "off"}
    assert "in this studio: A drill." in " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "Sending is paused" in browser.get(f"/studios/{studio.workspace_id}").text
    assert turn(browser, path, csrf, "pause", "off") == 303
    assert "Sending is paused" not in browser.get(messages).text
    assert switched(house) == [("messaging.pause_begun", "owner"), ("messaging.pause_ended", "owner")]
    browser.cookies.clear()
    house.sign_in(browser, other.owner)
    assert "Sending is paused" not in browser.get(f"/studios/{other.workspace_id}").text


def test_a_member_sees_the_switches_and_has_none(browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    csrf = house.sign_in(browser, studio.member)
    page = browser.get(f"/studios/{studio.workspace_id}/messages").text
    assert "data-control" in page
    assert "Pause sending" not in page
    assert "Send a test message" not in page
    assert turn(browser, f"/studios/{studio.workspace_id}/controls", csrf, "pause", "on") == 403
    assert switched(house) == []


def test_the_founder_switches_the_fleet_and_every_page_tells(browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    csrf = house.sign_in(browser, house.person("founder@pilar.test", is_founder=True))
    assert turn(browser, "/controls", csrf, "dry_run", "on") == 303
    assert turn(browser, f"/studios/{studio.workspace_id}/controls", csrf, "pause", "on", channel="whatsapp") == 303
    page = browser.get("/controls").text
    assert switches(page) == {"pause": "off", "dry_run": "on"}
    assert "North" in page
    assert "Dry run: messages" in browser.get("/overview").text
    assert "Sending is paused" not in browser.get("/overview").text
    studios = browser.get(f"/studios/{studio.workspace_id}").text
    assert "Dry run: messages" in studios
    assert "over WhatsApp" in studios
    assert turn(browser, "/controls", csrf, "dry_run", "off") == 303
    assert turn(browser, f"/studios/{studio.workspace_id}/controls", csrf, "pause", "off", channel="whatsapp") == 303
    assert "by itself" in browser.get("/controls").text
    assert turn(browser, "/controls", csrf, "pause", "on", channel="carrier pigeon") == 422
    assert turn(browser, "/controls", csrf, "explode", "on") == 422


def test_strangers_and_errors_get_no_banner(browser: TestClient, house: House) -> None:
    csrf = house.sign_in(browser, house.person("founder@pilar.test", is_founder=True))
    turn(browser, "/controls", csrf, "pause", "on")
    assert "in-force" not in browser.get("/studios/nothing").text
    browser.cookies.clear()
    assert "in-force" not in browser.get("/sign-in").text


def test_programs_of_the_founder_pause_resume_and_run_dry(client: TestClient, house: House) -> None:
    studio, admin = house.studio("North"), house.bearer(Kind.ADMIN)

    def ask(path: str, **body: Any) -> dict[str, Any]:
        answer = client.post(f"/api/operator/{path}", json=body, headers=admin)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    where = {"workspace_id": str(studio.workspace_id), "channel": "whatsapp"}
    first = ask("pause", reason="A drill", **where)
    assert first["changed"]
    [control] = first["in_force"]
    assert (control["kind"], control["channel"], control["reason"]) == ("pause", "whatsapp", "A drill")
    assert not ask("pause", reason="Again", **where)["changed"]
    assert ask("pause", reason="All")["in_force"][0]["workspace_id"] is None
    assert ask("resume", **where) == {"changed": True, "in_force": []}
    assert ask("resume") == {"changed": True, "in_force": []}
    assert not ask("resume")["changed"]
    assert ask("dry-run", on=True, reason="A rehearsal")["in_force"][0]["kind"] == "dry_run"
    assert ask("dry-run", on=False, reason="Done") == {"changed": True, "in_force": []}
    assert [action for action, _ in switched(house)] == [
        "messaging.pause_begun", "messaging.pause_begun", "messaging.pause_ended", "messaging.pause_ended",
        "messaging.dry_run_begun", "messaging.dry_run_ended",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"reason": ""}, 422),
        ({"reason": "x", "channel": "fax"}, 422),
        ({"reason": "x", "studio": "North"}, 422),
        ({"reason": "x", "workspace_id": str(new_id())}, 404),
    ],
)
def test_a_pause_is_of_something_that_there_is(
    body: dict[str, Any], status: int, client: TestClient, house: House
) -> None:
    assert client.post("/api/operator/pause", json=body, headers=house.bearer(Kind.ADMIN)).status_code == status
    assert switched(house) == []


def test_an_owner_has_test_messages_sent_three_times_an_hour(browser: TestClient, house: House) -> None:
    studio = configured(house)
    csrf = house.sign_in(browser, studio.owner)
    path = f"/studios/{studio.workspace_id}/test-message"

    def ask(form_id: str) -> Any:
        return browser.post(path, data={"csrf_token": csrf, "form_id": form_id}, follow_redirects=False)

    forms = [str(uuid4()) for _ in range(3)]
    assert [ask(form).status_code for form in (*forms, *forms)] == [303] * 6
    assert "Queued" in browser.get(f"/studios/{studio.workspace_id}/messages?notice=tested").text
    refused = ask(str(uuid4()))
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    assert "At most 3 per hour" in refused.text
    assert [action for action, _ in switched(house)] == ["messaging.test_asked_for"] * 3
    assert browser.post(path, data={"csrf_token": "guess", "form_id": str(uuid4())}).status_code == 403
    browser.cookies.clear()
    csrf = house.sign_in(browser, studio.member)
    assert ask(str(uuid4())).status_code == 403


def test_without_an_owners_number_the_page_says_so(browser: TestClient, house: House) -> None:
    studio = configured(house, phone=None)
    csrf = house.sign_in(browser, studio.owner)
    form = {"csrf_token": csrf, "form_id": str(uuid4())}
    answer = browser.post(f"/studios/{studio.workspace_id}/test-message", data=form)
    assert answer.status_code == 409
    assert "The owner has no phone number" in answer.text


def test_a_program_has_a_test_message_sent(client: TestClient, house: House) -> None:
    studio = configured(house)
    path = f"/api/provisioning/workspace/{studio.workspace_id}/test-message"
    headers = house.bearer(Kind.OWNER, studio.workspace_id)
    answer = client.post(path, headers=headers | {"idempotency-key": "k"})
    assert answer.json() == {"workspace_id": str(studio.workspace_id), "status": "accepted"}
    assert client.post(path, headers=headers | {"idempotency-key": "k"}).headers["idempotency-replayed"] == "true"
    assert [client.post(path, headers=headers).status_code for _ in range(3)] == [200, 200, 429]
    assert client.post(path, headers=house.bearer(Kind.OWNER, house.studio("South").workspace_id)).status_code == 403


def test_the_page_of_messages_shows_each_day_as_it_was_counted(browser: TestClient, house: House) -> None:
    studio, now = house.studio("North"), house.app.clocks.business.now()
    with house.app.database.transaction(Scope.fleet()) as connection:
        values = {
            "workspace_id": studio.workspace_id, "day": now.date(), "messages_in": 7, "messages_out": 1_234,
            "refused": 3, "failed": 1, "replies": 5, "reply_p50_ms": 1_450, "opted_out": 2, "refreshed_at": now,
        }  # fmt: skip
        connection.execute(messaging_day.insert().values(**values))
    house.sign_in(browser, studio.member)
    page = browser.get(f"/studios/{studio.workspace_id}/messages").text
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "7 received 1234 sent" in text
    assert "7 1234 5 1.4 s 3 1 2" in text or "7 1234 5 1.5 s 3 1 2" in text
    assert "Counted just now" in text
    assert len([tag for tag, _ in Outline(page).elements if tag == "rect"]) == 28

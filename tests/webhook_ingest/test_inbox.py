"""Webhooks as they came in, over the API and on the founder's pages: found, read masked, worked on again, once."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.security.principals import Kind
from pilar.workspaces import store as workspaces
from tests.webhook_ingest.conftest import SECRETS, House, Studio
from tests.webhook_ingest.test_pages import Outline
from tests.webhook_ingest.test_queue_pages import words
from tests.webhook_ingest.test_work import drain, rows

INBOX = "/api/autopilot/inbox"
LEAD, NAME, TEXT = "31612345678", "Anna Jansen", "Kan ik morgen komen?"


def connect(house: House, studio: Studio) -> None:
    """Give a studio its number at WhatsApp."""
    values = {
        "state": "connected",
        "external_id": "100100100",
        "phone_number_id": "7700001",
        "phone_number": "+31200001111",
    }
    with house.app.database.transaction(Scope.fleet()) as connection:
        workspaces.upsert_integration(connection, studio.workspace_id, "whatsapp", now=house.real.now(), **values)


def knock(client: TestClient, number: int = 1, *, item: dict[str, Any] | None = None, to: str = "7700001",
          time: int = 1_767_225_600) -> None:  # fmt: skip
    """Have Meta deliver a lead's message, or whatever else, at some second of its own clock."""
    message = {"id": f"wamid.HBgL{number}", "from": LEAD, "timestamp": "1767225600", "type": "text",
               "text": {"body": f"{TEXT} {number}"}}  # fmt: skip
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "31200001111", "phone_number_id": to},
        "contacts": [{"profile": {"name": NAME}, "wa_id": LEAD}],
        "messages": [message],
    }
    change = item or {"field": "messages", "value": value}
    send(
        client,
        {"object": "whatsapp_business_account", "entry": [{"id": "100100100", "time": time, "changes": [change]}]},
    )


def send(client: TestClient, document: Any) -> None:
    body = json.dumps(document).encode()
    signed = "sha256=" + hmac.new(SECRETS["meta_app_secret"].encode(), body, hashlib.sha256).hexdigest()
    answer = client.post("/api/webhooks/whatsapp", content=body, headers={"x-hub-signature-256": signed})
    assert answer.status_code == 200, answer.text


@pytest.fixture
def north(house: House) -> Studio:
    studio = house.studio("North")
    connect(house, studio)
    return studio


@pytest.fixture
def admin(house: House) -> dict[str, str]:
    return house.bearer(Kind.ADMIN)


@pytest.fixture
def csrf(browser: TestClient, house: House) -> str:
    """The founder is signed in; what their forms carry."""
    return house.sign_in(browser, house.person("founder@pilar.test", is_founder=True))


def listed(client: TestClient, admin: dict[str, str], **params: Any) -> Any:
    answer = client.get(INBOX, params=params, headers=admin)
    assert answer.status_code == 200, answer.text
    return answer.json()


def counts(house: House) -> list[int]:
    """How much of everything there is: what must not grow by a second time."""
    tables = ("message", "lead", "consent", "autopilot_event", "autopilot_job", "effect")
    return [rows(house, f"select count(*) from {table}")[0][0] for table in tables]


def test_a_delivery_is_told_with_what_came_of_it(
    client: TestClient, house: House, admin: dict[str, str], north: Studio
) -> None:
    knock(client)
    drain(house)
    [item] = listed(client, admin)["items"]
    assert (item["provider"], item["status"], item["attempts"], item["error"]) == ("whatsapp", "completed", 1, None)
    assert [one["result"] for one in item["handlers"]] == [{"message": 1}]
    told = client.get(f"{INBOX}/{item['id']}", headers=admin).json()
    assert {name: told[name] for name in item} == item
    assert told["is_masked"]
    assert all(secret not in json.dumps(told) for secret in (LEAD, NAME, TEXT))
    assert "wamid.HBgL1" in told["body"]
    assert "message.received" in [one["type"] for one in told["events"]]
    assert {one["correlation_id"] for one in told["events"] + told["jobs"]} == {item["id"]}
    [message] = told["messages"]
    assert (message["direction"], message["workspace_id"]) == ("in", str(north.workspace_id))
    assert rows(house, "select count(*) from audit_log where action = 'inbox.unmasked'") == [(0,)]
    open_ = client.get(f"{INBOX}/{item['id']}", params={"unmask": True}, headers=admin).json()
    assert all(secret in open_["body"] for secret in (LEAD, NAME, TEXT))
    assert not open_["is_masked"]
    [entry] = rows(house, "select subject, actor from audit_log where action = 'inbox.unmasked'")
    assert entry[0] == f"delivery:{item['id']}"
    assert entry[1].startswith("token:")
    missing = client.get(f"{INBOX}/{new_id()}", headers=admin)
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


def test_deliveries_are_found_and_paged(client: TestClient, house: House, admin: dict[str, str], north: Studio) -> None:
    for number in range(5):
        knock(client, number)
    knock(client, 9, to="nobodys")
    drain(house)
    assert len(listed(client, admin, search="+31 6 12345678")["items"]) == 6
    assert len(listed(client, admin, search="wamid.HBgL3")["items"]) == 1
    assert len(listed(client, admin, says="komen? 3")["items"]) == 1
    assert len(listed(client, admin, workspace_id=str(north.workspace_id))["items"]) == 6, "all name its account"
    assert listed(client, admin, workspace_id=str(house.studio("South").workspace_id))["items"] == []
    assert listed(client, admin, status="failed")["items"] == []
    assert listed(client, admin, provider="stripe")["items"] == []
    assert client.get(INBOX, params={"workspace_id": str(new_id())}, headers=admin).status_code == 404
    assert client.get(INBOX, params={"status": "odd"}, headers=admin).status_code == 422
    assert client.get(INBOX, params={"cursor": "odd"}, headers=admin).status_code == 422
    seen, cursor = [], None
    while True:
        page = listed(client, admin, limit=4, **({"cursor": cursor} if cursor else {}))
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [one["id"] for one in listed(client, admin)["items"]]


def test_a_replay_does_nothing_twice(client: TestClient, house: House, admin: dict[str, str], north: Studio) -> None:
    knock(client)
    stop = {"id": "wamid.stop", "from": LEAD, "timestamp": "1767225700", "type": "text", "text": {"body": "STOP"}}
    value = {"metadata": {"display_phone_number": "1", "phone_number_id": "7700001"}, "messages": [stop]}
    knock(client, item={"field": "messages", "value": value})
    drain(house)
    before = counts(house)
    key = {**admin, "idempotency-key": "again"}
    wanted = {"filter": {"search": LEAD}, "reason": "a drill"}
    how_many = client.post(f"{INBOX}/replay", json={**wanted, "dry_run": True}, headers=admin).json()
    assert (how_many["count"], how_many["is_complete"]) == (2, True)
    done = client.post(f"{INBOX}/replay", json=wanted, headers=key)
    assert (done.status_code, done.json()["count"]) == (200, 2)
    assert client.post(f"{INBOX}/replay", json=wanted, headers=key).json() == done.json(), "the same request, answered"
    assert client.post(f"{INBOX}/replay", json=wanted, headers=admin).json()["waiting"] == 2
    drain(house)
    assert counts(house) == before
    [item, _] = listed(client, admin)["items"]
    assert item["status"] == "completed"
    house.real.advance(timedelta(seconds=1))
    one = client.post(f"{INBOX}/{item['id']}/replay", headers=admin)
    assert (one.status_code, one.json()["count"]) == (200, 1)
    told = client.post(f"{INBOX}/{item['id']}/replay", json={"reason": "x"}, headers=admin)
    assert (told.status_code, told.json()["code"]) == (409, "conflict")
    assert client.post(f"{INBOX}/{new_id()}/replay", headers=admin).status_code == 404
    drain(house)
    assert counts(house) == before
    assert len(client.get(f"{INBOX}/{item['id']}", headers=admin).json()["replays"]) == 2
    house.real.advance(timedelta(days=91))
    aged = client.post(f"{INBOX}/{item['id']}/replay", headers=house.bearer(Kind.ADMIN))
    assert (aged.status_code, "too old" in aged.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    "wanted", [{}, {"filter": {}}, {"ids": []}, {"ids": [str(new_id())], "filter": {"provider": "stripe"}},
               {"filter": {"provider": "stripe", "odd": 1}}],
)  # fmt: skip
def test_who_does_not_say_which_is_told(client: TestClient, admin: dict[str, str], wanted: dict[str, Any]) -> None:
    assert client.post(f"{INBOX}/replay", json=wanted, headers=admin).status_code == 422


def test_a_replayed_decision_on_a_template_does_not_undo_a_newer_one(
    client: TestClient, house: House, admin: dict[str, str], north: Studio
) -> None:
    with house.app.database.transaction(Scope.fleet()) as connection:
        connection.exec_driver_sql(
            "insert into message_template (workspace_id, id, name, language, category, body, state, created_at) values"
            f" ('{north.workspace_id}', '{new_id()}', 'coach_nudge', 'nl', 'marketing', 'x', 'pending', now())"
        )

    def decide(event: str, time: int) -> None:
        value = {"event": event, "message_template_id": 5, "message_template_name": "coach_nudge",
                 "message_template_language": "nl", "reason": "NONE"}  # fmt: skip
        knock(client, item={"field": "message_template_status_update", "value": value}, time=time)
        drain(house)

    state = "select state from message_template where name = 'coach_nudge'"
    decide("REJECTED", 1_767_225_600)
    assert rows(house, state) == [("rejected",)]
    decide("APPROVED", 1_767_225_700)
    [_, old] = listed(client, admin)["items"]
    assert client.post(f"{INBOX}/{old['id']}/replay", headers=admin).status_code == 200
    drain(house)
    assert rows(house, state) == [("approved",)]
    [_, old] = listed(client, admin)["items"]
    assert old["handlers"][0]["result"] == {"templates_asked_for": 1}


def test_the_page_finds_shows_and_replays(
    browser: TestClient, house: House, csrf: str, north: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Nothing came in yet." in browser.get("/inbox").text
    for number in range(3):
        knock(browser, number)
    send(browser, {"object": "whatsapp_business_account", "entry": [{"id": "100100100", "changes": "odd"}]})
    drain(house)
    page = browser.get("/inbox").text
    assert len(Outline(page).having("name", "ids")) == 4
    assert LEAD not in page
    found = browser.get("/inbox", params={"search": "wamid.HBgL2"}).text
    [tick] = Outline(found).having("name", "ids")
    delivery = UUID(str(tick["value"]))
    assert "There is none of these." in browser.get("/inbox?says=no+such+text").text
    for odd in ("studio=x", "status=x", "age=x", "cursor=x"):
        assert browser.get(f"/inbox?{odd}").status_code == 422
    shown = browser.get(f"/inbox/{delivery}").text
    told = words(shown)
    assert all(secret not in told for secret in (LEAD, NAME, TEXT))
    assert "Worked on" in told
    assert "1 × message" in told
    assert "Event message.received" in told
    assert f"/studios/{north.workspace_id}/conversations/" in shown
    form = {"csrf_token": csrf}
    assert browser.post(f"/inbox/{delivery}", data={"csrf_token": "guess"}).status_code == 403
    assert TEXT in browser.post(f"/inbox/{delivery}", data=form).text
    before = counts(house)
    gone = browser.post(f"/inbox/{delivery}/replay", data={**form, "why": "a drill"}, follow_redirects=False)
    assert gone.headers["location"] == f"/inbox/{delivery}?notice=replayed"
    again = browser.post(f"/inbox/{delivery}/replay", data=form, follow_redirects=False)
    assert again.headers["location"] == f"/inbox/{delivery}?notice=replay-waiting"
    drain(house)
    assert counts(house) == before
    assert "Replayed" in words(browser.get(f"/inbox/{delivery}").text)
    assert browser.post(f"/inbox/{new_id()}/replay", data=form).status_code == 404

    [until] = Outline(found).having("name", "until")
    deal = {**form, "until": until["value"]}

    def post(**more: Any) -> tuple[int, str]:
        answer = browser.post("/inbox", data={**deal, **more}, follow_redirects=False)
        return answer.status_code, answer.headers.get("location", words(answer.text))

    assert "Tick those" in post(act="chosen")[1]
    assert "Narrow them down first" in post(act="all")[1]
    assert post(act="chosen", ids=[str(delivery)]) == (303, "/inbox?notice=replayed")
    assert post(act="all", search=LEAD) == (303, f"/inbox?search={LEAD}&notice=replayed")
    drain(house)
    assert counts(house) == before


def test_the_list_is_paged_in_the_page(browser: TestClient, house: House, csrf: str) -> None:
    for number in range(52):
        knock(browser, number)
    first = browser.get("/inbox").text
    [link] = re.findall(r'href="(/inbox\?cursor=[^"]+)"', first)
    rest = browser.get(link).text
    seen = [one["value"] for page in (first, rest) for one in Outline(page).having("name", "ids")]
    assert len(seen) == len(set(seen)) == 52

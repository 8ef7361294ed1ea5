"""A studio's defaults over the API: read, changed, refused, taken back; the founder's template and whom it changes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from starlette.testclient import TestClient

from pilar.database.engine import Scope
from pilar.provisioning.defaults_document import PARTS, WorkspaceDefaults
from pilar.provisioning.defaults_template import write_template
from pilar.security.principals import Kind
from tests.webhook_ingest.conftest import House, Studio
from webhook_ingest.dashboards.leaf_form import fields_of, read


def cooler(template: WorkspaceDefaults) -> WorkspaceDefaults:
    return template.model_copy(update={"agent": template.agent.model_copy(update={"temperature": 0.1})})


def given(house: House, studio: Studio) -> None:
    with house.app.database.transaction(Scope.fleet()) as connection:
        for part in PARTS:
            house.app.defaults.give(connection, studio.workspace_id, part)


def test_an_owner_reads_changes_and_takes_back(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    given(house, studio)
    owner = house.bearer(Kind.OWNER, studio.workspace_id)
    address = f"/api/provisioning/workspace/{studio.workspace_id}/defaults"
    start: dict[str, Any] = client.get(address, headers=owner).json()
    assert start["template_versions"]["calendar"] == 0
    calendar = start["defaults"]["calendar"]
    calendar["event_types"][0]["buffer_before_minutes"] = 20
    wanted = {"defaults": {"calendar": calendar}, "version": start["version"], "note": "time to change"}
    changed = client.put(address, json=wanted, headers=owner)
    assert changed.status_code == 200, changed.text
    assert changed.json()["version"] == start["version"] + 1
    assert changed.json()["template_versions"]["calendar"] is None
    assert client.put(address, json=wanted, headers=owner).status_code == 409  # made from an older version
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"calendar": {"hours": [{"weekday": 8, "opens": "09:00", "closes": "10:00"}]}}, "weekday"),
        ({"calendar": {"event_types": [calendar["event_types"][0]] * 2}}, "twice"),
        ({"followups": {"followups": [{"name": "a", "template": "none", "after_minutes": 60}]}}, "not in the list"),
        ({"followups": {"templates": [{"name": "a", "category": "utility", "bodies": {"en": "{{3}}"}}]}}, "{{1}}"),
        ({"calender": {}}, "calender"),
    ]
    for defaults, says in wrong:
        refused = client.put(address, json={"defaults": defaults}, headers=owner)
        assert refused.status_code == 422 and says in refused.text, refused.text
    assert client.get(address, headers=owner).json() == changed.json()

    back = client.post(f"{address}/roll-back", json={"to": start["version"]}, headers=owner).json()
    assert back["defaults"]["calendar"]["event_types"][0]["buffer_before_minutes"] == 0
    assert back["template_versions"]["calendar"] == 0
    notes = [one["note"] for one in client.get(f"{address}/history", headers=owner).json()["items"]]
    assert notes[:2] == [f"back to version {start['version']}", "time to change"]


def test_the_founder_writes_a_template_and_brings_it_to_studios_after_a_look(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    given(house, studio)
    founder = house.bearer(Kind.ADMIN)
    address = "/api/provisioning/default-template"
    template = client.get(address, headers=founder).json()
    template["defaults"]["agent"]["temperature"] = 0.1
    assert client.put(address, json={**template, "note": "cooler"}, headers=founder).json()["version"] == 1
    assert client.put(address, json={**template, "note": "cooler"}, headers=founder).status_code == 409
    asked = {"workspace_ids": [str(studio.workspace_id)]}
    looked = client.post(f"{address}/update", json=asked, headers=founder).json()
    assert looked["offers"][0]["changes"] == {"agent": [{"path": "temperature", "before": 0.4, "after": 0.1}]}
    done = client.post(f"{address}/update", json={**asked, "apply": True}, headers=founder).json()
    assert (done["applied"], done["offered"]) == (True, 1)
    assert client.post(f"{address}/update", json=asked, headers=founder).json()["up_to_date"] == 1
    owner = house.bearer(Kind.OWNER, studio.workspace_id)
    own = client.get(f"/api/provisioning/workspace/{studio.workspace_id}/defaults", headers=owner).json()
    assert own["defaults"]["agent"]["temperature"] == 0.1


def test_an_owner_changes_a_part_on_the_page_and_goes_back(browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    given(house, studio)
    csrf, page = house.sign_in(browser, studio.owner), f"/studios/{studio.workspace_id}/defaults"

    def read() -> Any:
        with house.app.database.transaction(Scope.workspace(studio.workspace_id)) as connection:
            return house.app.defaults.read(connection, studio.workspace_id)

    start = read()
    form = {"csrf_token": csrf, "version": str(start.version)}
    tone = {"policies/tone": "casual", "max_tokens": "300", "policies/personality_traits": "calm\r\n\r\nkind"}
    wrong = browser.post(f"{page}/agent", data={**form, **tone, "max_tokens": "many"})
    assert wrong.status_code == 422 and "max_tokens" in wrong.text and ">many<" not in wrong.text
    assert 'value="many"' in wrong.text, "what was typed is kept"
    assert read() == start
    assert "It is in force." in browser.post(f"{page}/agent", data={**form, **tone}).text
    agent = read().parts["agent"]
    assert (agent.max_tokens, agent.policies.tone) == (300, "casual")
    assert agent.policies.personality_traits == ("calm", "kind")
    assert agent.system_prompt == start.parts["agent"].system_prompt, "what a form leaves out stays"
    assert browser.post(f"{page}/agent", data={**form, **tone}).status_code == 409, "made from an older version"
    compared = browser.get(f"{page}?version={start.version}").text
    assert "friendly → casual" in compared
    assert browser.post(f"{page}/calendar", data={**form, "document": "{"}).status_code == 422
    back = {**form, "version": str(read().version), "to": str(start.version)}
    assert "in force again" in browser.post(f"{page}/roll-back", data=back).text
    assert read().parts == start.parts
    assert browser.post(f"{page}/agent", data={**form, "csrf_token": "guess"}).status_code == 403


def test_a_version_of_a_form_that_is_not_valid_any_more_is_named_and_not_compared(
    browser: TestClient, house: House
) -> None:
    studio = house.studio("North")
    given(house, studio)
    with house.app.database.transaction(Scope.fleet()) as connection:
        first, template = house.app.defaults.template(connection)
        assert write_template(
            connection, house.app.clocks, house.app.defaults, cooler(template), expected_version=first,
            actor="admin:1", note="old",
        ) == 1  # fmt: skip
        write_template(
            connection, house.app.clocks, house.app.defaults, template, expected_version=1, actor="admin:1", note="new"
        )
        for table in ("workspace_configuration", "default_template"):
            old = text(
                f"update {table} set document = jsonb_set(document, '{{agent}}', '{{\"of\": 2019}}') where version = 1"
            )
            assert connection.execute(old).rowcount == 1
    house.sign_in(browser, house.person("founder@pilar.test", is_founder=True))
    for page in (f"/studios/{studio.workspace_id}/defaults", "/defaults"):
        compared = browser.get(f"{page}?version=1")
        assert compared.status_code == 409 and "Version 1 is not valid any more" in compared.text
        assert "Compare" in compared.text, "the other versions are there"
    founder = house.bearer(Kind.ADMIN)
    refused = browser.get("/api/provisioning/default-template?version=1", headers=founder)
    assert refused.status_code == 409 and "not valid any more" in refused.json()["detail"]


def test_the_founder_writes_a_version_on_the_page_looks_and_brings_it(browser: TestClient, house: House) -> None:
    north, south = house.studio("North"), house.studio("South")
    given(house, north)
    given(house, south)
    csrf = house.sign_in(browser, house.person("founder@pilar.test", is_founder=True))
    form = {"csrf_token": csrf, "version": "0"}
    written = browser.post("/defaults/agent", data={**form, "temperature": "0.7", "note": "Warmer"})
    assert "Another version is written." in written.text and "Warmer" in written.text
    assert "temperature" in browser.get("/defaults?version=0").text
    looked = browser.post("/defaults/update", data={"csrf_token": csrf, "apply": "false"}).text
    assert "2 would change" in looked and "0.4 → 0.7" in looked
    assert "2 would change" in browser.post("/defaults/update", data={"csrf_token": csrf}).text, "nothing was changed"
    assert "2 changed" in browser.post("/defaults/update", data={"csrf_token": csrf, "apply": "true"}).text
    again = browser.post("/defaults/update", data={"csrf_token": csrf, "apply": "true"}).text
    assert "0 changed, 2 had nothing to change" in again
    # From behind a studio on, in the order of their age.
    rest = browser.post("/defaults/update", data={"csrf_token": csrf, "after": str(north.workspace_id)}).text
    assert "1 studios were looked at" in rest


def test_a_form_gives_back_the_document_that_it_was_made_from() -> None:
    document = {"a": {"b": True, "n": 1, "f": 0.5, "none": None}, "list": [{"x": "1"}, {"x": "2"}], "words": ["a", "b"]}
    fields = list(fields_of(document))
    sent = {one.name: str(one.value) for one in fields if one.kind not in ("flag", "take-out") or one.value}
    assert read(document, sent) == document
    assert read(document, {**sent, "take-out:list/0": "on"})["list"] == [{"x": "2"}]
    assert read(document, {})["a"] == {**document["a"], "b": False}  # type: ignore[dict-item]
    assert read(document, {"a/n": "x"})["a"]["n"] == "x"

"""A studio's defaults over the API: read, changed, refused, taken back; the founder's template and whom it changes."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from pilar.database.engine import Scope
from pilar.provisioning.defaults_document import PARTS
from pilar.security.principals import Kind
from tests.webhook_ingest.conftest import House, Studio


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

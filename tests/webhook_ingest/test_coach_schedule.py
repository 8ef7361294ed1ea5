"""The editor of the coaching schedule: what would come is shown, what is wrong is said, and only what is right counts."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from pilar.agents.defaults import default_agent
from pilar.database.engine import Scope
from pilar.security.principals import Kind
from pilar.workspaces.configuration import CoachingConfiguration
from pilar.workspaces.plans import Plan
from pilar.workspaces.store import load_configuration, save_configuration
from tests.webhook_ingest.conftest import House, Studio
from tests.webhook_ingest.test_coach import words
from webhook_ingest.dashboards import rendering

TYPES = ("morning_nudge", "missed_training_nudge", "weekly_checkin", "goal_progress_report", "nutrition_reminder",
         "motivation_message")  # fmt: skip


def in_force(house: House, studio: Studio) -> tuple[int, CoachingConfiguration]:
    with house.app.database.transaction(Scope.workspace(studio.workspace_id)) as connection:
        version, document = load_configuration(connection, studio.workspace_id)
    return version, document.coaching


def form(csrf: str, **changes: Any) -> dict[str, Any]:
    return {
        "csrf_token": csrf, "version": "1", "coaching_on": "on", "type": [f"coach.{kind}" for kind in TYPES],
        "cron": ["0 8 * * *", "0 18 * * *", "0 17 * * 0", "0 10 1 * *", "0 12 * * 1,4", "0 9 * * 3"],
        "clock": ["lead"] * 6, "template": [""] * 6, "text": [""] * 6, "on": ["0", "2"], "zone": "Asia/Tokyo",
        "act": "save", **changes,
    }  # fmt: skip


def test_an_owner_looks_at_what_would_come_and_puts_it_in_force(browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    csrf = house.sign_in(browser, studio.owner)
    address = f"/studios/{studio.workspace_id}/coach/schedule"
    page = browser.get(address).text
    said = words(page)
    assert all(kind.replace("_", " ").capitalize() in said for kind in TYPES)
    assert "Europe/Amsterdam: Tue 2 Mar, 08:00" in said
    assert "America/New_York:" in said
    assert "Change what is sent when" in browser.get(f"/studios/{studio.workspace_id}/coach").text

    changed = form(csrf, cron=["30 7 * * *", *form(csrf)["cron"][1:]], clock=["studio", *["lead"] * 5],
                   text=["Hup {name}!", *[""] * 5], most_per_week="4", frequency="weekly", style="supportive")  # fmt: skip
    preview = browser.post(address, data=changed | {"act": "preview"}).text
    assert "Asia/Tokyo: Tue 2 Mar, 15:30" in words(preview), "half past seven of the studio, where the lead is"
    assert in_force(house, studio)[0] == 1, "a preview changes nothing"

    assert rendering.NOTICES["schedule-changed"] in browser.post(address, data=changed).text
    version, coaching = in_force(house, studio)
    assert version == 2
    assert [one.enabled for one in coaching.schedules] == [True, False, True, False, False, False]
    assert (coaching.most_per_week, coaching.preferences.frequency) == (4, "weekly")
    assert coaching.preferences.motivation_style == "supportive"
    first = coaching.schedules[0]
    assert (first.cron, first.time_zone) == ("30 7 * * *", "studio")
    assert list(first.texts.values()) == ["Hup {name}!"]
    assert "Hup {name}!" in browser.get(address).text
    assert browser.post(address, data=changed | {"text": [""] * 6}).status_code == 409, "made from what is not in force"
    assert in_force(house, studio)[0] == 2


def test_what_is_wrong_is_said_and_what_was_typed_stays(browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    csrf = house.sign_in(browser, studio.owner)
    address = f"/studios/{studio.workspace_id}/coach/schedule"
    for wrong, said in (
        ({"cron": ["0 8 * *", *["0 9 * * *"] * 5]}, "Morning nudge, when: write five parts"),
        ({"cron": ["61 8 * * *", *["0 9 * * *"] * 5]}, "&#39;61 8 * * *&#39; is not a schedule"),
        ({"text": ["Hi {phone}", *[""] * 5]}, "{phone} stands for nothing"),
        ({"template": ["other", *[""] * 5]}, "names the template &#39;other&#39;, which the studio does not have"),
        ({"most_per_week": "51"}, "a number from 1 to 50"),
        ({"zone": "Mars", "act": "preview"}, "&#39;Mars&#39; is not a time zone"),
    ):
        answer = browser.post(address, data=form(csrf, **wrong))
        assert answer.status_code == 422
        assert said in answer.text
        typed = next(iter(wrong.values()))
        assert f"{typed[0] if isinstance(typed, list) else typed}" in answer.text
    assert browser.post(address, data=form(csrf, text=["x"])).status_code == 422
    assert in_force(house, studio)[0] == 1


def test_the_next_moments_are_told_over_the_api(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    headers = house.bearer(Kind.MEMBER, studio.workspace_id)
    address = f"/api/whatsapp-coach/schedule/{studio.workspace_id}/next"
    found = client.get(address, headers=headers, params={"time_zone": "Asia/Tokyo", "count": 2}).json()
    by_type = {one["type"]: one["due"] for one in found["types"]}
    assert by_type["coach.morning_nudge"] == ["2027-03-01T23:00:00Z", "2027-03-02T23:00:00Z"]
    assert by_type["coach.motivation_message"] == [], "it is turned off"
    assert client.get(address, headers=headers, params={"time_zone": "Mars"}).status_code == 422


def test_an_owner_has_a_model_write_and_times_offered_where_the_studio_can(browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    csrf = house.sign_in(browser, studio.owner)
    address = f"/studios/{studio.workspace_id}/coach/schedule"
    assert "needs an agent" in browser.get(address).text
    refused = browser.post(address, data=form(csrf, by_model="on"))
    assert refused.status_code == 422 and "needs an agent" in words(refused.text)
    refused = browser.post(address, data=form(csrf, offers="sauna"))
    assert refused.status_code == 422 and "nothing that can be booked" in words(refused.text)
    with house.app.database.transaction(Scope.fleet()) as connection:
        _, document = load_configuration(connection, studio.workspace_id)
        able = document.model_copy(update={"plan": Plan.PRO, "agent": default_agent(document.studio)})
        save_configuration(connection, studio.workspace_id, able, changed_by="test", note="",
                           now=house.app.clocks.business.now())  # fmt: skip
    wanted = form(csrf, by_model="on", offers="personal-training", version="2")
    assert rendering.NOTICES["schedule-changed"] in browser.post(address, data=wanted).text
    coaching = in_force(house, studio)[1]
    assert (coaching.written_by, coaching.offers) == ("model", "personal-training")
    shown = browser.get(address).text
    assert 'name="by_model" value="on" checked' in shown and 'value="personal-training" selected' in shown

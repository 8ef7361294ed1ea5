"""Having provisioning go on, run again or taken back over the API, and seeing who waits on whom."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from pilar.backplane.facts import Cause
from pilar.backplane.tables import audit_log
from pilar.database.engine import Scope
from pilar.operator.projection import refresh_studios
from pilar.provisioning import number_waits, store
from pilar.provisioning.funnel import refresh_funnel
from pilar.provisioning.steps import Wait
from pilar.security.principals import Kind
from pilar.workspaces import store as workspaces
from tests.webhook_ingest.conftest import House, Studio


@pytest.fixture
def studio(house: House) -> Studio:
    """A studio that has waited on Twilio for three hours."""
    made = house.studio("North")
    house.step(
        made, "phone_number_purchase", "waiting", status="waiting", attempts=2, waits_on="twilio",
        wait_reason="A number is under review.", wait_since=house.real.now() - timedelta(hours=3),
        wait_link="https://console.twilio.com/", wait_round=1, waits_from=house.app.clocks.business.now(),
        remind_at=house.app.clocks.business.now() + timedelta(days=1),
    )  # fmt: skip
    return made


def audited(house: House, action: str) -> int:
    with house.app.database.transaction(Scope.fleet()) as connection:
        return len(connection.execute(audit_log.select().filter_by(action=action)).all())


def statuses(house: House, studio: Studio) -> dict[str, str]:
    with house.app.database.transaction(Scope.fleet()) as connection:
        return {row.name: row.status for row in store.steps_of(connection, studio.job_id)}


def test_the_founder_has_a_studio_made_again_from_a_named_step(
    client: TestClient, house: House, studio: Studio
) -> None:
    admin = house.bearer(Kind.ADMIN)
    wanted = {"workspace_id": str(studio.workspace_id), "step": "calendar_integration"}
    answer = client.post("/api/autopilot/reprovision", json=wanted, headers=admin)
    assert answer.json() == {"workspace_id": str(studio.workspace_id), "status": "accepted"}
    found = statuses(house, studio)
    assert found["followup_templates"] == "completed"
    assert {
        found[name] for name in ("calendar_integration", "twilio_subaccount", "twilio_api_key", "phone_number_purchase")
    } == {"pending"}
    assert audited(house, "provisioning.retried") == 1
    unknown = client.post("/api/autopilot/reprovision", json=wanted | {"step": "tea"}, headers=admin)
    assert unknown.status_code == 422
    assert "no step 'tea': name one of customer_validation, " in unknown.json()["detail"]


def test_a_channel_is_tried_again_where_the_studio_stands_there(
    client: TestClient, house: House, studio: Studio
) -> None:
    owner, system = house.bearer(Kind.OWNER, studio.workspace_id), house.bearer(Kind.SYSTEM)
    path = f"/api/provisioning/twilio/{studio.workspace_id}"
    about = {"workspace_id": str(studio.workspace_id)}
    assert client.post(f"{path}/retry", headers=owner).json() == about | {
        "resumed": "phone_number_purchase", "why": None,
    }  # fmt: skip
    assert client.post("/api/provisioning/twilio", json=about, headers=system).json()["resumed"]
    assert client.post("/api/provisioning/whatsapp", json=about, headers=system).json() == about | {
        "resumed": None, "why": "The studio stands at phone_number_purchase.",
    }  # fmt: skip
    found = client.get(f"{path}/status", headers=owner).json()
    assert (found["state"], [step["name"] for step in found["steps"]]) == (
        "not_begun", ["twilio_subaccount", "twilio_api_key", "phone_number_purchase"],
    )  # fmt: skip
    health = client.get(f"/api/provisioning/whatsapp/{studio.workspace_id}/health", headers=owner).json()
    assert health["status"] == "degraded"
    assert health["prerequisites"] == {
        "business_account_connected": False, "phone_number_registered": False, "templates_approved": False,
    }  # fmt: skip


def test_an_owner_who_is_done_is_told_what_is_left(client: TestClient, house: House, studio: Studio) -> None:
    owner = house.bearer(Kind.OWNER, studio.workspace_id)
    answer = client.post("/api/onboarding/complete", json={}, headers=owner).json()
    assert (answer["complete"], answer["next"], answer["step"]) == (False, "connect", "Phone number")
    house.step(studio, "activation", "waiting", status="waiting", waits_on="stripe", wait_reason="unpaid")
    assert client.post("/api/onboarding/complete", json={}, headers=owner).json()["next"] == "pay"
    page = client.get(f"/setup/{studio.setup_token}").text
    assert 'data-next="pay"' in page
    assert "Your payment has not come in yet" in page
    house.step(studio, "activation", "completed", status="completed", waits_on=None)
    assert client.post("/api/onboarding/complete", json={}, headers=owner).json()["complete"]
    assert 'data-next="ready"' in client.get(f"/setup/{studio.setup_token}").text


def test_the_founder_sees_who_waits_on_whom(
    client: TestClient, browser: TestClient, house: House, studio: Studio
) -> None:
    answer = client.get("/api/provisioning/waits", headers=house.bearer(Kind.ADMIN)).json()
    assert [(one["waits_on"], one["count"], one["expired"]) for one in answer["parties"]] == [("twilio", 1, 0)]
    [item] = answer["items"]
    assert (item["step"], item["reason"], item["reminders"]) == (
        "phone_number_purchase",
        "A number is under review.",
        0,
    )
    assert item["remind_at"]
    house.sign_in(browser, house.person("founder@pilar.test", is_founder=True))
    page = browser.get("/waits").text
    assert f'data-workspace="{studio.workspace_id}"' in page
    assert "A number is under review." in page
    assert "3 h" in page
    assert f'data-workspace="{studio.workspace_id}"' not in browser.get("/waits?on=meta").text
    # The number of a studio that is open waits there as well, page by page.
    south, clocks = house.studio("South"), house.app.clocks
    with house.app.database.transaction(Scope.fleet()) as connection:
        workspaces.set_state(connection, south.workspace_id, "active")
        for on, reason in (("twilio", "First."), ("meta", "The code is on its way.")):
            number_waits.begin(connection, clocks, south.workspace_id, "replacement", Wait(on, reason), Cause.new())
        house.complete(connection, south.job_id, "test_message")
        refresh_studios(connection, clocks, [south.workspace_id])
    first = client.get("/api/provisioning/waits?limit=1", headers=house.bearer(Kind.ADMIN)).json()
    following = f"/api/provisioning/waits?limit=1&cursor={first['next_cursor']}"
    second = client.get(following, headers=house.bearer(Kind.ADMIN)).json()
    items = [*first["items"], *second["items"]]
    assert second["next_cursor"] is None
    assert [(one["step"], one["waits_on"]) for one in items] == [
        ("phone_number_purchase", "twilio"),
        ("replacement", "meta"),
    ]
    assert [urlsplit(one["link"]).hostname for one in items] == ["console.twilio.com", "business.facebook.com"]
    page = browser.get("/waits?on=meta").text
    assert f'data-workspace="{south.workspace_id}"' in page
    assert "The code is on its way." in page and "Another number" in page


def test_how_provisioning_goes_is_shown_to_the_founder_and_told_by_the_api(
    client: TestClient, browser: TestClient, house: House, studio: Studio
) -> None:
    admin = house.bearer(Kind.ADMIN)
    before = client.get("/api/provisioning/health", headers=admin).json()
    assert (before["as_of"], before["signups"], before["success_rate"], before["whole"]) == (None, 0, None, None)
    house.sign_in(browser, house.person("founder@pilar.test", is_founder=True))
    assert "Nothing has been counted yet" in browser.get("/waits").text
    for name, state in (("South", "completed"), ("East", "failed")):
        made = house.studio(name)
        now = house.app.clocks.business.now()
        done = {"status": "completed", "begun_at": now - timedelta(hours=5), "ended_at": now, "waited_seconds": 3_600}
        with house.app.database.transaction(Scope.fleet()) as connection:
            store.set_job(connection, made.job_id, {"state": state, "completed_at": now + timedelta(hours=2)})
            store.set_step(connection, made.job_id, "phone_number_purchase", done)
    with house.app.database.transaction(Scope.fleet()) as connection:
        refresh_funnel(connection, house.app.clocks)
    told = client.get("/api/provisioning/health", headers=house.bearer(Kind.SYSTEM)).json()
    assert [told[name] for name in ("signups", "opened", "waiting", "stuck", "success_rate")] == [3, 1, 1, 1, 0.5]
    assert told["whole"]["total_p50"] == 7_200
    [step] = told["steps"]
    assert (step["title"], step["completed"], step["work_p95"], step["wait_p95"]) == (
        "Phone number", 2, 4 * 3_600, 3_600,
    )  # fmt: skip
    assert [(one["waits_on"], one["waiting"], one["under_a_day"]) for one in told["parties"]] == [("twilio", 1, 1)]
    assert [day["signups"] for day in told["days"]] == [3]
    page = browser.get("/waits").text
    assert "50.0%" in page
    assert '<td class="number">4 hours</td>' in page
    assert all(f'<rect class="{name}"' in page for name in ("opened", "waiting", "stuck"))


def test_a_signup_is_taken_back_with_a_reason_and_then_goes_on_no_more(
    client: TestClient, house: House, studio: Studio
) -> None:
    admin = house.bearer(Kind.ADMIN)
    path = f"/api/provisioning/workspace/{studio.workspace_id}"
    assert client.post(f"{path}/undo", json={}, headers=admin).status_code == 422
    assert client.post(f"{path}/undo", json={"reason": "A refund."}, headers=admin).json()["status"] == "accepted"
    assert audited(house, "provisioning.undo_asked_for") == 1
    refused = client.post(f"{path}/retry", headers=admin)
    assert refused.status_code == 409
    assert "was taken back" in refused.json()["detail"]
    answer = client.get("/setup/callback", params={"state": studio.setup_token, "code": "meta-code"})
    assert answer.status_code == 409
    assert 'data-next="closed"' in client.get(f"/setup/{studio.setup_token}").text

"""Single coaching messages over the API: one is written now, one is tried out; a goal's picture on the lead's page."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.security.principals import Kind
from tests.webhook_ingest.conftest import House
from tests.webhook_ingest.test_coach import NOON, coached

MESSAGE = "/api/whatsapp-coach/message"
TABLES = ("message", "lead", "conversation", "consent", "coach_enrolment", "coach_nudge", "autopilot_job", "queue",
          "scheduled", "budget_usage", "slot_offer", "effect")  # fmt: skip


def counts(house: House) -> dict[str, int]:
    with house.app.database.transaction(Scope.fleet()) as connection:
        return {one: connection.execute(text(f"select count(*) from {one}")).scalar_one() for one in TABLES}


def test_a_message_is_asked_for_once_a_day_and_a_key_repeats_its_answer(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    lead = coached(house, studio)
    address = f"/api/whatsapp-coach/schedule/{studio.workspace_id}"
    owner = house.bearer(Kind.OWNER, studio.workspace_id)
    assert client.put(address, headers=owner, json={"coaching": NOON}).status_code == 200
    with house.app.database.transaction(Scope.fleet()) as connection:
        connection.execute(text("delete from coach_nudge"))
    wanted = {"workspace_id": str(studio.workspace_id), "lead_id": str(lead), "type": "coach.morning_nudge"}
    system = house.bearer(Kind.SYSTEM)
    assert client.post(MESSAGE, headers=owner, json=wanted).status_code == 403
    first = client.post(MESSAGE, headers={**system, "idempotency-key": "one"}, json=wanted)
    again = client.post(MESSAGE, headers={**system, "idempotency-key": "one"}, json=wanted)
    assert first.status_code == again.status_code == 202, first.text
    assert first.json() == again.json() and again.headers["idempotency-replayed"] == "true"
    assert counts(house)["coach_nudge"] == 1
    for changes, status, why in (
        ({}, 409, "had it as often as they want"),
        ({"type": "coach.weekly_checkin"}, 409, "turned this kind of coaching off"),
        ({"lead_id": str(new_id())}, 404, ""),
        ({"type": "coach.dance"}, 422, ""),
    ):
        answer = client.post(MESSAGE, headers=system, json=wanted | changes)
        assert (answer.status_code, why in answer.text) == (status, True), answer.text
    with house.app.database.transaction(Scope.fleet()) as connection:
        connection.execute(text("update coach_enrolment set ended_at = enrolled_at"))
    assert "not coached" in client.post(MESSAGE, headers=system, json=wanted).text


def test_trying_out_tells_everything_and_leaves_nothing(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    lead = coached(house, studio)
    owner = house.bearer(Kind.OWNER, studio.workspace_id)
    address = f"/api/whatsapp-coach/test/{studio.workspace_id}"
    before = counts(house)
    sample = {"name": "Zoé Martin", "language": "de", "motivation_style": "challenging"}
    tried: dict[str, Any] = client.post(
        address, headers=owner, json={"type": "coach.weekly_checkin", "sample": sample}
    ).json()
    assert (tried["language"], tried["written_by"], tried["would_ask_model"]) == ("de", "coach", False)
    assert "Zoé, ehrlich: Wie oft hast du diese Woche trainiert" in tried["text"]
    assert tried["template"] == "coach_nudge" and tried["parameters"][0] == "Zoé"
    assert tried["verdict"]["action"] == "refuse"
    codes = [one["code"] for one in tried["verdict"]["reasons"]]
    assert "no_number" in codes and "no_consent" not in codes and "window_closed" not in codes
    closed = client.post(
        address, headers=owner, json={"type": "coach.morning_nudge", "sample": {**sample, "window_open": False}}
    ).json()
    assert {"window_closed", "no_template"} <= {one["code"] for one in closed["verdict"]["reasons"]}
    real = client.post(address, headers=owner, json={"type": "coach.goal_progress_report", "lead_id": str(lead)}).json()
    assert "nothing" in [one["code"] for one in real["skipped"]]
    assert counts(house) == before, "nothing of it is kept"
    for wrong in ({"type": "coach.morning_nudge", "lead_id": str(lead), "sample": {}}, {"type": "x"}):
        assert client.post(address, headers=owner, json=wrong).status_code == 422
    unknown = {"type": "coach.morning_nudge", "lead_id": str(new_id())}
    assert client.post(address, headers=owner, json=unknown).status_code == 404
    other = house.bearer(Kind.OWNER, house.studio("South").workspace_id)
    assert client.post(address, headers=other, json={"type": "coach.morning_nudge"}).status_code in (403, 404)


@pytest.mark.parametrize("kind", [Kind.MEMBER, Kind.OWNER])
def test_a_goal_has_its_picture_on_the_leads_page(client: TestClient, house: House, kind: Kind) -> None:
    studio = house.studio("North")
    lead = coached(house, studio)
    headers = house.bearer(kind, studio.workspace_id)
    goal = {"type": "endurance", "target": "Zehn Kilometer für Zoë", "progress": 40, "deadline": "2027-06-01",
            "milestones": [{"description": "fünf", "target_date": "2027-04-01"}]}  # fmt: skip
    made = client.post(f"/api/whatsapp-coach/leads/{lead}/goals", headers=headers, json=goal).json()
    page = f"/studios/{studio.workspace_id}/people/{lead}"
    shown = client.get(page, headers=headers).text
    picture = f"{page}/goals/{made['id']}.png"
    assert picture in shown and "40 % reached, 0 of 1 milestones done" in shown
    answer = client.get(picture, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.content.startswith(b"\x89PNG") and len(answer.content) > 2_000
    assert client.get(f"{page}/goals/{new_id()}.png", headers=headers).status_code == 404

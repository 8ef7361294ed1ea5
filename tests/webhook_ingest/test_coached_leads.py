"""A lead's coaching over the API: how it stands, what they want, goals and trainings."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text
from starlette.testclient import TestClient

from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.security.principals import Kind
from tests.webhook_ingest.conftest import House
from tests.webhook_ingest.test_coach import coached

LEADS = "/api/whatsapp-coach/leads"


def test_a_lead_is_coached_as_they_want_it_and_works_on_a_goal(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    lead = coached(house, studio)
    headers = house.bearer(Kind.MEMBER, studio.workspace_id)
    before: dict[str, Any] = client.get(f"{LEADS}/{lead}", headers=headers).json()
    assert before["enrolled"] and before["current_goals"] == []
    assert before["coaching_preferences"] == {
        "frequency": "daily", "time_of_day": None, "time_zone": "Europe/Amsterdam", "motivation_style": "encouraging"
    }  # fmt: skip
    assert before["session_window"] == {"is_active": False, "expires_at": None, "last_inbound_message": None}
    assert before["metrics"] == {
        "total_nudges_sent": 0, "response_rate": None, "goal_completion_rate": None, "engagement_score": None
    }  # fmt: skip

    wanted = {
        "frequency": "weekly",
        "time_of_day": "18:30",
        "time_zone": "Asia/Tokyo",
        "motivation_style": "supportive",
    }
    after = client.put(f"{LEADS}/{lead}/preferences", headers=headers, json=wanted).json()
    assert after["coaching_preferences"] == wanted
    for wrong in (
        {"frequency": "hourly"},
        {"time_of_day": "23:00"},
        {"time_zone": "Mars"},
        {"motivation_style": "mean"},
    ):
        answer = client.put(f"{LEADS}/{lead}/preferences", headers=headers, json=wanted | wrong)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), wrong

    goal = {"type": "endurance", "target": "ten kilometres", "deadline": "2027-06-01",
            "milestones": [{"description": "five", "target_date": "2027-04-01"}]}  # fmt: skip
    made = client.post(f"{LEADS}/{lead}/goals", headers=headers, json=goal)
    assert made.status_code == 201
    address = f"/api/whatsapp-coach/goals/{made.json()['id']}"
    more = client.post(f"{address}/milestones", headers=headers,
                       json={"description": "eight", "target_date": "2027-05-01"})  # fmt: skip
    assert [one["description"] for one in more.json()["milestones"]] == ["five", "eight"]
    first = more.json()["milestones"][0]["id"]
    done = client.post(f"/api/whatsapp-coach/milestones/{first}/complete", headers=headers).json()
    assert [one["completed"] for one in done["milestones"]] == [True, False]
    assert client.patch(address, headers=headers, json={"progress": 100, "deadline": None}).json()["state"] == "reached"
    for wrong in ({}, {"progress": 101}, {"progress": None}, {"target": ""}, {"state": "reached"}, {"x": 1}):
        assert client.patch(address, headers=headers, json=wrong).status_code == 422, wrong
    stands = client.get(f"{LEADS}/{lead}", headers=headers).json()
    assert stands["current_goals"] == []
    assert stands["metrics"]["goal_completion_rate"] == 1
    assert [one["state"] for one in client.get(f"{LEADS}/{lead}/goals", headers=headers).json()["items"]] == ["reached"]
    assert client.patch(address, headers=headers, json={"state": "dropped"}).json()["state"] == "dropped"
    assert client.patch(address, headers=headers, json={"progress": 1}).status_code == 409


def test_trainings_are_told_by_id_or_number_each_once(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    lead = coached(house, studio)
    headers = house.bearer(Kind.OWNER, studio.workspace_id)
    told = {"trainings": [
        {"trained_at": "2027-02-26T09:00:00+01:00", "lead_id": str(lead)},
        {"trained_at": "2027-02-26T08:00:00Z", "phone": "+31612345678"},
        {"trained_at": "2027-02-24T08:00:00Z", "phone": "+31612345678"},
    ]}  # fmt: skip
    for recorded in (2, 0):
        answer = client.post("/api/whatsapp-coach/trainings", headers=headers, json=told)
        assert answer.json() == {"recorded": recorded, "known": 3 - recorded}
    stands = client.get(f"{LEADS}/{lead}", headers=headers).json()
    assert stands["last_training_date"] == "2027-02-26T08:00:00Z"
    wrong = {"trainings": [{"trained_at": "2027-02-26T08:00:00Z", "phone": "+31600000000"}]}
    refused = client.post("/api/whatsapp-coach/trainings", headers=headers, json=wrong)
    assert refused.status_code == 422
    assert "Training 1: the studio has no lead with that number" in refused.json()["detail"]


def test_a_lead_of_another_studio_is_not_found_and_nothing_of_theirs_changes(client: TestClient, house: House) -> None:
    north, south = house.studio("North"), house.studio("South")
    lead = coached(house, south)
    mine, theirs = (house.bearer(Kind.OWNER, one.workspace_id) for one in (north, south))
    goal = {"type": "habit", "target": "daily walks"}
    made = client.post(f"{LEADS}/{lead}/goals", headers=theirs, json=goal).json()
    training = {"trainings": [{"trained_at": "2027-02-26T08:00:00Z", "lead_id": str(lead)}]}
    answers = [
        client.get(f"{LEADS}/{lead}", headers=mine),
        client.put(f"{LEADS}/{lead}/preferences", headers=mine, json={"frequency": "weekly"}),
        client.get(f"{LEADS}/{lead}/goals", headers=mine),
        client.post(f"{LEADS}/{lead}/goals", headers=mine, json=goal),
        client.patch(f"/api/whatsapp-coach/goals/{made['id']}", headers=mine, json={"progress": 5}),
        client.post(f"/api/whatsapp-coach/milestones/{new_id()}/complete", headers=mine),
    ]
    assert [answer.status_code for answer in answers] == [404] * len(answers)
    assert client.post("/api/whatsapp-coach/trainings", headers=mine, json=training).status_code == 422
    with house.app.database.transaction(Scope.fleet()) as connection:
        assert connection.execute(text("select progress from coach_goal")).scalars().all() == [0]
        assert connection.execute(text("select frequency from coach_enrolment")).scalars().all() == ["daily"]
    admin = house.bearer(Kind.ADMIN)
    assert client.get(f"{LEADS}/{lead}", headers=admin).status_code == 422, "whoever has all studios names one"
    named = client.get(f"{LEADS}/{lead}", headers=admin, params={"workspace_id": str(south.workspace_id)})
    assert UUID(named.json()["lead_id"]) == lead

"""A studio's leads by program and by page: found, changed, put together, told and forgotten."""

from __future__ import annotations

import re
from uuid import UUID

from sqlalchemy import text
from starlette.testclient import TestClient

from pilar.backplane.facts import Lane
from pilar.database.engine import Scope
from pilar.security.principals import Kind
from tests.webhook_ingest.conftest import House

COACHED = (
    "insert into coach_enrolment values (:studio, :lead, 'daily', null, 'x', :now, null, null, null, 'weekly', null, :now)",
    "insert into coach_pace values (:studio, :lead, :lead, :now, 'slowed', 'weekly', 3)",
    "insert into analytics.lead_engagement values (:studio, :lead, 41, 0.25, 30, 50, 50, 50, 50, 4, 1, 3, :now)",
)


def test_a_program_deals_with_a_lead_from_the_first_to_the_last(client: TestClient, house: House) -> None:
    studio, other = house.studio("North"), house.studio("South")
    owner = house.bearer(Kind.OWNER, studio.workspace_id)
    home = f"/api/leads/{studio.workspace_id}"
    wrong = client.post(home, json={"phone": "12"}, headers=owner)
    assert wrong.status_code == 422 and "calling code" in wrong.json()["detail"]
    made = client.post(home, json={"phone": "06 12345678", "name": "Anna", "consent_proof": "form 17"}, headers=owner)
    assert (made.status_code, made.json()["phone"], made.json()["source"]) == (201, "+31612345678", "staff"), made.text
    lead = made.json()["id"]
    second = client.post(home, json={"phone": "0687654321", "name": "Anna B"}, headers=owner).json()["id"]
    mailed = client.patch(f"{home}/{second}", json={"email": " Anna@Mail.EXAMPLE"}, headers=owner).json()
    assert mailed["email"] == "Anna@mail.example"
    assert client.patch(f"{home}/{second}", json={"email": "anna@"}, headers=owner).status_code == 422

    changed = client.patch(f"{home}/{lead}", json={"tags": ["vip"], "properties": {"goal": "5 km"}}, headers=owner)
    assert (changed.status_code, changed.json()["tags"], changed.json()["properties"]) == (
        200,
        ["vip"],
        {"goal": "5 km"},
    )
    bad = client.patch(f"{home}/{lead}", json={"time_zone": "Mars/One"}, headers=owner)
    assert bad.status_code == 422 and "Europe/Amsterdam" in bad.json()["detail"]
    for query, found in (("search=anna", 2), ("search=1234", 1), ("tag=vip", 1), ("lifecycle=former", 0)):
        items = client.get(f"{home}?{query}", headers=owner).json()["items"]
        assert len(items) == found, query
    page = client.get(f"{home}?limit=1", headers=owner).json()
    rest = client.get(f"{home}?limit=1&cursor={page['next_cursor']}", headers=owner).json()
    assert [page["items"][0]["id"], rest["items"][0]["id"]] == [second, lead]

    told = {"scope": "marketing", "granted": False, "proof": "said so at the desk"}
    assert client.post(f"{home}/{lead}/consent", json=told, headers=owner).json()["is_new"] is True
    assert client.get(f"{home}/{lead}", headers=owner).json()["consent"] == {"marketing": False}
    again = client.post(f"{home}/{lead}/consent", json={**told, "granted": True}, headers=owner)
    assert again.status_code == 409 and "only they themselves" in again.json()["detail"]
    assert client.post(f"{home}/{lead}/notes", json={"text": "Knee"}, headers=owner).status_code == 201
    kinds = [one["kind"] for one in client.get(f"{home}/{lead}/timeline", headers=owner).json()["items"]]
    assert sorted(kinds) == ["consent", "consent", "note"]

    merged = client.post(f"{home}/{lead}/merge", json={"lead_id": second, "reason": "same person"}, headers=owner)
    assert merged.json()["is_new"] is True
    kept = client.get(f"{home}/{second}", headers=owner).json()
    assert (kept["id"], kept["email"], kept["email_refused"]) == (lead, "Anna@mail.example", None)
    coach = "/api/whatsapp-coach"
    goal = {
        "type": "habit",
        "target": "Twice a week",
        "milestones": [{"description": "Once", "target_date": "2026-06-01"}],
    }
    assert client.post(f"{coach}/leads/{second}/goals", json=goal, headers=owner).status_code == 201
    attended = {"trainings": [{"lead_id": one, "trained_at": "2026-01-01T09:00:00Z"} for one in (second, lead)]}
    assert client.post(f"{coach}/trainings", json=attended, headers=owner).json() == {"recorded": 1, "known": 1}
    state = client.get(f"{coach}/leads/{second}", headers=owner).json()
    assert (state["lead_id"], state["last_training_date"]) == (lead, "2026-01-01T09:00:00Z")
    assert client.post(f"{home}/{second}/notes", json={"text": "Shoulder"}, headers=owner).status_code == 201
    page = client.get(f"/studios/{studio.workspace_id}/people/{second}", headers={**owner, "accept": "text/html"}).text
    assert all(words in page for words in ("Twice a week", "Once", "Shoulder", "1 Jan 2026", "Trained"))
    stranger = house.bearer(Kind.OWNER, other.workspace_id)
    assert client.get(f"/api/leads/{other.workspace_id}/{lead}", headers=stranger).status_code == 404

    export = client.get(f"{home}/{lead}/export", headers=owner).json()
    assert [one["text"] for one in export["messaging"]["notes"]] == ["Knee", "Shoulder"]
    assert export["coach"]["milestones"][0]["description"] == "Once"
    assert client.delete(f"{home}/{lead}", headers=owner).status_code == 202
    assert client.delete(f"{home}/{lead}", headers=owner).status_code == 200
    drain = house.app.drain("test")
    drain.promote()
    drain.step(Lane.DEFAULT)
    drain.close()
    gone = client.get(f"{home}/{lead}", headers=owner).json()
    known = (gone["name"], gone["phone"], gone["email"], gone["lifecycle"])
    assert known == (None, None, None, "erased") and gone["erased_at"]
    shared = client.post(home, json={"phone": "0612345679", "email": "anna@mail.example"}, headers=owner)
    assert shared.status_code == 409, "the address of somebody who was forgotten"
    back = client.post(home, json={"phone": "0612345678"}, headers=owner)
    assert back.status_code == 409 and "forgotten" in back.json()["detail"]


def test_staff_finds_changes_and_forgets_somebody_on_pages(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    csrf = house.sign_in(client, studio.owner)
    home = f"/studios/{studio.workspace_id}/people"

    def sent(path: str, **form: str) -> str:
        answer = client.post(home + path, data={"csrf_token": csrf, **form}, follow_redirects=True)
        assert answer.status_code in (200, 409, 422), answer.text
        return answer.text

    assert "calling code" in sent("", phone="12")
    assert "Saved." in sent("", phone="0612345678", name="Anna <i>")
    listed = client.get(f"{home}?search=anna").text
    assert "Anna &lt;i&gt;" in listed and "<i>" not in listed
    lead = UUID(listed.split('data-lead="')[1][:36])
    page = client.get(f"{home}/{lead}").text
    form = page.split('name="note_id" value="')[1][:36]
    for _ in range(2):
        assert "The note is kept." in sent(f"/{lead}/notes", text="Likes mornings", note_id=form)
    assert client.get(f"{home}/{lead}").text.count("Likes mornings") == 1, "a form that is sent twice counts once"
    assert "Write something" in sent(f"/{lead}/notes", text=" ", note_id=form)
    with house.app.database.transaction(Scope.fleet()) as connection:
        values = {"studio": studio.workspace_id, "lead": lead, "now": house.app.clocks.business.now()}
        for statement in COACHED:
            connection.execute(text(statement), values)
    page = client.get(f"{home}/{lead}").text
    assert "Likes mornings" in page
    coached = " ".join(re.sub(r"<[^>]+>", " ", page.split('id="coaching"')[1].split("</section>")[0]).split())
    assert "Written to weekly chose daily" in coached
    assert "Answered 25 % Unanswered in a row 3 Engagement 41 of 100" in coached
    assert "Written to weekly: 3 nudges in a row were not answered." in coached
    assert page.count("3 nudges in a row were not answered.") == 2, "among what happened too"
    assert "+31612345678" in sent(f"/{lead}", name="Anna", phone="+31612345678", language="nl", tags="vip, early")
    assert "wants none" in sent(f"/{lead}/consent", told="nothing", proof="said so")
    assert "can&#39;t be taken back" in sent(f"/{lead}/erase", confirmed="yes")
    assert "The erasure is under way." in sent(f"/{lead}/erase", confirmed="ERASE")

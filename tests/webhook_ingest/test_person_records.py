"""A lead's goals, trainings and wishes by page: what is told is kept once, and what is refused stays as it was typed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from starlette.testclient import TestClient

from pilar.backplane.facts import Lane
from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.security.principals import Kind
from tests.webhook_ingest.conftest import House
from tests.webhook_ingest.test_coach import coached, words

FILE = (
    b"lead;starts_at;kind;state\n0612345678;2027-02-20 18:00;Spinning;done\n+31612345678;2027-02-20T17:00Z;;done\n"
    b"31612345678;2027-02-21 18:00;Yoga;missed\n0612345678;2027-03-05 18:00;;planned\n"
    b"0687654321;2027-02-20 18:00;;done\n0612345678;2027-02-20;;done\n0612345678;2027-03-05 18:00;;done\n"
)


def rows(house: House, query: str) -> list[Any]:
    with house.app.database.transaction(Scope.fleet()) as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_staff_sets_follows_and_ends_a_goal(client: TestClient, house: House) -> None:
    studio, other = house.studio("North"), house.studio("South")
    lead, stranger = coached(house, studio), coached(house, other, "Bo", "+31687654321")
    csrf = house.sign_in(client, studio.member)
    home = f"/studios/{studio.workspace_id}/people/{lead}"

    def sent(path: str, status: int = 200, **form: Any) -> str:
        answer = client.post(home + path, data={"csrf_token": csrf, **form}, follow_redirects=True)
        assert answer.status_code == status, answer.text
        return answer.text

    goal: dict[str, Any] = {"goal_id": str(new_id()), "kind": "endurance", "target": "ten <b> kilometres",
                            "deadline": "2027-06-01", "step": ["five", ""], "by": ["2027-04-01", ""]}  # fmt: skip
    refused = sent("/goals", 422, **(goal | {"step": ["five", "seven"]}))
    assert "by which day a milestone" in refused and 'value="seven"' in refused and "ten &lt;b&gt;" in refused
    assert "what is to be reached" in sent("/goals", 422, **(goal | {"target": " "}))
    for _ in range(2):
        page = sent("/goals", **goal)
    assert "The goal is set." in page and page.count("data-goal=") == 1, "a form that is sent twice counts once"
    of_goal = f"/goals/{goal['goal_id']}"
    wanted = {"target": "ten kilometres", "deadline": "", "progress": "40", "act": "save"}
    assert 'value="110"' in sent(of_goal, 422, **(wanted | {"progress": "110"}))
    assert "endurance · 40 %" in words(sent(of_goal, **wanted))
    step = {"step_id": str(new_id()), "step": "eight", "by": "2027-05-01"}
    for _ in range(2):
        sent(f"{of_goal}/milestones", **step)
    assert "Well done" in sent(f"/milestones/{step['step_id']}")
    found = rows(house, "select description, completed_at is not null from coach_milestone order by target_date")
    assert found == [("five", False), ("eight", True)]
    assert "given up" in sent(of_goal, act="drop")
    assert "was given up" in sent(of_goal, 409, **wanted)
    told = rows(house, "select action from audit_log where subject like 'goal:%' and actor like 'member:%' order by id")
    assert [one for one, in told] == [
        "coach.goal_set", "coach.goal_changed", "coach.goal_changed", "coach.goal_milestone_completed",
        "coach.goal_dropped",
    ]  # fmt: skip

    theirs = f"/studios/{studio.workspace_id}/people/{stranger}"
    assert client.post(f"{theirs}/goals", data={"csrf_token": csrf, **goal}).status_code == 404
    assert client.post(home + of_goal, data=wanted).status_code == 403, "without the form's token nothing is done"


def test_staff_records_trainings_and_wishes(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    lead = coached(house, studio)
    csrf = house.sign_in(client, studio.member)
    home = f"/studios/{studio.workspace_id}/people/{lead}"

    def sent(path: str, status: int = 200, **form: str) -> str:
        answer = client.post(home + path, data={"csrf_token": csrf, **form}, follow_redirects=True)
        assert answer.status_code == status, answer.text
        return words(answer.text)

    assert "on which day and at what time" in sent("/trainings", 422, at="soon", state="done")
    assert "It is in the future" in sent("/trainings", 422, at="2027-03-20T18:00", state="done")
    assert "begun already" in sent("/trainings", 422, at="2027-02-20T18:00", state="planned")
    sent("/trainings", at="2027-03-20T18:00", state="planned", kind="Spinning")
    sent("/trainings", at="2027-02-20T18:00", state="done", kind="Yoga")
    page = sent("/trainings", at="2027-02-22T18:00", state="done")
    assert "Sat 20 Feb 2027, 18:00 Yoga · done" in page and "Sat 20 Mar 2027, 18:00 Spinning · planned" in page
    last = "select last_training_at at time zone 'Europe/Amsterdam' from coach_state"
    assert f"{rows(house, last)[0][0]:%d %H:%M}" == "22 18:00"
    sent("/trainings", at="2027-02-22T18:00", state="missed")
    assert f"{rows(house, last)[0][0]:%d %H:%M}" == "20 18:00", "what was a slip is put right"
    assert "Missed a training" in sent("/trainings", at="2027-02-20T18:00", state="missed")
    assert rows(house, last) == [(None,)]
    assert rows(house, "select count(*) from audit_log where action = 'coach.training_told'") == [(5,)]

    wishes = {"frequency": "weekly", "time_of_day": "18:30", "time_zone": "Asia/Tokyo", "style": "challenging"}
    page = sent("/coaching", **wishes)
    assert "Style challenging Time of day 18:30 Asia/Tokyo" in page
    for wrong in ({"frequency": "hourly"}, {"time_of_day": "23:00"}, {"time_zone": "Mars"}, {"style": "rude"}):
        sent("/coaching", 422, **(wishes | wrong))
    assert "Time of day as scheduled" in sent("/coaching", **(wishes | {"time_of_day": "", "time_zone": ""}))


def test_trainings_come_in_a_file_once_with_a_report(client: TestClient, browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    coached(house, studio)
    owner = house.bearer(Kind.OWNER, studio.workspace_id)
    address = "/api/whatsapp-coach/trainings/import"
    taken = client.post(address, content=FILE, headers={**owner, "content-type": "text/csv"})
    assert taken.status_code == 202, taken.text
    drain = house.app.drain("test")
    drain.promote()
    drain.step(Lane.BULK)
    drain.close()
    mine = f"{address}/{studio.workspace_id}"
    done = client.get(f"{mine}/{taken.json()['id']}", headers=owner).json()
    assert [done[name] for name in ("state", "added", "known", "refused")] == ["done", 3, 1, 3], done
    assert len(client.get(mine, headers=owner).json()["items"]) == 1
    assert client.get(f"/api/leads/import/{studio.workspace_id}", headers=owner).json()["items"] == []
    report = client.get(f"{mine}/{done['id']}/refused", headers=owner).text.splitlines()[1:]
    assert [line[:23] for line in report] == [
        "6,lead is nobody whom t",
        '7,"starts_at is missing',
        "8,It is in the future; ",
    ]
    kept = rows(house, "select state, kind, source from coach_training order by trained_at")
    assert kept == [("done", "Spinning", "file"), ("missed", "Yoga", "file"), ("planned", None, "file")]
    again = client.post(address, content=FILE, headers={**owner, "content-type": "text/csv"})
    assert (again.status_code, again.json()["id"]) == (200, done["id"])

    house.sign_in(browser, studio.owner)
    page = f"/studios/{studio.workspace_id}/leads"
    wrong = browser.post(f"{page}/trainings", files={"file": ("x.csv", b"lead\n1\n")})
    assert wrong.status_code == 422 and "missing: starts_at, state" in wrong.text
    sent = browser.post(f"{page}/trainings", files={"file": ("x.csv", FILE + b"\n")}, follow_redirects=True)
    assert "The file is taken." in sent.text and f"{mine}/{done['id']}/refused" in sent.text

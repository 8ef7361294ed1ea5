"""Coaching on its page and over the API: who is coached, what comes next, what became of it, and changing that."""

from __future__ import annotations

import re
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import text
from starlette.testclient import TestClient

from pilar.coach import enrolment
from pilar.database.engine import Scope
from pilar.messaging import consent, store
from pilar.security.principals import Kind
from tests.webhook_ingest.conftest import House, Studio
from tests.webhook_ingest.test_pages import Outline

NOON = {"enabled": True, "schedules": [{"type": "coach.morning_nudge", "cron": "0 12 * * *"}]}


def coached(house: House, studio: Studio, name: str | None = "Anna <b>", phone: str = "+31612345678") -> UUID:
    """A lead who is coached by an open studio."""
    clocks = house.app.clocks
    who = {"phone": phone, "name": name, "language": "nl", "country": "NL", "lifecycle": "lead",
           "source": "whatsapp", "created_at": clocks.business.now()}  # fmt: skip
    with house.app.database.transaction(Scope.fleet()) as connection:
        connection.execute(text("update workspace set state = 'active'"))
        lead = store.ensure_lead(connection, studio.workspace_id, phone, who)
        consent.grant(connection, clocks, studio.workspace_id, lead, "marketing", "keyword", "COACH")
        assert enrolment.enrol(connection, clocks, studio.workspace_id, lead)
    return lead


def counted(house: House, studio: Studio) -> None:
    """Figures of two days, as a count leaves them behind."""
    now = house.app.clocks.business.now()
    with house.app.database.transaction(Scope.fleet()) as connection:
        for day in (date(2027, 2, 27), date(2027, 2, 28), date(2026, 12, 1)):
            values = {"studio": studio.workspace_id, "day": day, "now": now}
            connection.execute(text("insert into analytics.coach_activity values"
                                    " (:studio, :day, 'morning_nudge', 5, 3, 2, 1, 0, :now, 1)"), values)  # fmt: skip
            connection.execute(text("insert into analytics.coach_refusal values"
                                    " (:studio, :day, 'morning_nudge', 'quiet_hours', 2, :now)"), values)  # fmt: skip
            connection.execute(text("insert into analytics.coach_engagement values (:studio, :day, 8, 2, 1, 61.5,"
                                    " '{0,1,0,0,2,0,3,1,0,1}', 3, 1, :now)"), values)  # fmt: skip


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_the_page_shows_who_is_coached_and_what_comes_next_where_they_are(browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    first, second = coached(house, studio), coached(house, studio, None, "+12125550123")
    counted(house, studio)
    house.sign_in(browser, studio.member)
    page = browser.get(f"/studios/{studio.workspace_id}/coach").text
    assert [attributes["data-lead"] for _, attributes in Outline(page).elements if "data-lead" in attributes] == [
        str(second), str(first)
    ]  # fmt: skip
    said = words(page)
    assert "Next: Morning nudge, Tue 2 Mar, 08:00 Europe/Amsterdam" in said
    assert "Next: Morning nudge, Mon 1 Mar, 08:00 America/New_York" in said
    assert "a lead without a name" in said
    assert "Anna &lt;b&gt;" in page
    assert "Morning nudge 10 6 2 33 % 4 0 2" in said, "the last thirty days are summed up, what is older is not"
    assert "Quiet hours 4 times" in said
    assert "6 sent 2 answered the lines: 5 and half of it" in said
    assert (
        "Coached 8 Mean score 62 of 100 Written to less often 2 Paused until they write 1 Goals reached 1 of 4" in said
    )
    assert page.split('id="scores"')[1].count("<rect") == 5
    assert "<form" not in page.split('id="coached"')[1], "a member looks and does not act"


def test_a_lead_of_another_studio_is_not_found(browser: TestClient, house: House) -> None:
    north, south = house.studio("North"), house.studio("South")
    lead = coached(house, south)
    csrf = house.sign_in(browser, north.owner)
    form = {"csrf_token": csrf, "frequency": "weekly"}
    assert browser.post(f"/studios/{north.workspace_id}/people/{lead}/coaching", data=form).status_code == 404
    assert str(lead) not in browser.get(f"/studios/{north.workspace_id}/coach").text


def test_a_studio_without_coached_leads_says_how_they_come(browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    house.sign_in(browser, studio.owner)
    page = browser.get(f"/studios/{studio.workspace_id}/coach").text
    assert "by writing COACH" in page
    assert "Nothing has been counted yet." in page


def test_the_schedule_is_read_and_changed_over_the_api(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    coached(house, studio)
    address = f"/api/whatsapp-coach/schedule/{studio.workspace_id}"
    headers = house.bearer(Kind.OWNER, studio.workspace_id)
    before = client.get(address, headers=headers).json()
    assert before["version"] == 1
    assert len(before["coaching"]["schedules"]) == 6
    for _ in range(2):  # the same again is no new version
        answer = client.put(address, headers=headers, json={"coaching": NOON})
        assert (answer.status_code, answer.json()["version"]) == (200, 2)
    after: dict[str, Any] = client.get(address, headers=headers).json()
    assert after["coaching"]["schedules"] == [NOON["schedules"][0] | {"enabled": True}]  # type: ignore[index]
    with house.app.database.transaction(Scope.fleet()) as connection:
        assert [row.due_at.hour for row in connection.execute(text("select due_at from coach_nudge"))] == [11]
        by = connection.execute(text("select changed_by from workspace_configuration where version = 2")).scalar_one()
    assert by.startswith("token:")
    stale = client.put(address, headers=headers, json={"coaching": before["coaching"], "version": 1})
    assert (stale.status_code, stale.json()["code"]) == (409, "conflict")


def test_a_schedule_that_makes_no_sense_is_refused(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    headers = house.bearer(Kind.OWNER, studio.workspace_id)
    address = f"/api/whatsapp-coach/schedule/{studio.workspace_id}"
    wrong = [
        {"type": "coach.morning_nudge", "cron": "61 8 * * *"}, {"type": "coach.morning_nudge", "cron": "8"},
        {"type": "coach.other", "cron": "0 8 * * *"}, {"type": "coach.morning_nudge", "cron": "0 8 * * *", "x": 1},
    ]  # fmt: skip
    for entry in wrong:
        answer = client.put(address, headers=headers, json={"coaching": {"enabled": True, "schedules": [entry]}})
        assert answer.status_code == 422, entry
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.get(address, headers=headers).json()["version"] == 1


def test_what_came_of_coaching_is_told_over_the_api(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    address = f"/api/whatsapp-coach/analytics/{studio.workspace_id}"
    headers = house.bearer(Kind.MEMBER, studio.workspace_id)
    nothing = {"days": 30, "types": [], "by_day": [], "engagement": None, "refreshed_at": None}
    assert client.get(address, headers=headers).json() == nothing
    counted(house, studio)
    found = client.get(address, headers=headers).json()
    assert found["types"] == [
        {"type": "morning_nudge", "planned": 10, "sent": 6, "refused": 4, "answered": 2, "dry_run": 0,
         "opted_out": 2, "response_rate": 1 / 3, "refusals": [{"reason": "quiet_hours", "count": 4}]}
    ]  # fmt: skip
    assert [(one["day"], one["type"], one["sent"], one["answered"]) for one in found["by_day"]] == [
        ("2027-02-27", "morning_nudge", 3, 1), ("2027-02-28", "morning_nudge", 3, 1)
    ]  # fmt: skip
    stands = found["engagement"]
    assert (stands["leads"], stands["slowed"], stands["paused"], stands["mean_score"]) == (8, 2, 1, 61.5)
    assert (stands["distribution"], stands["goal_completion_rate"]) == ([0, 1, 0, 0, 2, 0, 3, 1, 0, 1], 0.25)
    assert found["refreshed_at"]

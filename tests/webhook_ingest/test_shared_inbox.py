"""The shared inbox as a team uses it: who sees to what, notes, templates and files, by page and by API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from pilar.database.engine import Scope
from pilar.security import api_tokens
from pilar.security.principals import Kind
from tests.fixtures.opened import LEAD, Studio, open_studio
from tests.fixtures.system import System
from tests.webhook_ingest.test_conversations import Staff, rows, words
from tests.webhook_ingest.test_pages import Outline
from webhook_ingest.app import create_app

OTHER = "+31687654321"


@pytest.fixture
def studio(system: System) -> Studio:
    return open_studio(system)


@pytest.fixture
def browser(studio: Studio) -> Iterator[TestClient]:
    url = studio.system.public_url
    with TestClient(create_app(studio.system.app), base_url=url) as opened:
        opened.headers.update({"accept": "text/html", "origin": url})
        yield opened


def actions(studio: Studio) -> list[str]:
    return studio.system.column(
        "select action from audit_log where action like 'conversation.%%' or action = 'lead.noted' order by position"
    )


def person_of(studio: Studio, email: str) -> str:
    return str(studio.system.column(f"select id from person where email = '{email}'")[0])


def test_a_team_shares_its_inbox_by_page(studio: Studio, browser: TestClient) -> None:
    studio.writes("Ik wil een medewerker spreken")
    studio.writes("Ik wil een medewerker spreken", sender=OTHER)
    lead, other = str(studio.lead()), str(studio.lead(OTHER))
    member = Staff(browser, studio, "member", "Sanne")
    me = person_of(studio, "member@staff.test")
    assert set(rows(member.sees("?who=unassigned"), "data-lead")) == {lead, other}
    assert rows(member.sees("?who=mine"), "data-lead") == []
    assert member.sends(f"/{lead}/assign", person=me).status_code == 303
    assert rows(member.sees("?who=mine"), "data-lead") == [lead]
    assert rows(member.sees("?who=unassigned"), "data-lead") == [other]
    assert "Sanne sees to it" in words(member.sees())
    assert member.sends(f"/{lead}/assign", person="00000000-0000-7000-8000-000000000009").status_code == 422
    # A note is kept once per form, is shown to the staff, and is never sent.
    [field] = Outline(member.sees(f"/{lead}")).having("name", "note_id")
    for _ in range(2):
        note = member.sends(f"/{lead}/notes", note_id=str(field["value"]), note="Calls <b>after</b> six")
        assert note.status_code == 303
    page = member.sees(f"/{lead}")
    assert len(rows(page, "data-note")) == 1
    assert "Calls &lt;b&gt;after&lt;/b&gt; six" in page
    assert member.sends(f"/{lead}/notes", note_id=str(field["value"]), note=" ").status_code == 422
    # Whoever answers what nobody sees to, sees to it from then on.
    member.sends(f"/{other}/answer", form_id=member.form_id(studio.lead(OTHER)), text="Hoi!")
    assert len(rows(member.sees("?who=mine"), "data-lead")) == 2
    assert not [text for (text,) in studio.out("text") if "six" in text]
    assert actions(studio) == ["conversation.assigned", "lead.noted", "conversation.assigned"]


def test_outside_the_window_a_template_is_chosen_by_what_it_says(studio: Studio, browser: TestClient) -> None:
    system = studio.system
    studio.writes("Hoi")
    lead = studio.lead()
    system.travel_to(system.business.now() + timedelta(hours=25))
    member = Staff(browser, studio, "member", "Sanne")
    page = member.sees(f"/{lead}")
    assert "The 24-hour window is closed" in words(page)
    offered = {str(field["value"]) for field in Outline(page).having("name", "template")}
    approved = system.column("select distinct name from message_template where state = 'approved'")
    # A goal's report is filled in by who knows of the goal.
    assert offered == set(approved) - {"number_test", "coach_goal_report"}
    assert "Studio Noord" in words(page)
    assert "{{" not in words(page)
    [choice, *_] = Outline(page).having("name", "choice_id")
    utility = system.column(
        "select name from message_template where category = 'utility' and name <> all('{number_test,coach_goal_report}')"
    )
    name = (utility or sorted(offered))[0]
    studio.agrees(lead)
    for _ in range(2):
        assert member.sends(f"/{lead}/template", choice_id=str(choice["value"]), template=name).status_code == 303
    [(sent, state, parameters)] = studio.out("template_name, state, template_parameters")
    assert (sent, state) == (name, "read")
    [variables] = system.column(
        f"select count(distinct m) from message_template, regexp_matches(body, '{{{{[0-9]}}}}', 'g') m"
        f" where name = '{name}' and language = 'nl'"
    )
    assert len(parameters) == variables
    assert member.sends(f"/{lead}/template", choice_id=str(choice["value"]), template="nobodys").status_code == 409
    assert "A person answers" in words(member.sees(f"/{lead}"))


def test_what_leads_send_is_shown_and_a_file_is_only_the_studios(studio: Studio, browser: TestClient) -> None:
    for kind, text in (("image", "Mijn <i>knie</i>"), ("document", ""), ("location", "Thuis"), ("contacts", "Bo Bos")):
        studio.system.sandbox.receive_whatsapp(to=studio.number, sender=LEAD, text=text, type=kind)
        studio.system.settle()
    member = Staff(browser, studio, "member", "Sanne")
    lead = studio.lead()
    page = member.sees(f"/{lead}")
    assert "Mijn &lt;i&gt;knie&lt;/i&gt;" in page
    assert "Place: Thuis" in words(page)
    assert "Bo Bos +31 6 11111111" in words(page)
    [picture] = [str(one) for one in rows(page, "src") if "/files/" in str(one)]
    answer = browser.get(picture)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.headers["x-content-type-options"] == "nosniff"
    [document] = [str(one) for one in rows(page, "href") if "/files/" in str(one)]
    answer = browser.get(document)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    Staff(browser, open_studio(studio.system, "Studio Zuid"), "owner", "Otto")
    assert browser.get(picture).status_code == 403


def test_programs_do_all_of_it_by_api(studio: Studio, browser: TestClient) -> None:
    system = studio.system
    studio.writes("Hoi")
    lead = studio.lead()
    member = Staff(browser, studio, "member", "Sanne")
    browser.headers.update({"accept": "application/json", "x-csrf-token": member.csrf})
    home = f"/api/conversations/{studio.id}"

    def asks(method: str, path: str = "", **content: Any) -> Any:
        answer = browser.request(method, home + path, json=content or None)
        system.settle()
        return answer

    [mine] = [one for one in asks("GET").json()["items"] if one["lead_id"] == str(lead)]
    assert (mine["mode"], mine["assigned_to"], mine["unread"]) == ("bot", None, 0)
    assert asks("POST", f"/{lead}/take-over").json() == {"changed": True}
    assert asks("POST", f"/{lead}/answers", text="Hoi, met Sanne!").status_code == 202
    assert asks("POST", f"/{lead}/answers", text="").status_code == 422
    assert asks("POST", f"/{lead}/notes", text="Wants to swim").status_code == 201
    found = asks("GET", f"/{lead}").json()
    assert found["assigned_to"] == person_of(studio, "member@staff.test")
    assert [one["text"] for one in found["notes"]] == ["Wants to swim"]
    assert found["messages"][-1]["words"] == "Hoi, met Sanne!"
    assert asks("GET", "?who=mine").json()["items"][0]["lead_id"] == str(lead)
    assert asks("PUT", f"/{lead}/assignee", person_id=None).json() == {"changed": True}
    assert asks("PUT", f"/{lead}/assignee", person_id=str(lead)).status_code == 422
    names = [one["name"] for one in asks("GET", f"/{lead}/templates").json()["items"]]
    assert names
    assert asks("POST", f"/{lead}/templates", name="nobodys").status_code == 409
    assert asks("POST", f"/{lead}/hand-back").json() == {"changed": True}
    system.travel_to(system.business.now() + timedelta(hours=25))
    refused = asks("POST", f"/{lead}/answers", text="Nog een keer")
    assert (refused.status_code, "24-hour window" in refused.json()["detail"]) == (409, True)
    assert asks("GET", f"/{studio.id}").status_code == 404
    assert "lead.noted" in actions(studio)
    with system.database.transaction(Scope.fleet()) as connection:
        token = api_tokens.create(connection, name="Reads", kind=Kind.SYSTEM, actor="admin:1", now=system.clock.now())
    browser.cookies.clear()
    answer = browser.get(f"{home}?who=mine", headers={"authorization": f"Bearer {token.plain}"})
    assert answer.status_code == 422

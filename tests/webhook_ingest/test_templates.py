"""Templates, follow-ups and closing windows as a studio's people see and change them: page, API and command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from pilar.followups.planning import plan
from pilar_cli.main import app as command_line
from tests.fixtures.opened import Studio
from tests.messaging.test_template_manager import at_meta
from tests.webhook_ingest.test_conversations import Staff, rows, words
from webhook_ingest.app import create_app


@pytest.fixture
def studio(opened_studio: Studio) -> Studio:
    return opened_studio


@pytest.fixture
def browser(studio: Studio) -> Iterator[TestClient]:
    url = studio.system.public_url
    with TestClient(create_app(studio.system.app), base_url=url) as opened:
        opened.headers.update({"accept": "text/html", "origin": url})
        yield opened


def test_an_owner_writes_templates_and_everybody_sees_what_comes(studio: Studio, browser: TestClient) -> None:
    system = studio.system
    owner = Staff(browser, studio, "owner", "Olga")
    owner.home = f"/studios/{studio.id}/templates"
    typed = {"name": "place_ready", "language": "nl", "category": "utility"}
    wrong = owner.sends("", **typed, body="Tot snel, <b>{{1}}")
    assert wrong.status_code == 422
    assert "begins or ends with a variable" in wrong.text
    assert "&lt;b&gt;{{1}}" in wrong.text, "what was typed stays"
    assert owner.sends("", **typed, body="Hoi {{1}}, je plek bij {{2}} staat klaar.").status_code == 303
    assert owner.sends("", **typed, body="Hoi {{1}}, iets anders bij {{2}} staat klaar.").status_code == 409
    assert owner.sends("/sync").status_code == 303
    page = owner.sees()
    assert "place_ready:nl" in rows(page, "data-template")
    assert "Hoi Anna, je plek bij Studio Noord staat klaar." in words(page)

    studio.writes("Ik wil een medewerker spreken", sender="+31687654321")
    studio.writes("Hoi")
    studio.agrees(studio.lead())
    system.travel_to(system.business.now() + timedelta(hours=22, minutes=30))
    studio.run(plan, [studio.id])
    page = owner.sees()
    assert rows(page, "data-followup") == ["first_reminder", "second_reminder"]
    assert str(studio.lead()) in page, "to whom it goes next"
    at_meta(studio, "DELETE", "message_templates", name="session_reminder")
    assert owner.sends("/sync").status_code == 303
    system.settle()
    page = owner.sees()
    assert "No other text is left for it" in words(page)
    assert owner.sends("/again", name="place_ready").status_code == 409, "it is there"
    assert owner.sends("/again", name="session_reminder").status_code == 303
    system.settle()
    again = "select name, state from message_template where left(name, 16) = 'session_reminder' order by name, language"
    assert system.rows(again) == [("session_reminder", "deleted")] * 2 + [("session_reminder_v2", "approved")] * 2
    assert "No other text is left for it" not in words(owner.sees())
    member = Staff(browser, studio, "member", "Sanne")
    assert rows(member.sees("?who=closing"), "data-lead") == [str(studio.lead("+31687654321"))]
    member.home = owner.home
    assert "Write a template" not in words(member.sees())
    assert member.sends("/sync").status_code == 403


def test_programs_and_the_command_line_do_the_same(
    studio: Studio, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = studio.system
    owner = Staff(browser, studio, "owner", "Olga")
    browser.headers.update({"accept": "application/json", "x-csrf-token": owner.csrf})
    home = f"/api/whatsapp/templates/{studio.id}"
    text = {"category": "utility", "body": "Hi {{1}}, your place at {{2}} is ready."}
    assert browser.put(f"{home}/place_ready/en", json=text).status_code == 200
    refused = browser.put(f"{home}/Place/en", json={**text, "body": "{{1}}"})
    assert refused.status_code == 422
    assert all(says in refused.text for says in ("lower-case letters", "begins or ends", "too few words"))

    monkeypatch.setenv("PILAR_DATABASE_URL", system.database.url)

    wide = {"COLUMNS": "250"}

    def run(*command: str, code: int = 0) -> str:
        done = CliRunner().invoke(command_line, ["templates", *command, "--workspace", str(studio.id)], env=wide)
        assert done.exit_code == code, done.output
        return done.output

    body = "Hoi {{1}}, je plek bij {{2}} staat klaar."
    assert "is submitted" in run("submit", "place_ready", body, "--language", "nl")
    assert "begins or ends" in run("submit", "place_ready", "Tot snel, {{1}}", "--language", "nl", code=1)
    assert "under way" in run("sync")
    system.settle()
    told = {(one["name"], one["language"]): one for one in json.loads(run("list", "--json"))}
    assert "place_ready" in run("list")
    listed = {(one["name"], one["language"]): one for one in browser.get(home).json()["items"]}
    for found in (told, listed):
        assert [found["place_ready", language]["state"] for language in ("en", "nl")] == ["approved"] * 2
    assert listed["place_ready", "nl"]["purpose"] == "place_ready"
    assert browser.post(f"{home}/sync").status_code == 202
    followups = browser.get(f"/api/whatsapp/followups/{studio.id}").json()
    assert [one["name"] for one in followups["followups"]] == ["first_reminder", "second_reminder"]
    assert (followups["coming"], followups["stopped"]) == ([], [])

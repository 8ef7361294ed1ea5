"""A studio's rules over the web: what they say, what came of them, turning one off, trying a text out."""

from __future__ import annotations

from uuid import UUID

from starlette.testclient import TestClient

from pilar.agents.analytics_store import refresh_rule_performance
from pilar.agents.defaults import install_rules
from pilar.database.engine import Scope
from pilar.security.principals import Kind
from pilar.workspaces.configuration import StudioConfiguration, StudioProfile
from pilar.workspaces.plans import Plan
from pilar.workspaces.store import save_configuration
from tests.webhook_ingest.conftest import House, Studio


def with_rules(house: House, name: str = "North") -> Studio:
    studio, now = house.studio(name), house.app.clocks.business.now()
    profile = StudioProfile(name=name, country="NL", time_zone="Europe/Amsterdam", language="en")
    document = StudioConfiguration(plan=Plan.PRO, studio=profile)
    with house.app.database.transaction(Scope.fleet()) as connection:
        save_configuration(connection, studio.workspace_id, document, changed_by="system", note="", now=now)
        install_rules(connection, studio.workspace_id, now)
    return studio


def rule_id(house: House, studio: Studio, name: str) -> UUID:
    query = f"select id from ai_rule where workspace_id = '{studio.workspace_id}' and name = '{name}'"
    with house.app.database.transaction(Scope.fleet()) as connection:
        found: UUID = connection.exec_driver_sql(query).scalar_one()
    return found


def test_the_page_shows_rules_and_what_came_of_them(browser: TestClient, house: House) -> None:
    studio = with_rules(house)
    house.sign_in(browser, studio.member)
    address = f"/studios/{studio.workspace_id}/rules"
    page = browser.get(address).text
    assert "Not measured yet" in page
    assert page.index('data-rule="accept"') < page.index('data-rule="greeting"')
    assert "Turn off" not in page  # which is the owner's to do
    with house.app.database.transaction(Scope.fleet()) as connection:
        refresh_rule_performance(connection, house.app.clocks, [studio.workspace_id])
        connection.exec_driver_sql(
            "update analytics.rule_performance set matches = 8, answered = 7, refused = 1, successes = 2,"
            " success_rate = 0.25, avg_latency_ms = 1234.5, last_fired_at = refreshed_at where name = 'prices'"
        )
    page = browser.get(address).text
    assert "Measured" in page
    assert "25 %" in page
    assert "1.2 s" in page


def test_an_owner_turns_a_rule_off_and_on(browser: TestClient, house: House) -> None:
    studio = with_rules(house)
    csrf = house.sign_in(browser, studio.owner)
    address = f"/studios/{studio.workspace_id}/rules"
    form = f"{address}/{rule_id(house, studio, 'prices')}/active"
    assert 'data-rule="prices" data-active="yes"' in browser.get(address).text
    for active, word in (("false", "off"), ("false", "off"), ("true", "on")):
        page = browser.post(form, data={"csrf_token": csrf, "active": active})
        assert page.status_code == 200
        assert f"The rule is {word}" in page.text
    assert browser.post(form, data={"csrf_token": csrf, "active": "maybe"}).status_code == 422


def test_another_studios_rule_is_out_of_reach(browser: TestClient, house: House) -> None:
    north, south = with_rules(house), with_rules(house, "South")
    csrf = house.sign_in(browser, north.owner)
    theirs = rule_id(house, south, "prices")
    form = f"/studios/{north.workspace_id}/rules/{theirs}/active"
    assert browser.post(form, data={"csrf_token": csrf, "active": "false"}).status_code == 404
    form = f"/studios/{south.workspace_id}/rules/{theirs}/active"
    assert browser.post(form, data={"csrf_token": csrf, "active": "false"}).status_code == 403


def test_programs_try_texts_out_and_read_the_analytics(client: TestClient, house: House) -> None:
    studio = with_rules(house)
    headers = house.bearer(Kind.MEMBER, studio.workspace_id)
    address = f"/api/ai-agent/evaluate/{studio.workspace_id}"
    found = client.post(address, json={"text": "What does it cost?"}, headers=headers).json()
    assert found["rule"] == "prices"
    assert found["answer"].startswith("That depends")
    assert found["actions"][0]["type"] == "send_text"
    assert client.post(address, json={"text": "STOP"}, headers=headers).json()["wish"] == "no more messages"
    assert client.post(address, json={"text": ""}, headers=headers).status_code == 422
    items = client.get(f"/api/ai-agent/analytics/{studio.workspace_id}", headers=headers).json()["items"]
    assert items[0]["name"] == "accept"
    assert items[0]["performance"] == []

"""Templates in a real browser: what WhatsApp has of them, one written wrongly and then well; all of it fits."""

from __future__ import annotations

from datetime import timedelta

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from pilar.followups.planning import plan
from tests.browser.test_pages import _assert_clean, _look, _press, _sign_in_as_founder, _wait_for, browser
from tests.fixtures.opened import open_studio
from tests.fixtures.system import System

__all__ = ["browser"]
pytestmark = pytest.mark.slow


def test_templates_are_shown_refused_and_written_and_follow_ups_are_told(system: System, browser: WebDriver) -> None:
    studio = open_studio(system)
    studio.writes("Hoi")
    studio.agrees(studio.lead())
    system.travel_to(system.business.now() + timedelta(hours=22, minutes=30))
    studio.run(plan, [studio.id])
    _sign_in_as_founder(system, browser)
    page = f"{system.public_url}/studios/{studio.id}/templates"
    _look(browser, page, "first_reminder")
    browser.find_element(By.ID, "name").send_keys("a_name_as_long_as_whatsapp_may_show_it_on_a_narrow_screen_v2")
    body = browser.find_element(By.CSS_SELECTOR, "#write textarea")
    body.send_keys("Tot snel, {{1}}")
    _press(browser, "#write button")
    _wait_for(browser, "begins or ends with a variable")
    refused = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert refused and all("422" in entry["message"] for entry in refused), "the browser tells of the refusal alone"
    body = browser.find_element(By.CSS_SELECTOR, "#write textarea")
    assert body.get_attribute("value") == "Tot snel, {{1}}", "what was typed stays"
    body.send_keys(" van ons.")
    _press(browser, "#write button")
    _wait_for(browser, "a_name_as_long_as_whatsapp_may_show_it_on_a_narrow_screen_v2")
    _look(browser, page, "a_name_as_long_as_whatsapp_may_show_it_on_a_narrow_screen_v2")
    _look(browser, f"{system.public_url}/studios/{studio.id}/conversations?who=closing", "Conversations")
    _assert_clean(system, browser)

"""Coaching in a real browser: its schedule is changed, and what came of it is drawn; all of it fits."""

from __future__ import annotations

from datetime import timedelta

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from pilar.coach.activity import refresh_coach_activity
from pilar.coach.analysing import analyse
from pilar.coach.planning import plan
from tests.browser.test_pages import _assert_clean, _look, _patient, _press, _sign_in_as_founder, _wait_for, browser
from tests.fixtures.opened import LEAD, open_studio
from tests.fixtures.system import System

__all__ = ["browser"]
pytestmark = pytest.mark.slow
PAINTED = """
const picture = document.querySelector("#goals img"); picture.scrollIntoView();
return picture.complete && picture.naturalWidth > 0
"""


def test_a_schedule_is_previewed_refused_and_put_in_force(system: System, browser: WebDriver) -> None:
    system.sandbox.sign_up("Studio met een heel lange naam die niemand zou willen uitspreken", seed=1)
    system.settle()
    [studio] = system.column("select workspace_id from workspace")
    _sign_in_as_founder(system, browser)
    _look(browser, f"{system.public_url}/studios/{studio}/coach/schedule", "Version")
    when = browser.find_element(By.ID, "cron-0")
    when.clear()
    when.send_keys("61 8 * * *")
    _press(browser, "button[value=preview]")
    _wait_for(browser, "is not a schedule")
    refused = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert refused and all("422" in entry["message"] for entry in refused), "the browser tells of the refusal alone"
    when = browser.find_element(By.ID, "cron-0")
    assert when.get_attribute("value") == "61 8 * * *", "what was typed stays"
    when.clear()
    when.send_keys("15 9 * * *")
    _press(browser, "button[value=preview]")
    _wait_for(browser, "09:15")
    _press(browser, "button[value=save]")
    _wait_for(browser, "The schedule is in force.")
    _assert_clean(system, browser)


def test_what_came_of_coaching_is_drawn_and_a_lead_who_tires_is_shown_with_the_reason(
    system: System, browser: WebDriver
) -> None:
    studio = open_studio(system)
    for sender in (LEAD, "+31687654321"):
        studio.writes("Coach", sender=sender)
    for _ in range(4):
        studio.run(plan, [studio.id])
        morning = (system.business.now() + timedelta(days=1)).replace(hour=7)  # eight in Utrecht, where it is winter
        system.travel_to(morning)
        system.settle()
        system.travel_to(morning + timedelta(hours=1))
        studio.writes("Done!", sender="+31687654321")
    system.travel_to(system.business.now() + timedelta(hours=13))
    studio.run(analyse, [studio.id])
    studio.run(refresh_coach_activity, [studio.id])
    _sign_in_as_founder(system, browser)
    home = f"{system.public_url}/studios/{studio.id}"
    _look(browser, f"{home}/coach", "How leads take part")
    for chart in ("#sent-and-answered", "#scores"):
        assert len(browser.find_elements(By.CSS_SELECTOR, f"{chart} rect")) >= 2, chart
    _wait_for(browser, "weekly, chose daily")
    _look(browser, f"{home}/people/{studio.lead()}", "in a row were not answered.")
    _assert_clean(system, browser)


def test_staff_sets_a_goal_and_records_how_far_it_is(system: System, browser: WebDriver) -> None:
    studio = open_studio(system)
    studio.writes("Coach")
    _sign_in_as_founder(system, browser)
    home = f"{system.public_url}/studios/{studio.id}/people/{studio.lead()}"
    _look(browser, home, "Set a goal")
    _press(browser, "#new-goal > summary")
    browser.find_element(By.ID, "goal-target").send_keys("Ten kilometres without a pause, in the park by the river")
    browser.find_element(By.ID, "step-0").send_keys("Five kilometres")
    _press(browser, "#new-goal form button")
    _wait_for(browser, "Say by which day a milestone is to be reached.")
    assert browser.find_element(By.ID, "step-0").get_attribute("value") == "Five kilometres", "what was typed stays"
    refused = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert refused and all("422" in entry["message"] for entry in refused), "the browser tells of the refusal alone"
    browser.execute_script("document.getElementById('by-0').value = '2027-04-01'")
    _press(browser, "#new-goal form button")
    _wait_for(browser, "The goal is set.")
    _press(browser, "#goals summary")
    progress = browser.find_element(By.CSS_SELECTOR, "#goals [name=progress]")
    progress.clear()
    progress.send_keys("40")
    _press(browser, "#goals button[value=save]")
    _wait_for(browser, "40 %")
    _press(browser, "#goals .steps button")
    _wait_for(browser, "the milestone is reached")
    _look(browser, home, "40 %")
    _patient(browser).until(lambda page: page.execute_script(PAINTED))
    _assert_clean(system, browser)

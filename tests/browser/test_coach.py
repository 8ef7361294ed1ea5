"""The editor of the coaching schedule in a real browser: it fits, shows what would come, and puts it in force."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from tests.browser.test_pages import _assert_clean, _look, _press, _sign_in_as_founder, _wait_for, browser
from tests.fixtures.system import System

__all__ = ["browser"]
pytestmark = pytest.mark.slow


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

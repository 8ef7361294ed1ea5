"""The pages about webhooks in a real browser: they fit, on a phone and on a desk, and what they do is done."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.select import Select

from tests.browser.test_pages import _assert_clean, _look, _press, _sign_in_as_founder, _wait_for, browser
from tests.fixtures.opened import open_studio
from tests.fixtures.system import System

__all__ = ["browser"]
pytestmark = pytest.mark.slow

TEXT = "Kan ik morgen om negen uur komen trainen?"


def test_webhooks_are_found_read_and_replayed(system: System, browser: WebDriver) -> None:
    studio = open_studio(system)
    studio.writes(TEXT, sender="+31698765432")
    _sign_in_as_founder(system, browser)
    home = system.public_url
    _look(browser, f"{home}/inbox", "Worked on")
    assert len(browser.find_elements(By.CSS_SELECTOR, "[data-delivery]")) > 3
    browser.find_element(By.ID, "search").send_keys("+31 6 98765432")
    Select(browser.find_element(By.ID, "provider")).select_by_value("whatsapp")
    _press(browser, ".filters button")
    _wait_for(browser, "1 × message")
    address = browser.find_elements(By.CSS_SELECTOR, "[data-delivery] a.button")[-1].get_attribute("href")
    assert address
    _look(browser, address, "What it led to")
    assert TEXT not in browser.page_source
    _press(browser, "#unmask")
    _wait_for(browser, TEXT)
    browser.get(address)
    sent = system.column("select count(*) from message")
    _press(browser, "#replay")
    _wait_for(browser, "It is worked on again.")
    system.settle()
    assert system.column("select count(*) from message") == sent
    _look(browser, address, "by the founder")
    _look(browser, f"{home}/inbox?says=nothing+holds+this", "There is none of these.")
    _assert_clean(system, browser)

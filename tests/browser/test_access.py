"""The pages of people, plans and defaults in a real browser, at every width, with their forms opened."""

from __future__ import annotations

import pytest
from selenium.webdriver.remote.webdriver import WebDriver

from tests.browser.test_pages import _assert_clean, _look, _sign_in_as_founder, browser  # noqa: F401 - a fixture
from tests.fixtures.system import System

pytestmark = pytest.mark.slow


def test_people_plan_and_defaults_fit_every_width(system: System, browser: WebDriver) -> None:  # noqa: F811
    system.sandbox.sign_up("Studio Noord", seed=1)
    system.settle()
    _sign_in_as_founder(system, browser)
    studio = f"{system.public_url}/studios/{system.column('select workspace_id from workspace')[0]}"
    pages = {
        f"{studio}/team": "Let somebody in",
        f"{studio}/subscription": "Another plan",
        f"{studio}/defaults": "Version",
        f"{system.public_url}/defaults": "Bring studios up to date",
    }
    for address, text in pages.items():
        _look(browser, address, text)
        browser.set_window_size(360, 900)
        browser.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true })")
        wider = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        assert wider <= 0, f"{address} is {wider} px too wide with its forms open"
    _assert_clean(system, browser)

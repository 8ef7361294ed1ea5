"""The shared inbox in a real browser: at 360 px and wide, with everything that leads send, notes and templates."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from tests.browser.test_pages import _assert_clean, _look, _press, _sign_in_as_founder, _wait_for, browser
from tests.fixtures.opened import LEAD, open_studio
from tests.fixtures.system import System

pytestmark = pytest.mark.slow
__all__ = ["browser"]

SENT = (
    ("image", "Is this the right way to hold it?"), ("location", "At home"), ("contacts", "Bo Bos"), ("document", ""),
    ("audio", ""),
)  # fmt: skip


def _keep(browser: WebDriver, name: str) -> None:
    """Keep a picture of the page for whoever wants to look at it, where a place for that is named."""
    if place := os.environ.get("PILAR_TEST_PICTURES"):
        browser.save_screenshot(str(Path(place) / f"{name}.png"))


def test_a_conversation_with_everything_in_it(system: System, browser: WebDriver) -> None:
    studio = open_studio(system)
    for kind, text in SENT:
        system.sandbox.receive_whatsapp(to=studio.number, sender=LEAD, text=text, type=kind)
        system.settle()
    studio.writes("https://example.com/" + "a-very-long-address-without-a-place-to-break-it" * 3)
    studio.writes("Genoeg nu!")
    home = f"{system.public_url}/studios/{studio.id}/conversations"
    _sign_in_as_founder(system, browser)
    _look(browser, f"{home}?who=unclear", "Perhaps refusing")
    _keep(browser, "unclear_list")
    _look(browser, f"{home}/{studio.lead()}", "This may be a refusal, and you have to tell.")
    for width in (1440, 360):
        browser.set_window_size(width, 1600)
        browser.execute_script("document.querySelector('[data-refusal]').scrollIntoView({block: 'center'})")
        _keep(browser, f"unclear_{width}")
    _press(browser, "[data-refusal] button.secondary")
    _wait_for(browser, "They are written to as before.")
    picture = "return document.querySelector('img.sent').naturalWidth"
    assert browser.execute_script(picture) > 0
    browser.find_element(By.ID, "note").send_keys("Calls after six")
    _press(browser, "form[action$='/notes'] button")
    _wait_for(browser, "The note is kept.")
    _press(browser, "form[action$='/assign'] button")
    _wait_for(browser, "Who sees to it is kept.")
    browser.set_window_size(360, 2600)
    _keep(browser, "narrow")
    system.travel_to(system.business.now() + timedelta(hours=25))
    _look(browser, f"{home}/{studio.lead()}", "The 24-hour window is closed")
    browser.set_window_size(1440, 1600)
    _keep(browser, "wide")
    _press(browser, ".template button")
    _wait_for(browser, "Your answer is on its way.")
    _look(browser, f"{home}?who=unassigned", "Nobody’s")
    _keep(browser, "list")
    _assert_clean(system, browser)

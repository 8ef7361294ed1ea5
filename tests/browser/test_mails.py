"""The form of channels, a lead's page and the link in a mail, in a real browser at 360 px and wide."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from tests.browser.test_pages import _assert_clean, _look, _press, _sign_in_as_founder, _wait_for, browser
from tests.browser.test_shared_inbox import _keep
from tests.fixtures.opened import open_studio
from tests.fixtures.system import System
from tests.messaging.test_mails import ADDRESS, _unreachable
from tests.messaging.test_reactions import _nudge

pytestmark = pytest.mark.slow
__all__ = ["browser"]


def test_a_studio_chooses_mail_and_a_lead_ends_it(system: System, browser: WebDriver) -> None:
    studio = open_studio(system)
    home = f"{system.public_url}/studios/{studio.id}"
    _sign_in_as_founder(system, browser)
    _look(browser, f"{home}/messages", "Where WhatsApp can’t reach a lead")
    browser.find_element(By.NAME, "email").click()
    browser.find_element(By.ID, "postal-address").send_keys("Keizersgracht 1, Amsterdam")
    _press(browser, "form[action$='/channels'] button")
    _wait_for(browser, "It holds for what is queued already.")
    lead = _unreachable(studio, "+31687654301")
    _nudge(studio, lead, "nudge:1", text=None)
    for path, says in (
        (f"{home}/messages", "Where WhatsApp can’t reach a lead"),
        (f"{home}/people/{lead}", "What they told you"),
        (f"{home}/conversations/{lead}", "Taken by the mail server"),
    ):
        _look(browser, path, says)
        for width, name in ((360, "narrow"), (1440, "wide")):
            browser.set_window_size(width, 2600)
            _keep(browser, f"mail-{path.split('/')[5]}-{name}")
    link = system.sandbox.mails(ADDRESS)[0]["headers"]["list-unsubscribe"].strip("<>")
    _look(browser, link, "Geen e-mail meer van Studio Noord")
    browser.set_window_size(360, 900)
    _keep(browser, "mail-link-narrow")
    _press(browser, "main form button")
    _wait_for(browser, "Je krijgt geen e-mail meer van Studio Noord.")
    _keep(browser, "mail-link-ended")
    _assert_clean(system, browser)

"""The sandbox's pages in a real browser: a newcomer is the lead, and sees the studio's answer come by itself."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from tests.browser.test_pages import _asked_hosts, _look, _patient, _press, _wait_for, browser
from tests.fixtures.system import System

__all__ = ["browser"]
pytestmark = pytest.mark.slow

MARK = "window.same = true"
"""Is gone when a page is loaded anew."""
MESSAGE = "input[name='entries.0.messages.0.text'][required]"


def _type(browser: WebDriver, selector: str, text: str) -> None:
    browser.find_element(By.CSS_SELECTOR, selector).send_keys(text)


def _answers(browser: WebDriver) -> list[str]:
    return [one.text for one in browser.find_elements(By.CSS_SELECTOR, ".theirs .said")]


def test_a_newcomer_is_the_lead_and_every_page_fits(system: System, browser: WebDriver) -> None:
    system.sandbox.sign_up("Studio met een heel lange naam die niemand zou willen uitspreken", seed=1)
    system.settle()
    home = system.sandbox.base_url
    browser.set_window_size(1440, 900)
    browser.get(home)
    _press(browser, "a.button.strong")
    _wait_for(browser, "Become a lead")
    _type(browser, "input[name=name]", "Sam Visser")
    _type(browser, "textarea[name=text]", "What does a membership cost?")
    _press(browser, "form[action='/phones'] button.strong")
    _wait_for(browser, "Write to another studio")
    address = browser.current_url
    browser.execute_script(MARK)
    system.settle()
    _patient(browser).until(_answers)
    assert browser.execute_script("return window.same"), "the answer came without a reload"

    first = len(_answers(browser))
    _type(browser, MESSAGE, "Can I do a trial session?")
    _press(browser, ".composer button")
    _wait_for(browser, "Can I do a trial session?")
    assert browser.find_element(By.CSS_SELECTOR, MESSAGE).get_attribute("value") == ""
    system.settle()
    _patient(browser).until(lambda page: len(_answers(page)) > first)
    _press(browser, ".react summary")
    _press(browser, ".react[open] button")
    _patient(browser).until(lambda page: page.find_elements(By.CSS_SELECTOR, ".theirs .reactions"))
    _press(browser, ".menu summary")
    _press(browser, "form[action='/act/PUT/meta/blocks'] button")
    _wait_for(browser, "Nothing of theirs arrives any more.")
    assert browser.execute_script("return window.same"), "no form led away"
    scrolled = (
        "const all = document.getElementById('messages'); return all.scrollHeight - all.scrollTop - all.clientHeight"
    )
    assert browser.execute_script(scrolled) < 60, "the newest message is seen"

    [waba], [customer] = system.sandbox.objects("meta.waba"), system.sandbox.objects("stripe.customer")
    system.sandbox.set_faults(7, [{"provider": "meta", "kind": "slow", "path": "*/messages", "most": 3}])
    for path, text in (
        ("/", "Effects"),
        ("/phones", "Sam Visser"),
        ("/stripe-dashboard", "Available"),
        (f"/stripe-dashboard/customers/{customer['id']}", "Renew now"),
        ("/meta-dashboard", "connected"),
        (f"/meta-dashboard/{waba['id']}", "Reject"),
        ("/twilio-dashboard", "received"),
        ("/models", "The bill"),
        ("/mails", "arrived"),
        ("/mails/1", "What it says"),
        ("/deliveries", "Send again"),
        ("/deliveries/1", "What it tells"),
        ("/faults", "at most 3"),
        (urlsplit(address).path, "Write to another studio"),
    ):
        _look(browser, f"{home}{path}", text)

    errors = [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert errors == []
    assert _asked_hosts(browser) == {urlsplit(home).netloc}

"""The affiliates' pages in a real browser: they fit, they work, and the books are readable on a phone."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

from pilar.affiliates.links import create_link
from pilar.affiliates.registration import register
from pilar.database.engine import Scope
from pilar.security.sessions import make_sign_in_link
from pilar.workspaces.store import ensure_person
from tests.affiliates.conftest import Referrals
from tests.browser.test_pages import PATIENCE, WIDTHS, _asked_hosts, _look, browser
from tests.fixtures.system import System

__all__ = ["browser"]
pytestmark = pytest.mark.slow


def _sign_in(browser: WebDriver, system: System, email: str, *, is_founder: bool) -> None:
    now = system.clock.now()
    with system.database.transaction(Scope.fleet()) as connection:
        person = ensure_person(connection, email=email, name="Somebody", phone=None, now=now, is_founder=is_founder)
        token = make_sign_in_link(connection, person, actor="test", now=now)
    browser.get(f"{system.public_url}/sign-in/link/{token}")
    browser.find_element(By.CSS_SELECTOR, "main form button").click()
    WebDriverWait(browser, PATIENCE).until(lambda page: "/sign-in" not in page.current_url)


def test_affiliates_are_looked_after_on_a_phone_and_on_a_desk(system: System, browser: WebDriver) -> None:
    with system.database.transaction(Scope.fleet()) as connection:
        clocks = system.app.clocks
        affiliate = register(
            connection, clocks, name="Bram van der Verrekijkersdijk", email="bram@blog.example", actor="test"
        )
        link = create_link(connection, clocks, affiliate, actor="test", campaign="Voorjaarsaanbiedingen 2027")
    referrals = Referrals(system, affiliate, link)
    ids = referrals.sign_up(studio="Studio met een heel lange naam die niemand zou willen uitspreken")
    system.settle()
    referrals.forward(31)
    referrals.refresh()
    system.sandbox.renew(ids["subscription"])
    system.sandbox.refund(invoice=ids["invoice"], amount=2500)
    system.settle()

    _sign_in(browser, system, "founder@pilar.example", is_founder=True)
    _look(browser, f"{system.public_url}/affiliates", "14.80 EUR")
    page = f"{system.public_url}/affiliates/{affiliate}"
    _look(browser, page, "Studio met een heel lange naam")
    for width in WIDTHS:
        browser.set_window_size(width, 900)
        amounts = browser.find_elements(By.CSS_SELECTOR, "#ledger tbody td.number")
        edges = {round(one.location["x"] + one.size["width"]) for one in amounts}
        assert len(amounts) == 5
        assert len(edges) == 1, "amounts stand below each other"
    browser.find_element(By.ID, "campaign").send_keys("Autumn")
    browser.find_element(By.CSS_SELECTOR, "form[action$='/links'] button").click()
    WebDriverWait(browser, PATIENCE).until(lambda seen: "The link is there." in seen.page_source)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#links tbody tr")) == 2

    browser.delete_all_cookies()
    _sign_in(browser, system, "bram@blog.example", is_founder=False)
    assert browser.current_url == page
    _look(browser, page, "Taken back after a refund")
    assert "heel lange naam" not in browser.page_source

    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    assert _asked_hosts(browser) == {urlsplit(system.public_url).netloc}

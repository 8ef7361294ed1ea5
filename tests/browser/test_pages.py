"""The pages in a real browser: nothing overflows, no error in the console, no other origin asked.

Chromium and its driver come from Debian's packages; `make test-all` installs them where it may.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

from pilar.backplane.facts import Cause
from pilar.database.engine import Scope
from pilar.experiments.assignment import Variant
from pilar.experiments.experiments import NewExperiment, assign, record_outcome, start
from pilar.experiments.results import refresh_fleet_results
from pilar.messaging import controls
from pilar.messaging.activity import refresh_activity
from pilar.messaging.outbox import NewMessage, queue_message
from pilar.security.sessions import make_sign_in_link
from pilar.workspaces.store import ensure_person
from tests.fixtures.opened import open_studio
from tests.fixtures.system import System

pytestmark = pytest.mark.slow

QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
)  # fmt: skip
WIDTHS = (360, 1440)
PATIENCE = 20


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[WebDriver]:
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for argument in (*QUIET, f"--user-data-dir={tmp_path}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


def _asked_hosts(browser: WebDriver) -> set[str]:
    """Every host that any page of this browser has asked for anything."""
    hosts = set()
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            address = urlsplit(message["params"]["request"]["url"])
            if address.scheme.startswith("http"):
                hosts.add(address.netloc)
    return hosts


def _patient(browser: WebDriver) -> WebDriverWait[WebDriver]:
    """Waits for a page that may be replaced, whole or in parts, at that very moment."""
    return WebDriverWait(browser, PATIENCE, ignored_exceptions=[StaleElementReferenceException])


def _wait_for(browser: WebDriver, text: str) -> None:
    # Asked in one piece: an element found on one page may be gone with it before its text is read.
    shown = "return document.body ? document.body.innerText : ''"
    _patient(browser).until(lambda page: text in page.execute_script(shown))


def _press(browser: WebDriver, selector: str) -> None:
    _patient(browser).until(lambda page: page.find_element(By.CSS_SELECTOR, selector).click() or True)


def _look(browser: WebDriver, address: str, text: str) -> None:
    for width in WIDTHS:
        browser.set_window_size(width, 900)
        browser.get(address)
        _wait_for(browser, text)
        wider = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        assert wider <= 0, f"{address} is {wider} px too wide at {width} px"
        assert browser.find_elements(By.TAG_NAME, "h1"), f"{address} has no heading"


def _sign_in_as_founder(system: System, browser: WebDriver) -> None:
    with system.database.transaction(Scope.fleet()) as connection:
        now = system.clock.now()
        founder = ensure_person(
            connection, email="founder@pilar.example", name="Founder", phone=None, now=now, is_founder=True
        )
        token = make_sign_in_link(connection, founder, actor="test", now=now)
    browser.get(f"{system.public_url}/sign-in/link/{token}")
    browser.find_element(By.CSS_SELECTOR, "main form button").click()
    WebDriverWait(browser, PATIENCE).until(lambda page: urlsplit(page.current_url).path in ("/", "/overview"))


def _assert_clean(system: System, browser: WebDriver) -> None:
    errors = [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert errors == []
    assert _asked_hosts(browser) == {urlsplit(system.public_url).netloc}


def test_the_founder_signs_in_and_sees_studios_and_the_owner_sees_the_one_thing_to_do(
    system: System, browser: WebDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.sandbox.sign_up("Studio Noord", seed=1)
    system.settle()
    monkeypatch.setitem(system.app.settings.__dict__, "smtp_url", None)
    system.sandbox.sign_up("Studio met een heel lange naam die niemand zou willen uitspreken", seed=2)
    system.settle()
    with system.database.transaction(Scope.fleet()) as connection:
        waiting, active = system.app.overview.list_studios(connection)

    browser.get(f"{system.public_url}/overview")
    assert urlsplit(browser.current_url).path == "/sign-in"
    _sign_in_as_founder(system, browser)

    _look(browser, f"{system.public_url}/overview", "Studio Noord")
    assert "waits on the studio" in browser.find_element(By.TAG_NAME, "body").text.lower()
    _look(browser, f"{system.public_url}/studios/{active.workspace_id}", "Activation")
    _look(browser, f"{system.public_url}/studios/{active.workspace_id}/rules", "Opening hours")
    _look(browser, f"{system.public_url}/studios/{waiting.workspace_id}", "WhatsApp account")
    _look(browser, f"{system.public_url}/studios/{waiting.workspace_id}/set-up", "Connect WhatsApp")

    _assert_clean(system, browser)


def test_conversations_messages_switches_and_experiments(system: System, browser: WebDriver) -> None:
    studio = open_studio(system)
    studio.writes("Hi! What does a membership cost, and may I bring a friend along?")
    studio.writes("https://example.com/" + "a-very-long-address-without-a-place-to-break-it" * 3, sender="+31687654321")
    studio.writes("Ik wil een medewerker spreken")
    lead = studio.lead()
    nudge = NewMessage(lead, "marketing", "coach:test", "n", template="coach_nudge", parameters=("Anna", "Noord"))
    studio.run(queue_message, studio.id, nudge, Cause.new())
    studio.run(refresh_activity, [studio.id], since=system.business.now() - timedelta(days=3))
    experiment = _run_an_experiment(system, studio.id)
    home = f"{system.public_url}/studios/{studio.id}"
    _sign_in_as_founder(system, browser)

    _look(browser, f"{home}/conversations", "1 waits for a person")
    _look(browser, f"{home}/conversations/{lead}", "Why was this not sent?")
    _press(browser, "summary")
    _wait_for(browser, "has not agreed")
    browser.find_element(By.ID, "text").send_keys("Hoi, met Sanne!")
    _press(browser, "#send button")
    _wait_for(browser, "Your answer is on its way.")
    system.settle()
    studio.run(controls.begin, "pause", workspace_id=None, channel=None, reason="A drill", actor="admin:1")
    _look(browser, f"{home}/conversations/{lead}", "Sending is paused")
    browser.find_element(By.ID, "text").send_keys("This one is kept back.")
    _press(browser, "#send button")
    _wait_for(browser, "Your answer is on its way.")
    system.settle()
    _look(browser, f"{home}/conversations/{lead}", "Why is this kept back?")
    _look(browser, f"{home}/messages", "Test message")
    _look(browser, f"{system.public_url}/controls", "The whole fleet")
    _press(browser, "[data-control=pause] button")
    _wait_for(browser, "Sending goes on.")
    _look(browser, f"{system.public_url}/experiments", "A shorter offer")
    _look(browser, f"{system.public_url}/experiments/{experiment}", "valid at any time")
    _assert_clean(system, browser)


def _run_an_experiment(system: System, studio: UUID) -> UUID:
    new = NewExperiment(
        "A shorter offer", "rule:trial", "booking.made", (Variant("long", 1), Variant("short", 1)), "test"
    )
    with system.database.transaction(Scope.fleet()) as connection:
        experiment = start(connection, system.app.clocks, new)
        for number in range(120):
            unit = f"unit-{number}"
            assign(connection, system.app.clocks, studio, experiment, unit)
            if number % 3 == 0:
                record_outcome(connection, system.app.clocks, studio, new.goal, unit)
        refresh_fleet_results(connection, system.app.clocks)
    return experiment.id

"""The pages in a real browser: nothing overflows, no error in the console, no other origin asked.

Chromium and its driver come from Debian's packages; `make test-all` installs them where it may.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

from pilar.database.engine import Scope
from pilar.security.sessions import make_sign_in_link
from pilar.workspaces.store import ensure_person
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


def _look(browser: WebDriver, address: str, text: str) -> None:
    for width in WIDTHS:
        browser.set_window_size(width, 900)
        browser.get(address)
        WebDriverWait(browser, PATIENCE).until(lambda page: text in page.find_element(By.TAG_NAME, "body").text)
        wider = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        assert wider <= 0, f"{address} is {wider} px too wide at {width} px"
        assert browser.find_elements(By.TAG_NAME, "h1"), f"{address} has no heading"


def test_the_founder_signs_in_and_sees_studios_and_the_owner_sees_the_one_thing_to_do(
    system: System, browser: WebDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.sandbox.sign_up("Studio Noord", seed=1)
    system.settle()
    monkeypatch.setitem(system.app.settings.__dict__, "smtp_url", None)
    system.sandbox.sign_up("Studio met een heel lange naam die niemand zou willen uitspreken", seed=2)
    system.settle()
    with system.database.transaction(Scope.fleet()) as connection:
        now = system.clock.now()
        founder = ensure_person(
            connection, email="founder@pilar.example", name="Founder", phone=None, now=now, is_founder=True
        )
        token = make_sign_in_link(connection, founder, actor="test", now=now)
        waiting, active = system.app.overview.list_studios(connection)

    browser.get(f"{system.public_url}/overview")
    assert urlsplit(browser.current_url).path == "/sign-in"
    browser.get(f"{system.public_url}/sign-in/link/{token}")
    browser.find_element(By.CSS_SELECTOR, "main form button").click()
    WebDriverWait(browser, PATIENCE).until(lambda page: urlsplit(page.current_url).path in ("/", "/overview"))

    _look(browser, f"{system.public_url}/overview", "Studio Noord")
    assert "waits on the studio" in browser.find_element(By.TAG_NAME, "body").text.lower()
    _look(browser, f"{system.public_url}/studios/{active.workspace_id}", "Activation")
    _look(browser, f"{system.public_url}/studios/{waiting.workspace_id}", "WhatsApp account")
    assert waiting.step
    _look(browser, str(waiting.step.wait_link), "WhatsApp")

    errors = [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert errors == []
    assert _asked_hosts(browser) == {urlsplit(system.public_url).netloc}

"""The pages about work in a real browser: they fit, on a phone and on a desk, and what they do is done."""

from __future__ import annotations

from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.select import Select

from pilar.backplane import heartbeat
from pilar.backplane.breakers import Breakers
from pilar.backplane.effects import Effect, EffectLedger
from pilar.backplane.facts import Cause, Job, Lane, enqueue
from pilar.backplane.reconciling import GRACE, Policy, Reconcilers, reconcile
from pilar.database.engine import Scope
from pilar.errors import OutcomeUnknown
from pilar.ids import new_id
from pilar.messaging.events import SubmitTemplates
from pilar.provisioning.events import AdvanceProvisioning
from tests.browser.test_pages import _assert_clean, _look, _press, _sign_in_as_founder, _wait_for, browser
from tests.fixtures.system import System

__all__ = ["browser"]
pytestmark = pytest.mark.slow


def busy_days(system: System, *, dead: int = 3) -> None:
    """Studios, work of every kind, dead letters, effects in doubt, a worker that has found a provider away."""
    system.sandbox.sign_up("Studio met een heel lange naam die niemand zou willen uitspreken", seed=1)
    system.sandbox.sign_up("Noord", seed=2)
    system.settle()
    app = system.app
    [studio, *_] = system.column("select workspace_id from workspace order by name")
    jobs = [Job(payload=AdvanceProvisioning(job_id=new_id()), key=f"d{n}", workspace_id=studio) for n in range(dead)]
    jobs.append(Job(payload=SubmitTemplates(), key="unknown"))
    with system.database.transaction(Scope.fleet()) as connection:
        enqueue(connection, app.clocks, jobs, Cause.new())
        connection.exec_driver_sql(
            "update queue set type = 'a.type.that.an.older.release.knows.nothing.about.at.all' where workspace_id ="
            " '00000000-0000-0000-0000-000000000000'"
        )
    system.settle()
    _doubt(system, studio, "whatsapp.send")
    registry = Reconcilers(app.reconcilers.timeout)
    registry.on_kind("whatsapp.send", None, Policy.NEVER)
    system.clock.skip_to(system.clock.now() + GRACE)
    assert reconcile(system.database, app.clocks, registry).given_up == 1
    _doubt(system, studio, "twilio.buy_number")
    seen = Breakers(app.clocks.real)
    for _ in range(5):
        seen.of("WhatsApp").failed(0)
    seen.of("Stripe")
    with system.database.transaction(Scope.fleet()) as connection:
        name = "a-host-with-a-long-name.example.internal:4711:a1b2c3"
        heartbeat.beat(connection, name, system.clock.now(), seen.snapshot())
        enqueue(connection, app.clocks, [
            Job(payload=SubmitTemplates(), key=f"w{n}", workspace_id=studio, lane=Lane.BULK) for n in range(7)
        ], Cause.new())  # fmt: skip


def _doubt(system: System, studio: Any, kind: str) -> None:
    def cut() -> dict[str, Any]:
        raise OutcomeUnknown("The connection failed: the provider had the request, and said nothing.")

    ledger = EffectLedger(system.database, system.app.clocks, timeout=system.app.reconcilers.timeout)
    request = {"to": "+31612345678", "template": "coach_nudge", "note": "a-text-without-a-place-to-break-it" * 4}
    with pytest.raises(OutcomeUnknown):
        ledger.perform(Effect(kind, f"key:{new_id()}", call=cut, request=request, workspace_id=studio))


def test_work_is_seen_paused_sent_back_and_settled(system: System, browser: WebDriver) -> None:
    busy_days(system)
    home = system.public_url
    _sign_in_as_founder(system, browser)

    _look(browser, f"{home}/queue", "a-host-with-a-long-name")
    pictures = browser.find_elements(By.CSS_SELECTOR, "[data-lane=default] svg")
    assert len(pictures) == 3
    assert all(one.size["height"] > 40 and one.get_attribute("aria-label") for one in pictures)
    _press(browser, "#pause-form summary")
    Select(browser.find_element(By.ID, "what")).select_by_value("lane:bulk")
    browser.find_element(By.ID, "reason").send_keys("The studios asked for a quiet day")
    _press(browser, "#pause-form button")
    _wait_for(browser, "No more of that work begins.")
    _look(browser, f"{home}/queue?span=1d", "The studios asked for a quiet day")
    _press(browser, "[data-pause='lane:bulk'] button")
    _wait_for(browser, "Work goes on.")

    _look(browser, f"{home}/dead-letters", "Nobody here knows this type of work")
    assert len(browser.find_elements(By.CSS_SELECTOR, "[data-letter]")) == 4
    Select(browser.find_element(By.ID, "reason")).select_by_value("unknown_type")
    _press(browser, ".filters button")
    _wait_for(browser, "1 match")
    _press(browser, "[data-letter] button")
    _wait_for(browser, "Back to work.")
    _wait_for(browser, "There is none of these.")
    browser.get(f"{home}/dead-letters")
    _press(browser, "[data-letter] input")
    _press(browser, "button[value=requeue-chosen]")
    _wait_for(browser, "2 in all")
    browser.get(f"{home}/dead-letters")
    _press(browser, "#let-go summary")
    _press(browser, "button[value=discard-all]")
    _wait_for(browser, "No dead letter")

    _look(browser, f"{home}/effects", "Waits for you")
    _press(browser, "[data-needs=person] summary")
    _press(browser, "[data-needs=person] input[value=did_not_happen]")
    browser.find_element(By.CSS_SELECTOR, "[data-needs=person] input[name=note]").send_keys("Asked the lead")
    _press(browser, "[data-needs=person] button")
    _wait_for(browser, "Noted: it did not happen.")
    _wait_for(browser, "None waits for you")
    _assert_clean(system, browser)


def test_empty_pages_say_what_they_are_for(system: System, browser: WebDriver) -> None:
    _sign_in_as_founder(system, browser)
    _look(browser, f"{system.public_url}/queue", "Nothing is paused")
    _look(browser, f"{system.public_url}/dead-letters", "No dead letter")
    _look(browser, f"{system.public_url}/effects", "is known")
    _assert_clean(system, browser)

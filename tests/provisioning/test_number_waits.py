"""What the number of an open studio waits for: its owner sees it and is reminded, and WhatsApp's news end it."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import Any

import httpx
import pytest

from pilar.backplane.facts import Cause
from pilar.database.engine import Scope
from pilar.provisioning import channel_store
from pilar.provisioning.channel_look import ask_to_look
from pilar.provisioning.following import follow_up
from provider_sandbox.pages import Page
from tests.fixtures.opened import Studio
from tests.provisioning.test_healing import OWNER, _account, _assert_promises, _incidents, _numbers_there

COUNTRY = """
update provisioning_step set result = jsonb_set(result, '{{country}}', '"{}"')
where name = 'customer_validation' returning 1
"""
STILL = "WhatsApp still shuts out the number of Studio Noord"


@pytest.fixture
def studio(opened_studio: Studio) -> Studio:
    return opened_studio


def brings_its_own(studio: Studio) -> None:
    """As where the studio has brought its number."""
    values: dict[str, Any] = {"brings": "number", "phone_number": studio.number, "told_by": "checkout"}
    with studio.system.database.transaction(Scope.fleet()) as connection:
        values["told_at"] = studio.system.business.now()
        channel_store.keep_own(connection, studio.id, values, over=True)


def set_up_page(studio: Studio) -> str:
    with studio.system.database.transaction(Scope.fleet()) as connection:
        link = studio.system.app.setup.link_of(connection, studio.id)
    return httpx.get(link, trust_env=False).text


def sweep(studio: Studio, **later: float) -> None:
    """Let business time pass, and do what is due by then."""
    system = studio.system
    system.travel_to(system.business.now() + timedelta(**later))
    follow_up(system.database, system.app.clocks, deadline=system.clock.now() + timedelta(minutes=1))
    system.settle()


def waits(studio: Studio) -> Any:
    return studio.system.rows("select matter, waits_on, state, reminders from number_wait")


def on_the_overview(studio: Studio) -> Any:
    columns = "waits_on, wait_title, wait_in_vain, wait_link"
    return studio.system.rows(f"select {columns} from analytics.studio_overview where workspace_id = '{studio.id}'")[0]


def reminders(studio: Studio) -> int:
    return sum(mail["subject"] == STILL for mail in studio.system.sandbox.mails(OWNER))


def test_an_owner_is_told_what_to_do_about_a_number_of_their_own_until_whatsapp_lets_it_send(studio: Studio) -> None:
    system, sandbox, waba = studio.system, studio.system.sandbox, _account(studio, "whatsapp")
    sandbox.decide_on_business(waba, ban="DISABLE")
    system.settle()
    assert waits(studio) == [], "a number that we bought is not the owner's to mend"
    sandbox.decide_on_business(waba, ban="REINSTATE")
    system.settle()
    brings_its_own(studio)
    # News of the same words within one second are the same news.
    system.travel_to(system.business.now() + timedelta(minutes=1))
    sandbox.decide_on_business(waba, ban="DISABLE")
    system.settle()
    page = set_up_page(studio)
    assert 'data-next="act"' in page and "WhatsApp has switched your account off: ask it to look again" in page
    assert "business-support-home" in page
    assert next(form.attributes["action"].rpartition("/")[2] for form in Page(page).forms) == "again"
    support = "https://business.facebook.com/business-support-home"
    assert on_the_overview(studio) == ("studio", "The studio's own number", False, support)
    sweep(studio, hours=23)
    assert reminders(studio) == 0
    sweep(studio, hours=2)
    sweep(studio, minutes=1)
    assert reminders(studio) == 1
    sweep(studio, days=3)
    assert (reminders(studio), waits(studio)) == (2, [("own_number", "studio", "waiting", 2)])
    sweep(studio, days=11)
    assert waits(studio) == [("own_number", "studio", "expired", 2)], "what came due meanwhile is not made up for"
    assert reminders(studio) == 3, "the last one tells that it has come to nothing"
    assert on_the_overview(studio)[2]
    assert ("waits", "open") in _incidents(studio)
    assert 'data-next="act"' in set_up_page(studio), "it is still the one thing to do"
    sandbox.decide_on_business(waba, ban="REINSTATE")
    system.settle()
    assert waits(studio) == []
    assert on_the_overview(studio) == (None, None, False, None)
    assert ("waits", "resolved") in _incidents(studio)
    sweep(studio, days=7)
    assert reminders(studio) == 3


def drain(studio: Studio) -> None:
    """Do what is due within a minute or two; a replacement that waits looks again each hour, so all is never done."""
    clock = studio.system.clock
    with closing(studio.system.app.drain("test")) as worker:
        for _ in range(6):
            worker.run_until_idle(clock.now() + timedelta(seconds=20))
            clock.skip_to(clock.now() + timedelta(seconds=15))


def test_a_replacement_that_waits_is_seen_with_its_age_and_is_over_when_it_goes_on(studio: Studio) -> None:
    system = studio.system
    system.rows(COUNTRY.format("AQ"))
    system.sandbox.drift_number(studio.number, status="suspended")
    with system.database.transaction(Scope.fleet()) as connection:
        ask_to_look(connection, system.app.clocks, studio.id, occasion="lost", story=Cause.new())
    drain(studio)
    kept = "select matter, waits_on, reason, wait_since from number_wait"
    [since] = system.rows(kept)
    assert since[:2] == ("replacement", "us") and "no number to offer in AQ" in since[2]
    assert on_the_overview(studio)[:3] == ("us", "Another number", False)
    system.clock.skip_to(system.clock.now() + timedelta(hours=2))
    drain(studio)
    assert system.rows(kept) == [since], "it keeps its age"
    system.rows(COUNTRY.format("NL"))
    system.settle()
    assert waits(studio) == []
    assert on_the_overview(studio)[0] is None
    there, connected = _numbers_there(studio)
    assert there == connected and there != [studio.number]
    _assert_promises(system)

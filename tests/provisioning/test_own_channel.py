"""Studios that bring their own number or WhatsApp account: nothing is bought, and what is theirs stays theirs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from pilar.database.engine import Scope
from pilar.errors import Conflict, Invalid
from pilar.provisioning import own_channel
from pilar.provisioning.undoing import undo
from provider_sandbox.pages import Page
from tests.fixtures.system import System
from tests.provisioning.test_a_studio_comes_into_being import walk_through_the_setup

OWN = "+31201234567"
NOT_OURS = ("twilio.number_bought", "twilio.number_released", "meta.number_deregistered")


def studio_of(system: System) -> Any:
    return system.column("select workspace_id from provisioning_job")[0]


def link_of(system: System) -> str:
    with system.database.transaction(Scope.fleet()) as connection:
        return system.app.setup.link_of(connection, studio_of(system))


def page_of(system: System) -> Page:
    return Page(httpx.get(link_of(system), trust_env=False).text)


def press(system: System, path: str, **fields: str) -> httpx.Response:
    """What the owner's browser does with one of the page's forms."""
    link = link_of(system)
    action = f"{link.removeprefix(system.public_url)}/{path}"
    assert [form for form in page_of(system).forms if form.attributes.get("action") == action], f"no form for {path}"
    answer = httpx.post(f"{link}/{path}", data=fields, trust_env=False, follow_redirects=True)
    system.settle()
    return answer


def reason(system: System) -> str:
    [found] = system.column("select wait_reason from provisioning_step where waits_on = 'studio'")
    return str(found)


def nothing_was_bought_nor_given_back(system: System) -> None:
    assert {name: system.sandbox.effects().get(name, 0) for name in NOT_OURS} == dict.fromkeys(NOT_OURS, 0)
    assert system.column("select error from dead_letter") == []
    now = {"real_now": system.clock.now(), "business_now": system.business.now()}
    with system.database.transaction(Scope.fleet()) as connection:
        for invariant in system.app.invariants:
            wanted = {name: value for name, value in now.items() if f":{name}" in invariant.query}
            assert connection.execute(text(invariant.query), wanted).all() == [], invariant.promise


def test_a_studio_opens_with_the_number_that_it_brings_once_its_owner_has_typed_the_code(system: System) -> None:
    system.sandbox.use_elsewhere(OWN)
    system.sandbox.sign_up(metadata={"own_number": "+31 20 123 45 67"})
    system.settle()
    assert "delete that account first" in reason(system), "it is in the WhatsApp app still"
    system.sandbox.use_elsewhere(OWN, used=False)
    press(system, "again")
    assert "ask for its code" in reason(system)
    assert system.sandbox.codes_at(OWN) == [], "none is sent before the owner has the telephone at hand"
    assert (
        "No code was sent yet" in httpx.post(f"{link_of(system)}/verify", data={"code": "123456"}, trust_env=False).text
    )
    press(system, "code", method="voice")
    [code] = system.sandbox.codes_at(OWN)
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    assert "six digits" in press(system, "verify", code="12").text
    press(system, "verify", code=wrong)
    assert "mistyped, or older than ten minutes" in reason(system)
    press(system, "verify", code=f"{code[:3]}-{code[3:]}")
    assert system.column("select state from workspace") == ["active"]
    assert system.rows("select phone_number from integration where provider = 'whatsapp'") == [(OWN,)]
    assert system.sandbox.effects()["meta.number_registered"] == 1
    nothing_was_bought_nor_given_back(system)


@pytest.mark.slow
def test_only_ten_codes_are_sent_in_three_days_and_the_owner_is_told_when_the_next_can_be(system: System) -> None:
    system.sandbox.sign_up(metadata={"own_number": OWN})
    system.settle()
    for left in range(9, -1, -1):
        assert f"{left} of 10 codes are left" in press(system, "code", method="sms").text
    assert len(set(system.sandbox.codes_at(OWN))) > 1
    refused = press(system, "code", method="sms")
    assert refused.status_code == 422
    assert "all were asked for" in refused.text
    assert len(system.sandbox.codes_at(OWN)) == 10
    system.travel_to(system.business.now() + timedelta(hours=73))
    assert "9 of 10 codes are left" in press(system, "code", method="sms").text
    press(system, "verify", code=system.sandbox.codes_at(OWN)[-1])
    assert system.column("select state from workspace") == ["active"]


@pytest.mark.slow
def test_an_account_without_a_number_is_given_the_one_that_the_owner_types(system: System) -> None:
    system.sandbox.sign_up(metadata={"own_account": "yes"})
    system.settle()
    assert "no number yet" in reason(system)
    assert "This is no telephone number" in press(system, "own", brings="account", phone_number="12").text
    press(system, "own", brings="account", phone_number=OWN)
    assert "ask for its code" in reason(system)
    nothing_was_bought_nor_given_back(system)


def test_an_account_that_an_owner_picks_is_used_with_its_number(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provider_sandbox.owner.links_in", lambda _: [])  # this owner goes by hand
    waba = system.sandbox.set_up_before("Old Gym", OWN, "+31201234568", pin="123456")["id"]
    system.sandbox.sign_up(metadata={"own_account": "yes"})
    system.settle()
    walk_through_the_setup(link_of(system), business=waba)
    system.settle()
    assert reason(system).startswith("The WhatsApp account has several numbers: give one of +31201234567, +31201234568")
    press(system, "own", brings="account", phone_number=OWN)
    assert "turn two-step verification off" in reason(system)
    system.sandbox.forget_pin(OWN)
    press(system, "again")
    assert system.column("select state from workspace") == ["active"]
    assert system.rows("select external_id, phone_number from integration where provider = 'whatsapp'") == [(waba, OWN)]
    assert system.sandbox.codes_at(OWN) == [], "it was proven long ago"
    nothing_was_bought_nor_given_back(system)
    with pytest.raises(Conflict, match="on WhatsApp already"), system.database.transaction(Scope.fleet()) as connection:
        own_channel.bring(connection, system.app.clocks, studio_of(system), "number", "+31201234569", "test")


def test_what_a_studio_brings_stays_its_own_when_the_signup_is_taken_back(system: System) -> None:
    system.sandbox.sign_up(metadata={"own_number": OWN})
    system.settle()
    with system.database.transaction(Scope.fleet()) as connection:
        undo(connection, system.app.clocks, studio_of(system), actor="test", reason="Changed their mind.")
    system.settle()
    assert system.column("select state from provisioning_job") == ["undone"]
    nothing_was_bought_nor_given_back(system)


@pytest.mark.slow
def test_an_owner_says_so_before_a_number_is_bought_and_not_after(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A purchase and a number that is brought exclude each other."""
    monkeypatch.setattr("provider_sandbox.owner.links_in", lambda _: [])
    system.sandbox.sign_up()
    system.settle()
    clocks, first = system.app.clocks, studio_of(system)
    with pytest.raises(Conflict, match="bought"), system.database.transaction(Scope.fleet()) as connection:
        own_channel.bring(connection, clocks, first, "number", OWN, "test")
    with pytest.raises(Invalid, match="country's code"), system.database.transaction(Scope.fleet()) as connection:
        own_channel.bring(connection, clocks, first, "number", None, "test")


@pytest.mark.slow
def test_a_number_that_can_not_be_brought_is_bought_after_all(system: System) -> None:
    system.sandbox.use_elsewhere(OWN)
    system.sandbox.sign_up(metadata={"own_number": OWN})
    system.settle()
    press(system, "own", brings="nothing")
    assert system.column("select state from workspace") == ["active"]
    assert system.sandbox.effects()["twilio.number_bought"] == 1
    assert system.column("select count(*) from own_channel") == [0]

"""Channels that heal themselves: news of any age, webhooks that go astray, numbers that are lost."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from pilar.backplane.facts import Cause
from pilar.database.engine import Scope
from pilar.provisioning.channel_look import EVERY, ask_to_look, look_at_all
from provider_sandbox.meta.webhooks import signature
from tests.fixtures.opened import LEAD, Studio, open_studio
from tests.fixtures.system import MortalDatabase, System

OWNER = "studionoord@studio.example"
BIZ = "RESTRICTED_BIZ_INITIATED_MESSAGING"


@pytest.fixture
def studio(opened_studio: Studio) -> Studio:
    return opened_studio


def _account(studio: Studio, provider: str, column: str = "external_id") -> str:
    query = f"select {column} from integration where provider = '{provider}' and workspace_id = '{studio.id}'"
    return str(studio.system.column(query)[0])


def _standing(studio: Studio, columns: str) -> Any:
    return studio.system.rows(f"select {columns} from number_standing where workspace_id = '{studio.id}'")[0]


def _tell(studio: Studio, at: datetime, **value: Any) -> None:
    """Meta tells of the account by a signed webhook that carries that moment."""
    changes = [{"field": "account_update", "value": value}]
    entry = {"id": _account(studio, "whatsapp"), "time": int(at.timestamp()), "changes": changes}
    body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
    headers = {"X-Hub-Signature-256": signature(body, studio.system.sandbox.config.meta_app_secret)}
    url = f"{studio.system.public_url}/api/webhooks/whatsapp"
    assert httpx.post(url, content=body, headers=headers, trust_env=False).status_code == 200
    studio.system.settle()


def _look(studio: Studio, occasion: str) -> dict[str, Any]:
    """Have the studio's channels looked at; what came of it."""
    system = studio.system
    with system.database.transaction(Scope.fleet()) as connection:
        ask_to_look(connection, system.app.clocks, studio.id, occasion=occasion, story=Cause.new())
    system.settle()
    found = system.column(
        "select s.result from queue_log s join autopilot_job j using (position)"
        f" where j.idempotency_key = 'look:{occasion}' order by s.finished_at desc limit 1"
    )
    return dict(found[0])


def _incidents(studio: Studio) -> list[tuple[str, str]]:
    rows = studio.system.rows("select split_part(dedupe_key, ':', 2), status from incident order by id")
    return [(row[0], row[1]) for row in rows]


def _subjects(studio: Studio) -> list[str]:
    return [mail["subject"] for mail in studio.system.sandbox.mails(OWNER)]


def _assert_promises(system: System) -> None:
    now = {"real_now": system.clock.now(), "business_now": system.business.now()}
    with system.database.transaction(Scope.fleet()) as connection:
        for invariant in system.app.invariants:
            wanted = {name: value for name, value in now.items() if f":{name}" in invariant.query}
            assert connection.execute(text(invariant.query), wanted).all() == [], invariant.promise
    assert system.column("select error from dead_letter") == []


def test_news_of_a_number_are_hints_and_what_is_lost_heals(studio: Studio) -> None:
    system, sandbox, waba = studio.system, studio.system.sandbox, _account(studio, "whatsapp")
    sandbox.decide_on_number(studio.number, quality="RED", throughput="HIGH", name="REJECTED")
    sandbox.decide_on_business(waba, tier="TIER_2K", verification="APPROVED")
    system.settle()
    columns = "quality, throughput, name_status, messaging_limit, verification, status"
    assert _standing(studio, columns) == ("red", 1000, "declined", 2000, "verified", "connected")
    # A ban is told, the owner and the founder are; its end gets lost, and the next look finds it.
    sandbox.decide_on_business(waba, ban="DISABLE")
    system.settle()
    assert _standing(studio, "restricted, restricted_until") == ("DISABLED", None)
    assert _incidents(studio) == [("restricted", "open")]
    assert look_at_all(system.database, system.app.clocks) == 0, "the first sweep plans"
    sandbox.set_faults(1, [{"provider": "meta", "direction": "webhook", "kind": "drop", "probability": 1}])
    sandbox.decide_on_business(waba, ban="REINSTATE")
    system.settle()
    assert _standing(studio, "restricted")[0] == "DISABLED"
    system.clock.skip_to(system.clock.now() + EVERY + timedelta(minutes=1))
    assert look_at_all(system.database, system.app.clocks) == 1
    assert look_at_all(system.database, system.app.clocks) == 0, "it is taken once"
    system.settle()
    assert _standing(studio, "restricted")[0] is None
    assert _incidents(studio) == [("restricted", "resolved")]
    # Old news change nothing; new ones hold for as long as they say.
    sandbox.clear_faults()
    now = system.business.now()
    _tell(studio, now - timedelta(hours=8), event="DISABLED_UPDATE", ban_info={"waba_ban_state": "DISABLE"})
    assert _standing(studio, "restricted")[0] is None
    system.travel_to(now + timedelta(hours=1))
    sandbox.decide_on_business(waba, restriction={"kinds": [BIZ], "hours": 24})
    system.settle()
    restricted, until = _standing(studio, "restricted, restricted_until")
    assert restricted == BIZ
    assert abs(until - (now + timedelta(hours=25))) < timedelta(minutes=1)
    system.travel_to(now + timedelta(hours=25, minutes=15))
    system.settle()
    assert _standing(studio, "restricted")[0] is None
    told = _subjects(studio)
    assert sum("restricts what Studio Noord may send" in one for one in told) == 2
    assert sum("may send on WhatsApp again" in one for one in told) == 2
    assert sum("rates the quality" in one for one in told) == 1
    assert sum("declined the name" in one for one in told) == 1
    _assert_promises(system)


@pytest.mark.slow
def test_webhooks_that_go_astray_are_mended_three_times_an_hour(studio: Studio) -> None:
    system, sandbox, waba = studio.system, studio.system.sandbox, _account(studio, "whatsapp")
    number = _account(studio, "twilio", "phone_number")
    assert _look(studio, "first") == {"key": "well", "sms": "well", "trouble": None, "whatsapp": "well"}
    for attempt in range(3):
        sandbox.drift_number(number, sms_url="http://127.0.0.1:9/elsewhere")
        if attempt % 2:
            sandbox.decide_on_business(waba, subscribed=False)
        else:
            sandbox.decide_on_business(waba, override="http://127.0.0.1:9/elsewhere")
        assert _look(studio, f"drift:{attempt}") == {
            "key": "well",
            "sms": "mended",
            "trouble": None,
            "whatsapp": "mended",
        }
    assert _look(studio, "well again") == {"key": "well", "sms": "well", "trouble": None, "whatsapp": "well"}
    sandbox.drift_number(number, sms_url="http://127.0.0.1:9/elsewhere")
    # A stranger who knocks with a wrong signature has nothing looked at, and nothing mended.
    url = f"{system.public_url}/api/webhooks/twilio/sms"
    asked = system.column("select count(*) from autopilot_job")[0]
    assert httpx.post(url, data={"AccountSid": "AC1"}, headers={"X-Twilio-Signature": "no"}, trust_env=False).is_error
    assert system.column("select count(*) from autopilot_job")[0] == asked
    assert _look(studio, "the fourth")["sms"] == "left to a person"
    assert _incidents(studio) == [("sms", "open")]
    actions = "select count(*) from audit_log where action = 'provisioning.webhooks_recreated'"
    assert system.column(actions) == [6]
    system.clock.skip_to(system.clock.now() + timedelta(hours=1, minutes=1))
    assert _look(studio, "an hour later")["sms"] == "mended"
    assert _look(studio, "at last")["sms"] == "well"
    assert _incidents(studio) == [("sms", "resolved")]
    _assert_promises(system)


def _numbers_there(studio: Studio) -> tuple[list[str], list[str]]:
    """The studio's numbers at Twilio, and those of its account that are on WhatsApp."""
    bought = [one["phone_number"] for one in studio.system.sandbox.objects("twilio.number")]
    phones = studio.system.sandbox.objects("meta.phone")
    return bought, [one["number"] for one in phones if one["status"] == "CONNECTED"]


def test_a_number_that_is_lost_is_replaced_by_one(studio: Studio) -> None:
    system, sandbox, lost = studio.system, studio.system.sandbox, studio.number
    studio.writes("Hoi")
    sandbox.drift_number(lost, status="suspended")
    assert _look(studio, "lost")["replacing"] == "begun"
    new = _account(studio, "twilio", "phone_number")
    assert new != lost
    assert _account(studio, "whatsapp", "phone_number") == new
    assert _numbers_there(studio) == ([new], [new])
    assert system.rows("select old_number, new_number, outcome, waits_on from number_replacement") == [
        (lost, new, "replaced", None)
    ]
    assert _incidents(studio) == [("number_gone", "resolved")]
    assert sum("has a new phone number" in one for one in _subjects(studio)) == 1
    # Leads are answered from the new number, and those who write are heard.
    sandbox.receive_whatsapp(to=new, sender=LEAD, text="Are you there?")
    system.settle()
    assert system.column("select count(*) from message where direction = 'in'") == [2]
    _assert_promises(system)
    # Not twice on one day, however often it is lost.
    sandbox.drift_number(new, released=True)
    assert _look(studio, "again")["replacing"] == "one was begun today: the next may be tomorrow"
    assert sandbox.effects()["twilio.number_bought"] == 2
    system.travel_to(system.business.now() + timedelta(days=1))
    # What was given back or taken away may be offered again: it is registered again, or stays so.
    assert _look(studio, "next day")["replacing"] == "begun"
    there, connected = _numbers_there(studio)
    assert there == connected
    assert len(there) == 1
    _assert_promises(system)


def _lose(studio: Studio, moment: int, *, after_commit: bool) -> bool:
    """Lose the number while a worker is killed at that commit; False where there are no more commits than that."""
    system = studio.system
    system.travel_to(system.business.now() + timedelta(days=1))
    lost = _account(studio, "twilio", "phone_number")
    system.sandbox.drift_number(lost, status="suspended")
    with system.database.transaction(Scope.fleet()) as connection:
        occasion = f"{moment}:{after_commit}"
        ask_to_look(connection, system.app.clocks, studio.id, occasion=occasion, story=Cause.new())
    dying = MortalDatabase(system.database.url, dies_at=moment, after_commit=after_commit)
    system.settle(dying=dying)
    dying.close()
    where = f"killed {'after' if after_commit else 'before'} commit {moment}"
    new = _account(studio, "twilio", "phone_number")
    assert new != lost, where
    assert _account(studio, "whatsapp", "phone_number") == new, where
    assert _numbers_there(studio) == ([new], [new]), where
    _assert_promises(system)
    return dying.died


def test_a_kill_in_the_middle_of_a_replacement_leaves_one_number(studio: Studio) -> None:
    assert _lose(studio, 17, after_commit=True)
    assert _numbers_bought_and_released(studio) == (2, 1)


@pytest.mark.slow
@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize("part", range(4))
def test_a_kill_at_every_commit_of_a_replacement_leaves_one_number(
    studio: Studio, part: int, after_commit: bool
) -> None:
    moment = part + 1
    while _lose(studio, moment, after_commit=after_commit):
        moment += 4
    assert moment > 20, "a replacement has more commits than that"
    bought, released = _numbers_bought_and_released(studio)
    assert bought == released + 1


def _numbers_bought_and_released(studio: Studio) -> tuple[int, int]:
    effects = studio.system.sandbox.effects()
    return effects["twilio.number_bought"], effects["twilio.number_released"]


@pytest.mark.slow
def test_a_suspended_parent_is_one_incident_for_all_its_studios(studio: Studio) -> None:
    system, sandbox = studio.system, studio.system.sandbox
    other, parent = open_studio(system, "Studio Zuid"), sandbox.config.twilio_account_sid
    assert look_at_all(system.database, system.app.clocks) == 0, "the first sweep plans"
    sandbox.set_twilio_account_status(parent, "suspended")
    for number, one in enumerate((studio, other, studio)):
        assert _look(one, f"suspended:{number}")["trouble"] == "parent_suspended"
    told = "select dedupe_key, status, workspace_id, description, occurrences from incident"
    [(key, status, about, says, times)] = system.rows(told)
    assert (key, status, about, times) == (f"channels:parent_suspended:{parent}", "open", None, 2)
    assert "Found at 2 studios so far: Studio Noord, Studio Zuid." in says
    sandbox.set_twilio_account_status(parent, "active")
    assert _look(other, "works again")["trouble"] is None
    assert _incidents(studio) == [("parent_suspended", "resolved")]
    assert look_at_all(system.database, system.app.clocks) == 1, "the others are looked at at once"
    system.settle()
    assert system.column("select trouble from channel_look") == [None, None]
    # Suspended again before all were looked at, it is an incident again, whoever finds it.
    system.rows("update channel_look set trouble = 'parent_suspended', waits_on = 'us' returning 1")
    sandbox.set_twilio_account_status(parent, "suspended")
    assert _look(studio, "once more")["trouble"] == "parent_suspended"
    assert _incidents(studio) == [("parent_suspended", "resolved"), ("parent_suspended", "open")]


@pytest.mark.slow
def test_an_account_is_not_replaced_and_neither_is_a_number_that_the_studio_brought(studio: Studio) -> None:
    system, sandbox = studio.system, studio.system.sandbox
    account, parent = _account(studio, "twilio"), sandbox.config.twilio_account_sid
    look = "select trouble, waits_on from channel_look"
    for sid, trouble, waits_on in ((account, "account_suspended", "twilio"), (parent, "parent_suspended", "us")):
        sandbox.set_twilio_account_status(sid, "suspended")
        assert _look(studio, f"{trouble}:1")["trouble"] == trouble
        assert system.rows(look) == [(trouble, waits_on)]
        sandbox.set_twilio_account_status(sid, "active")
        assert _look(studio, f"{trouble}:2")["trouble"] is None
        assert system.rows(look) == [(None, None)]
    assert _incidents(studio) == [("account_suspended", "resolved"), ("parent_suspended", "resolved")]
    with system.database.transaction(Scope.fleet()) as connection:
        # As where the studio has brought its number: nothing says that we bought it.
        connection.exec_driver_sql("update effect set response = '{}' where kind = 'twilio.buy_number'")
    sandbox.drift_number(studio.number, status="suspended")
    assert _look(studio, "own")["trouble"] == "own_number_gone"
    assert system.rows(look) == [("own_number_gone", "studio")]
    assert sandbox.effects()["twilio.number_bought"] == 1
    assert sum("does not work any more" in one for one in _subjects(studio)) == 1

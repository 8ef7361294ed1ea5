"""Keys, suspended parents, and numbers that somebody else has changed."""

from __future__ import annotations

from twilio.rest import Client

from provider_sandbox.testing import RunningSandbox
from tests.provider_sandbox.conftest import twilio_client
from tests.provider_sandbox.test_twilio_api import list_refused, refused


def test_a_key_opens_its_account_but_neither_accounts_nor_keys_until_it_is_deleted(
    sandbox: RunningSandbox, twilio: Client
):
    made = twilio.api.v2010.accounts.create(friendly_name="studio-1")
    account = twilio.api.v2010.accounts(made.sid)
    key = account.new_keys.create(friendly_name="pilar")
    assert key.secret
    by_key = Client(key.sid, key.secret, made.sid, http_client=twilio.http_client)

    assert by_key.incoming_phone_numbers.list() == []
    with refused(401, 20003):
        by_key.api.v2010.accounts.create(friendly_name="nested")
    with refused(401, 20003):
        by_key.api.v2010.accounts(made.sid).new_keys.create()
    with list_refused(401, 20003):
        by_key.api.v2010.accounts(made.sid).keys.list()
    with refused(401, 20003):
        by_key.api.v2010.accounts(made.sid).update(status="closed")
    with list_refused(401, 20003):
        Client(key.sid, "wrong", made.sid, http_client=twilio.http_client).incoming_phone_numbers.list()

    assert account.keys(key.sid).update(friendly_name="renamed").friendly_name == "renamed"
    assert account.keys(key.sid).fetch().sid == key.sid
    assert [(one.sid, one.friendly_name) for one in account.keys.list()] == [(key.sid, "renamed")]
    with refused(404, 20404):
        twilio.api.v2010.accounts(sandbox.config.twilio_account_sid).keys(key.sid).fetch()
    assert account.keys(key.sid).delete()
    assert account.keys.list() == []
    with list_refused(401, 20003):
        by_key.incoming_phone_numbers.list()


def test_a_suspended_parent_takes_its_subaccounts_with_it_and_leaves_other_parents_alone(
    sandbox: RunningSandbox, twilio: Client
):
    made = twilio.api.v2010.accounts.create(friendly_name="studio-1")
    own = twilio_client(sandbox, made.sid, made.auth_token)
    parent = sandbox.add_twilio_parent("Second parent")
    second = twilio_client(sandbox, parent["sid"], parent["auth_token"])
    sandbox.set_twilio_account_status(sandbox.config.twilio_account_sid, "suspended")

    for client in (twilio, own):
        with list_refused(401, 20003):
            client.incoming_phone_numbers.list()
    assert second.api.v2010.accounts.create(friendly_name="studio-2").owner_account_sid == parent["sid"]
    with refused(404, 20404):
        second.api.v2010.accounts(made.sid).fetch()
    sandbox.set_twilio_account_status(sandbox.config.twilio_account_sid, "active")
    assert own.incoming_phone_numbers.list() == []
    for client in (own, second):
        client.http_client.session.close()
    unheard = {"sid": "AC0", "status": "active"}
    assert sandbox.client.put("/control/twilio/accounts", json=unheard).status_code == 404


def test_numbers_are_searched_by_region_and_by_digits(twilio: Client):
    offered = twilio.available_phone_numbers("US").local
    assert {one.region for one in offered.list(in_region="CA", limit=150)} == {"CA"}
    assert {one.phone_number[2:5] for one in offered.list(in_region="CA", limit=150)} == {"213", "415"}
    assert {one.phone_number[2:5] for one in offered.list(contains="206*0199", limit=5)} == {"206"}
    assert offered.list(in_region="ZZ") == []
    with list_refused(400, 20001):
        offered.list(page_size="many")


def test_a_number_drifts_or_is_taken_away_without_our_doing(sandbox: RunningSandbox, twilio: Client):
    offer = twilio.available_phone_numbers("US").local.list(limit=1)[0].phone_number
    bought = twilio.incoming_phone_numbers.create(
        phone_number=offer, sms_url="http://127.0.0.1/sms", status_callback="http://127.0.0.1/status"
    )
    sandbox.drift_number(offer, sms_url="http://127.0.0.1/elsewhere")
    seen = twilio.incoming_phone_numbers(bought.sid).fetch()
    assert (seen.sms_url, seen.status_callback) == ("http://127.0.0.1/elsewhere", "http://127.0.0.1/status")
    twilio.incoming_phone_numbers(bought.sid).update(sms_url="http://127.0.0.1/sms")
    assert twilio.incoming_phone_numbers(bought.sid).fetch().sms_url == "http://127.0.0.1/sms"

    sandbox.drift_number(offer, released=True)
    with refused(404, 20404):
        twilio.incoming_phone_numbers(bought.sid).fetch()
    assert twilio.incoming_phone_numbers.create(phone_number=offer).sid != bought.sid
    assert sandbox.client.put("/control/twilio/numbers", json={"number": "+12025550100"}).status_code == 404

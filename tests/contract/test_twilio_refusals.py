"""What Twilio refuses, and what becomes of an SMS, as our client and our checks understand it; against the sandbox."""

from __future__ import annotations

import httpx
import pytest

from pilar.errors import CredentialsRefused, PilarError, Transient
from pilar.providers.twilio import signature
from pilar.providers.twilio.errors import TABLE
from provider_sandbox.twilio.answers import LATER
from tests.contract.world import World, bought_number


def test_each_code_that_twilio_gives_on_a_call_raises_what_our_table_says(world: World) -> None:
    for code, kind in TABLE.items():
        if code == "10001" or int(code) >= LATER:
            continue
        world.sandbox.play_twilio_answer(int(code), path="*/Accounts.json")
        with pytest.raises(PilarError) as caught:
            world.twilio.find_subaccount("w-1")
        assert isinstance(caught.value, kind), code
        assert caught.value.details["provider_code"] == code
    assert world.twilio.find_subaccount("w-1") is None


def test_a_suspended_parent_is_a_matter_of_credentials_for_all_below_it(world: World) -> None:
    account, _number = bought_number(world)
    parent = world.sandbox.config.twilio_account_sid
    world.sandbox.set_twilio_account_status(parent, "suspended")
    for call in (
        lambda: world.twilio.find_subaccount("w-1"),
        lambda: world.twilio.find_number(account.credentials, "w-1:number"),
    ):
        with pytest.raises(CredentialsRefused):
            call()
    world.sandbox.set_twilio_account_status(parent, "active")
    assert world.twilio.find_subaccount("w-1") == account
    world.sandbox.play_twilio_answer(20429)
    with pytest.raises(Transient):
        world.twilio.find_subaccount("w-1")


def test_a_number_that_has_drifted_is_pointed_back_to_us(world: World) -> None:
    account, number = bought_number(world)
    found = world.twilio.find_number(account.credentials, "w-1:number")
    assert found is not None
    world.sandbox.drift_number(number, sms_url="http://127.0.0.1/elsewhere")
    world.twilio.set_webhooks(account.credentials, found.sid, *world.webhooks)
    (kept,) = world.sandbox.objects("twilio.number")
    assert (kept["sms_url"], kept["status_callback"]) == world.webhooks
    world.sandbox.drift_number(number, released=True)
    assert world.twilio.find_number(account.credentials, "w-1:number") is None


def test_what_became_of_an_sms_is_signed_for_us(world: World) -> None:
    account, number = bought_number(world)
    url = f"{world.hooks.base}/status"
    message = {"To": "+12025550123", "From": number, "Body": "Hi", "StatusCallback": url}
    path = f"{world.sandbox.base_url}/twilio/2010-04-01/Accounts/{account.sid}/Messages.json"
    httpx.post(path, auth=(account.sid, account.auth_token), data=message).raise_for_status()
    world.sandbox.wait_idle()
    told = [request for request in world.hooks.requests if request.path == "/status"]
    assert {request.form["MessageStatus"] for request in told} == {"sent", "delivered"}
    for request in told:
        signature.verify(url, request.form, request.headers["x-twilio-signature"], [account.auth_token])

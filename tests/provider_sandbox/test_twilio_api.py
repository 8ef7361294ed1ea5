"""Twilio as its own SDK sees it."""

from __future__ import annotations

from pathlib import Path

import phonenumbers
import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from pilar.providers.twilio.client import TwilioGateway
from pilar.provisioning.twilio_ladder import rungs
from provider_sandbox.testing import RunningSandbox, running_sandbox, sandbox_config
from provider_sandbox.twilio import pool
from tests.fixtures.system import settings_for
from tests.provider_sandbox.conftest import twilio_client
from tests.provider_sandbox.product import Answer, Product


def refused(status: int, code: int):
    return pytest.raises(TwilioRestException, check=lambda error: (error.status, error.code) == (status, code))


def list_refused(status: int, code: int):
    """The SDK raises another error where a list is refused: without a code of its own, the answer as its argument."""
    return pytest.raises(TwilioException, match=rf'Unable to fetch page.*HTTP {status} .*"code":{code}')


def test_a_subaccount_is_made_once_and_found_by_its_name(sandbox: RunningSandbox, twilio: Client):
    made = twilio.api.v2010.accounts.create(friendly_name="studio-1")
    twilio.api.v2010.accounts.create(friendly_name="studio-2")

    found = twilio.api.v2010.accounts.list(friendly_name="studio-1")
    fetched = twilio.api.v2010.accounts(made.sid).fetch()

    assert [account.sid for account in found] == [made.sid]
    assert found[0].auth_token == made.auth_token
    assert (fetched.owner_account_sid, fetched.status) == (sandbox.config.twilio_account_sid, "active")
    assert fetched.date_created is not None
    assert len(twilio.api.v2010.accounts.list()) == 3, "the parent is in its own list"
    assert sandbox.effects_by_key()["twilio.subaccount_created", "studio-1"] == 1


def test_a_parent_has_a_limit_of_open_subaccounts(tmp_path: Path):
    with running_sandbox(sandbox_config(tmp_path, twilio_subaccount_cap=2)) as sandbox:
        twilio = twilio_client(sandbox)
        first = twilio.api.v2010.accounts.create(friendly_name="1")
        twilio.api.v2010.accounts.create(friendly_name="2")
        with refused(400, 21100):
            twilio.api.v2010.accounts.create(friendly_name="3")
        twilio.api.v2010.accounts(first.sid).update(status="closed")
        twilio.api.v2010.accounts.create(friendly_name="3")
        twilio.http_client.session.close()


def test_credentials_reach_their_own_account_and_what_is_below(sandbox: RunningSandbox, twilio: Client):
    one = twilio.api.v2010.accounts.create(friendly_name="one")
    other = twilio.api.v2010.accounts.create(friendly_name="other")
    own = twilio_client(sandbox, one.sid, one.auth_token)

    assert own.incoming_phone_numbers.list() == []
    assert [account.sid for account in own.api.v2010.accounts.list()] == [one.sid]
    for sid in (other.sid, sandbox.config.twilio_account_sid):
        with refused(404, 20404):
            own.api.v2010.accounts(sid).fetch()
    with refused(400, 21100):
        own.api.v2010.accounts.create(friendly_name="nested")
    own.auth = (one.sid, "wrong")
    with list_refused(401, 20003):
        own.incoming_phone_numbers.list()
    own.http_client.session.close()


def test_a_suspended_account_does_nothing_until_it_is_active_again(sandbox: RunningSandbox, twilio: Client):
    made = twilio.api.v2010.accounts.create(friendly_name="late payer")
    own = twilio_client(sandbox, made.sid, made.auth_token)
    twilio.api.v2010.accounts(made.sid).update(status="suspended")

    with list_refused(401, 20003):
        own.incoming_phone_numbers.list()
    with list_refused(403, 20005):
        twilio.api.v2010.accounts(made.sid).incoming_phone_numbers.list()
    twilio.api.v2010.accounts(made.sid).update(status="active")
    assert own.incoming_phone_numbers.list() == []
    own.http_client.session.close()


def test_a_number_is_searched_bought_changed_and_released(sandbox: RunningSandbox, twilio: Client):
    account = twilio.api.v2010.accounts(twilio.api.v2010.accounts.create(friendly_name="studio-1").sid)
    offered = account.available_phone_numbers("NL").local.list(area_code="20", limit=5)
    repeated = account.available_phone_numbers("NL").local.list(area_code="20", limit=5)
    wish = offered[0].phone_number

    bought = account.incoming_phone_numbers.create(
        phone_number=wish, friendly_name="intent-1", sms_url="http://127.0.0.1/a", sms_method="POST"
    )
    with refused(400, 21422):
        account.incoming_phone_numbers.create(phone_number=wish)
    changed = account.incoming_phone_numbers(bought.sid).update(sms_url="http://127.0.0.1/b")

    assert [one.phone_number for one in repeated] == [one.phone_number for one in offered]
    assert all(one.phone_number.startswith("+3120") and one.capabilities["sms"] for one in offered)
    assert wish not in {one.phone_number for one in account.available_phone_numbers("NL").local.list(limit=50)}
    assert [one.sid for one in account.incoming_phone_numbers.list(friendly_name="intent-1")] == [bought.sid]
    assert [one.sid for one in account.incoming_phone_numbers.list(phone_number=wish)] == [bought.sid]
    assert account.incoming_phone_numbers.list(friendly_name="intent-2") == []
    assert (changed.sms_url, changed.friendly_name) == ("http://127.0.0.1/b", "intent-1")
    assert account.incoming_phone_numbers(bought.sid).delete()
    with refused(404, 20404):
        account.incoming_phone_numbers(bought.sid).fetch()
    counted = sandbox.effects_by_key()
    assert counted["twilio.number_bought", "intent-1"] == counted["twilio.number_released", "intent-1"] == 1


def test_where_an_area_is_sold_out_its_neighbours_are_offered_and_no_others(sandbox: RunningSandbox, twilio: Client):
    """The ladder's second rung, as the product climbs it."""
    offers = twilio.available_phone_numbers("US").local.list
    assert offers(area_code=201) == []
    near = {one.locality for one in offers(near_number="+12015550123", distance=100, limit=250)}
    assert near == {"New York", "Newark"}
    assert {one.locality for one in offers(near_number="+12015550123", distance=6, limit=250)} == {"New York", "Newark"}
    assert offers(near_number="+19705550123", distance=100) == [], "nothing is for sale around Fort Collins"
    with list_refused(400, 21602):
        offers(near_number="+12015550123", distance=501)
    shop = TwilioGateway(settings_for(sandbox.config, sandbox.base_url, sandbox.smtp_port, "http://127.0.0.1:1"))
    account = shop.create_subaccount("near")
    found = {
        rung.name: bool(
            shop.available_numbers(
                account.credentials, "US", rung.area_code, near=rung.near, region=rung.region, begins=rung.begins
            )
        )
        for rung in rungs("US", "+12015550123")
    }
    shop.close()
    assert found["area code"] is False
    assert found["neighbouring"] is True


def test_a_list_goes_over_pages(twilio: Client):
    for offer in twilio.available_phone_numbers("DE").local.list(limit=5):
        twilio.incoming_phone_numbers.create(phone_number=offer.phone_number)

    numbers = twilio.incoming_phone_numbers.list(page_size=2)

    assert len({number.sid for number in numbers}) == len(numbers) == 5


def test_buying_by_area_code_says_why_it_can_not(twilio: Client):
    with refused(400, 21451):
        twilio.incoming_phone_numbers.create(area_code="2x")
    with refused(400, 21452):
        twilio.incoming_phone_numbers.create(area_code="999")
    with refused(400, 21421):
        twilio.incoming_phone_numbers.create(phone_number="+31612345678")
    assert twilio.incoming_phone_numbers.create(area_code="415").phone_number.startswith("+1415555")
    assert twilio.available_phone_numbers("NL").local.list(area_code="999") == []
    with list_refused(404, 20404):
        twilio.available_phone_numbers("ZZ").local.list()


@pytest.mark.parametrize("area", pool.AREAS, ids=lambda area: f"{area.country}-{area.code}")
def test_every_number_on_offer_is_valid_in_its_country(area: pool.Area):
    for position in (0, area.size // 2, area.size - 1):
        number = phonenumbers.parse(area.number(position))
        assert phonenumbers.is_valid_number(number)
        assert phonenumbers.region_code_for_number(number) == area.country
        assert pool.belongs(area.number(position))


def test_two_studios_are_offered_different_numbers_first():
    firsts = {next(pool.candidates("NL", None, None, f"studio-{number}"))[1] for number in range(20)}

    assert len(firsts) == 20


def test_an_sms_is_told_to_the_number_s_owner_signed_with_the_owner_s_token(
    sandbox: RunningSandbox, twilio: Client, product: Product
):
    made = twilio.api.v2010.accounts.create(friendly_name="studio-1")
    account = twilio.api.v2010.accounts(made.sid)
    number = account.available_phone_numbers("GB").local.list(limit=1)[0].phone_number
    url = f"{product.url}/sms?studio=1"
    account.incoming_phone_numbers.create(phone_number=number, sms_url=url)

    sandbox.receive_sms(to=number, sender="+447700900123", text="Hallo, 3 × per week? €10")
    sandbox.wait_idle()

    [request] = product.at("/sms")
    signature = request.headers["x-twilio-signature"]
    assert RequestValidator(made.auth_token).validate(url, request.form, signature)
    assert not RequestValidator(sandbox.config.twilio_auth_token).validate(url, request.form, signature)
    assert (request.form["AccountSid"], request.form["To"]) == (made.sid, number)
    assert (request.form["Body"], request.form["NumMedia"]) == ("Hallo, 3 × per week? €10", "0")
    assert account.messages.list()[0].sid == request.form["MessageSid"]


def test_an_sms_to_a_number_released_meanwhile_is_dropped(sandbox: RunningSandbox, twilio: Client, product: Product):
    number = twilio.available_phone_numbers("ES").local.list(limit=1)[0].phone_number
    product.respond = lambda _request: Answer(503)
    bought = twilio.incoming_phone_numbers.create(phone_number=number, sms_url=f"{product.url}/sms")
    sandbox.receive_sms(to=number, sender="+34600000000", text="?")
    twilio.incoming_phone_numbers(bought.sid).delete()
    sandbox.wait_idle()

    [row] = sandbox.deliveries()
    assert (row["state"], row["delivered"]) == ("dropped", False)


def test_a_sent_sms_is_counted_and_needs_a_number_of_one_s_own(sandbox: RunningSandbox, twilio: Client):
    offer = twilio.available_phone_numbers("FR").local.list(limit=1)[0]
    twilio.incoming_phone_numbers.create(phone_number=offer.phone_number)

    sent = twilio.messages.create(to="+33199009999", from_=offer.phone_number, body="Bonjour")
    with refused(400, 21606):
        twilio.messages.create(to="+33199009999", from_="+33199000000", body="Bonjour")
    with refused(400, 21211):
        twilio.messages.create(to="nobody", from_=offer.phone_number, body="Bonjour")

    assert (sent.status, twilio.messages(sent.sid).fetch().body) == ("queued", "Bonjour")
    assert sandbox.effects_by_key()["twilio.sms_sent", "+33199009999"] == 1

"""WhatsApp senders at Twilio, from their making to being online, and off again."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from twilio.rest import Client
from twilio.rest.messaging.v2.channels_sender import ChannelsSenderList

from provider_sandbox.testing import RunningSandbox
from provider_sandbox.twilio.senders import Status
from tests.provider_sandbox.graph import Graph
from tests.provider_sandbox.test_twilio_api import list_refused, refused

FOREIGN = "+31200009876"


@pytest.fixture
def waba(graph: Graph) -> str:
    graph.connect("studio-1")
    return graph.waba


def wish(number: str, waba: str | None, **changes: Any) -> Any:
    wanted = {
        "sender_id": f"whatsapp:{number}",
        "configuration": {"waba_id": waba},
        "webhook": {"callback_url": "http://127.0.0.1/in", "callback_method": "POST"},
        "profile": {"name": "Studio Noord"},
    }
    return ChannelsSenderList.MessagingV2ChannelsSenderRequestsCreate(wanted | changes)


def change(**fields: Any) -> Any:
    return ChannelsSenderList.MessagingV2ChannelsSenderRequestsUpdate(fields)


def test_a_number_of_one_s_own_comes_online_by_itself(sandbox: RunningSandbox, twilio: Client, waba: str):
    number = twilio.available_phone_numbers("NL").local.list(limit=1)[0].phone_number
    twilio.incoming_phone_numbers.create(phone_number=number)
    senders = twilio.messaging.v2.channels_senders
    made = senders.create(wish(number, waba))
    assert (made.status, made.sender_id, made.sid[:2]) == ("CREATING", f"whatsapp:{number}", "XE")
    sandbox.wait_idle()
    online = senders(made.sid).fetch()
    assert online.status == "ONLINE"
    assert online.properties["messaging_limit"] == "250 Customers/24hr"
    with refused(409, 63110):
        senders.create(wish(number, waba))

    updating = senders(made.sid).update(change(profile={"name": "Studio Noord", "about": "Sterk"}))
    assert updating.status == "ONLINE:UPDATING"
    sandbox.wait_idle()
    assert [(one.sid, one.status) for one in senders.list(channel="whatsapp")] == [(made.sid, "ONLINE")]
    assert senders(made.sid).delete()
    assert senders.list(channel="whatsapp") == []
    with refused(404, 20404):
        senders(made.sid).fetch()
    counted = sandbox.effects_by_key()
    assert counted["twilio.sender_created", number] == 1
    assert counted["twilio.sender_deleted", f"whatsapp:{number}"] == 1


def test_another_number_waits_for_its_code(sandbox: RunningSandbox, twilio: Client, waba: str):
    senders = twilio.messaging.v2.channels_senders
    made = senders.create(wish(FOREIGN, waba))
    sandbox.wait_idle()
    assert senders(made.sid).fetch().status == "PENDING_VERIFICATION"
    (kept,) = sandbox.objects("twilio.sender")
    wrong = f"{(int(kept['code']) + 1) % 10**6:06d}"
    with refused(400, 63100):
        senders(made.sid).update(change(configuration={"verification_code": wrong}))
    senders(made.sid).update(change(configuration={"verification_code": kept["code"]}))
    sandbox.wait_idle()
    assert senders(made.sid).fetch().status == "ONLINE"
    with refused(400, 63100):
        senders(made.sid).update(change(configuration={"verification_code": kept["code"]}))


def test_every_state_can_be_played_and_offline_has_a_reason(sandbox: RunningSandbox, twilio: Client, waba: str):
    senders = twilio.messaging.v2.channels_senders
    made = senders.create(wish(FOREIGN, waba))
    sandbox.wait_idle()
    for status in get_args(Status):
        assert sandbox.set_sender_status(made.sid, status)["status"] == status
        assert senders(made.sid).fetch().status == status
    sandbox.set_sender_status(made.sid, "OFFLINE", "The display name was rejected.")
    (reason,) = senders(made.sid).fetch().offline_reasons
    assert reason["message"] == "The display name was rejected."
    unheard = {"sid": "XE0", "status": "ONLINE"}
    assert sandbox.client.put("/control/twilio/senders", json=unheard).status_code == 404


def test_a_sender_needs_a_number_a_name_and_the_owner_s_consent(sandbox: RunningSandbox, twilio: Client, waba: str):
    senders = twilio.messaging.v2.channels_senders
    for wrong in (
        wish("31200009876", waba),
        wish(FOREIGN, waba, profile={}),
        wish(FOREIGN, None),
        wish(FOREIGN, "1"),
    ):
        with refused(400, 63100):
            senders.create(wrong)
    with list_refused(400, 63100):
        senders.list(channel="carrier pigeon")
    assert sandbox.objects("twilio.sender") == []

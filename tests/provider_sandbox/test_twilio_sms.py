"""SMS at Twilio: what becomes of one, who can't get one, STOP, and errors that are played."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from provider_sandbox.testing import RunningSandbox
from tests.provider_sandbox.product import Product
from tests.provider_sandbox.test_twilio_api import list_refused, refused

PERSON = "+12025550123"


@pytest.fixture
def number(twilio: Client) -> str:
    offer = twilio.available_phone_numbers("US").local.list(limit=1)[0]
    return str(twilio.incoming_phone_numbers.create(phone_number=offer.phone_number).phone_number)


@pytest.fixture
def send(twilio: Client, number: str, product: Product) -> Callable[..., Any]:
    def one(text: str = "Hi", to: str = PERSON, **more: Any) -> Any:
        return twilio.messages.create(to=to, from_=number, body=text, status_callback=f"{product.url}/status", **more)

    return one


def test_a_message_is_queued_sent_and_delivered_and_each_step_is_told(
    sandbox: RunningSandbox, twilio: Client, product: Product, send: Callable[..., Any]
):
    sent = send()
    assert (sent.status, sent.date_sent) == ("queued", None)
    sandbox.wait_idle()
    requests = product.at("/status")
    assert {request.form["MessageStatus"] for request in requests} == {"sent", "delivered"}
    for request in requests:
        signature = request.headers["x-twilio-signature"]
        assert RequestValidator(sandbox.config.twilio_auth_token).validate(
            f"{product.url}/status", request.form, signature
        )
        assert request.form["MessageSid"] == sent.sid
        assert "ErrorCode" not in request.form
    fetched = twilio.messages(sent.sid).fetch()
    assert (fetched.status, fetched.error_code) == ("delivered", None)
    assert fetched.date_sent is not None


@pytest.mark.parametrize(
    ("line", "code"), [("landline", 30006), ("off", 30003)], ids=["a landline", "a telephone that is off"]
)
def test_what_the_network_finds_out_is_told_afterwards(
    sandbox: RunningSandbox, twilio: Client, product: Product, send: Callable[..., Any], line: Any, code: int
):
    sandbox.set_line(PERSON, line)
    sent = send()
    sandbox.wait_idle()
    told = {request.form["MessageStatus"]: request.form.get("ErrorCode") for request in product.at("/status")}
    assert told == {"sent": None, "undelivered": str(code)}
    fetched = twilio.messages(sent.sid).fetch()
    assert (fetched.status, fetched.error_code) == ("undelivered", code)
    sandbox.set_line(PERSON, "mobile")
    sandbox.wait_idle()
    again = send()
    sandbox.wait_idle()
    assert twilio.messages(again.sid).fetch().status == "delivered"


def test_what_is_wrong_with_a_number_is_told_on_the_call(sandbox: RunningSandbox, send: Callable[..., Any]):
    for line, code in (("invalid", 21211), ("not_mobile", 21614)):
        sandbox.set_line(PERSON, line)
        with refused(400, code):
            send()
    with refused(400, 21617):
        send("x" * 1601, to="+12025550124")
    assert "twilio.sms_sent" not in sandbox.effects()


def test_who_says_stop_gets_one_reply_of_twilio_s_and_no_message_until_they_say_start(
    sandbox: RunningSandbox, twilio: Client, number: str, send: Callable[..., Any]
):
    for word in (" stop ", "STOP"):
        sandbox.receive_sms(to=number, sender=PERSON, text=word)
    with refused(400, 21610):
        send()
    send(to="+12025550124")
    sandbox.receive_sms(to=number, sender=PERSON, text="please don't stop")
    with refused(400, 21610):
        send()
    sandbox.receive_sms(to=number, sender=PERSON, text="Start")
    assert send().status == "queued"
    replies = [message.body for message in twilio.messages.list(to=PERSON) if message.direction == "outbound-reply"]
    assert len(replies) == 2
    counted = sandbox.effects()
    assert (counted["twilio.opted_out"], counted["twilio.opted_in"]) == (1, 1)


def test_errors_are_played_by_path_and_recipient_as_often_as_is_said(
    sandbox: RunningSandbox, twilio: Client, send: Callable[..., Any]
):
    sandbox.play_twilio_answer(20429, times=2)
    for _attempt in range(2):
        with list_refused(429, 20429):
            twilio.incoming_phone_numbers.list()
    assert len(twilio.incoming_phone_numbers.list()) == 1

    sandbox.play_twilio_answer(20003, path="*/Messages.json", to=PERSON)
    send(to="+12025550124")
    twilio.incoming_phone_numbers.list()
    with refused(401, 20003):
        send()
    for code, status in ((30007, "undelivered"), (63016, "failed"), (63018, "failed")):
        sandbox.play_twilio_answer(code, to=PERSON)
        sent = send()
        sandbox.wait_idle()
        fetched = twilio.messages(sent.sid).fetch()
        assert (fetched.status, fetched.error_code) == (status, code)
    sandbox.play_twilio_answer(20500, times=9)
    sandbox.clear_twilio_answers()
    assert send().status == "queued"
    for wrong in ({"code": "x"}, {"code": 20003, "times": -1}, {"kode": 1}):
        assert sandbox.client.put("/control/twilio/answers", json=wrong).status_code == 422

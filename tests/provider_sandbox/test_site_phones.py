"""Being a lead in a browser: what is typed reaches the product, and what a studio sends is read and answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provider_sandbox.testing import RunningSandbox, running_sandbox, sandbox_config
from provider_sandbox.web.bubbles import from_person, from_studio, with_changes
from tests.provider_sandbox.conftest import twilio_client
from tests.provider_sandbox.graph import LEAD, STUDIO, Studio, connected, values
from tests.provider_sandbox.product import Product
from tests.provider_sandbox.visitor import Visitor

CHAT = f"/phones/{LEAD}?with=%2B{STUDIO.lstrip('+')}&by=whatsapp"


@pytest.fixture
def visitor(sandbox: RunningSandbox) -> Visitor:
    return Visitor(sandbox)


def heard(told: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The messages that the product was told of."""
    return [message for value in values(told()) for message in value.get("messages", [])]


def test_a_newcomer_writes_from_a_new_telephone_and_reads_the_answer(
    visitor: Visitor, studio: Studio, told: Callable[[], list[dict[str, Any]]]
) -> None:
    answer = visitor.post("/phones", "Send", name="Sam", number="+31 6 1234 5678", text="What does it cost?")
    assert str(answer.url).endswith(CHAT)
    assert "What does it cost?" in answer.text
    [message] = heard(told)
    assert (message["from"], message["text"]["body"]) == (LEAD.lstrip("+"), "What does it cost?")
    studio.send(LEAD, "49 euros & no more")
    studio.graph.client.post("/control/wait-idle")
    page = visitor.open(CHAT)
    assert "49 euros & no more" in page
    assert "read" in page
    assert "Sam +31612345678 · made here" in visitor.open("/phones")
    assert "49 euros & no more" in visitor.open(f"/phones/{STUDIO}")
    visitor.press(CHAT, "Send", **{"entries.0.messages.0.text": "Thanks!"})
    assert heard(told)[-1]["text"]["body"] == "Thanks!"


def test_a_telephone_that_cannot_be_says_why(visitor: Visitor, studio: Studio) -> None:
    for typed, problem in (
        ({"number": "0612345678"}, "A number is written like +31612345678"),
        ({"name": " "}, "A name has between 1 and 60 letters."),
        ({"text": " "}, "Write a message"),
        ({"to": "+31209999999"}, "+31209999999 is not on WhatsApp."),
    ):
        page = visitor.press("/phones", "Send", **{"name": "Sam", "text": "Hi", **typed})
        assert problem in page
        assert "made here" not in page


def test_buttons_lists_and_templates_are_answered_as_whatsapp_does(
    visitor: Visitor, studio: Studio, told: Callable[[], list[dict[str, Any]]]
) -> None:
    sandbox = visitor.sandbox
    buttons = {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Come by"}]}
    studio.graph.submit("offer", "", components=[{"type": "BODY", "text": "Try us for free!"}, buttons])
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Hi", name="Sam")
    sandbox.wait_idle()
    replies = [{"type": "reply", "reply": {"id": "m", "title": "Morning"}}]
    wanted = {"type": "button", "body": {"text": "When?"}, "action": {"buttons": replies}}
    asked = studio.send(LEAD, "", type="interactive", interactive=wanted)["messages"][0]["id"]
    rows = [{"rows": [{"id": "r1", "title": "Yoga", "description": "at nine"}]}]
    wanted = {"type": "list", "body": {"text": "What?"}, "action": {"button": "Choose", "sections": rows}}
    studio.send(LEAD, "", type="interactive", interactive=wanted)
    offered = studio.graph.send_template(studio.phone_id, LEAD, "offer")["messages"][0]["id"]
    for label in ("Morning", "Yoga", "Come by"):
        visitor.press(CHAT, label)
    morning, yoga, offer = heard(told)[-3:]
    assert morning["interactive"] == {"type": "button_reply", "button_reply": {"id": "m", "title": "Morning"}}
    assert morning["context"]["id"] == asked
    assert yoga["interactive"]["list_reply"] == {"id": "r1", "title": "Yoga", "description": "at nine"}
    assert (offer["type"], offer["button"]["text"]) == ("button", "Come by")
    assert offer["context"]["id"] == offered


def test_reacting_blocking_stopping_reading_and_sending_a_picture(
    visitor: Visitor, studio: Studio, told: Callable[[], list[dict[str, Any]]]
) -> None:
    sandbox = visitor.sandbox
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Hi", name="Sam")
    message = studio.send(LEAD, "Hello")["messages"][0]["id"]
    visitor.press(CHAT, "👍", {"entries.0.messages.0.type": "reaction"})
    assert "👍" in visitor.open(CHAT)
    visitor.press(CHAT, "Send picture", **{"entries.0.messages.0.text": "Me"})
    reaction, picture = heard(told)[-2:]
    assert reaction["reaction"] == {"message_id": message, "emoji": "👍"}
    assert picture["image"]["caption"] == "Me"
    file = sandbox.client.get(f"/phones/media/{picture['image']['id']}")
    assert (file.headers["content-type"], file.content[:4]) == ("image/png", b"\x89PNG")
    assert "no marketing" in visitor.press(CHAT, "Stop marketing")
    [preference] = [one for value in values(told(), "user_preferences") for one in value["user_preferences"]]
    assert preference["value"] == "stop"
    assert "blocked" in visitor.press(CHAT, "Block")
    studio.send(LEAD, "Are you there?")
    sandbox.wait_idle()
    assert "not delivered (131026" in visitor.open(CHAT)
    visitor.press(CHAT, "Unblock")
    assert "The studio has been told." in visitor.press(CHAT, "Resume marketing")
    assert "All is read." in visitor.press(CHAT, "Read everything now")


def test_what_waits_to_be_read_is_read_at_once(tmp_path: Path, product: Product) -> None:
    config = sandbox_config(tmp_path / "state", status_delay=3600.0, meta_webhook_url=f"{product.url}/hook")
    with running_sandbox(config) as sandbox:
        studio, visitor = connected(sandbox.client, sandbox.config), Visitor(sandbox)
        sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Hi", name="Sam")
        studio.send(LEAD, "Hello")
        assert "under way" in visitor.open(CHAT)
        visitor.press(CHAT, "Read everything now")
        sandbox.wait_idle()
        assert "under way" not in visitor.open(CHAT)
        [message] = sandbox.objects("meta.message")
        assert "read" in message["statuses"]
        assert sandbox.read_chat(to=STUDIO, sender=LEAD) == 0


def test_an_sms_is_a_chat_of_its_own(visitor: Visitor) -> None:
    sandbox = visitor.sandbox
    twilio = twilio_client(sandbox)
    [offer] = twilio.available_phone_numbers("US").local.list(limit=1)
    number = twilio.incoming_phone_numbers.create(phone_number=offer.phone_number).phone_number
    twilio.messages.create(to=LEAD, from_=number, body="Your code is 123.")
    assert "Your code is 123." in visitor.open(f"/phones/{LEAD}")
    page = visitor.press(f"/phones/{LEAD}?with={number.replace('+', '%2B')}&by=sms", "Send", text="STOP")
    assert page.index("Your code is 123.") < page.index("STOP")
    [received, *_] = twilio.messages.list(to=number)
    assert received.body == "STOP"
    assert "You have been unsubscribed" in visitor.open(f"/phones/{number}")


def test_a_simulated_lead_can_be_sent_and_people_are_found(visitor: Visitor, studio: Studio) -> None:
    visitor.press("/phones", "Send", name="Lin", number="+31611112222", persona="curious")
    [lead] = visitor.sandbox.leads()
    assert (lead["from"], lead["persona"]) == ("+31611112222", "curious")
    assert "Lin" in visitor.open("/phones?q=curious")
    assert "Nobody is called that." in visitor.open("/phones?q=nobody")
    other = visitor.open("/phones/+31611112222?with=%2B31200001234&by=sms")
    assert "This number can't be written to by that way" in other
    assert visitor.sandbox.client.get("/phones/+31600000001").status_code == 404
    assert visitor.sandbox.client.get("/phones/media/1").status_code == 404


def test_edits_withdrawals_and_reactions_stand_at_the_message_that_they_are_about() -> None:
    base = {"timestamp": "1795678762"}
    found = with_changes(
        [
            from_person({**base, "id": "a", "type": "text", "text": {"body": "On Mondey"}}),
            from_person(
                {
                    **base,
                    "id": "b",
                    "type": "edit",
                    "edit": {"original_message_id": "a", "message": {"type": "text", "text": {"body": "On Monday"}}},
                }
            ),
            from_person({**base, "id": "c", "type": "text", "text": {"body": "Never mind"}}),
            from_person({**base, "id": "d", "type": "revoke", "revoke": {"original_message_id": "c"}}),
            from_studio(
                {
                    "id": "e",
                    "type": "reaction",
                    "text": "👍",
                    "at": "2026-01-01T00:00:00+00:00",
                    "statuses": ["sent"],
                    "error": None,
                    "reply_to": None,
                    "content": {"message_id": "a", "emoji": "👍"},
                },
                None,
            ),
        ]
    )
    assert [(one.text, one.note, one.reactions) for one in found] == [
        ("On Monday", "edited", {False: "👍"}),
        ("", "taken back", {}),
    ]


def test_the_highest_status_is_shown_whatever_came_last() -> None:
    message = {"id": "a", "type": "text", "text": "Hi", "at": "2026-01-01T00:00:00+00:00", "error": None}
    told = {**message, "reply_to": None, "statuses": ["sent", "read", "delivered"]}
    assert from_studio(told, None).status == "read"

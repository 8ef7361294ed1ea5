"""Messages over WhatsApp, both ways: our client, our door's check and our reader against the sandbox."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pilar.errors import Invalid, Permanent
from pilar.providers.reactions import Reaction
from pilar.providers.whatsapp import signature
from pilar.providers.whatsapp.deliveries import Change, InboundMessage, MessageStatus, TemplateStatus, Unknown, read
from pilar.providers.whatsapp.errors import reaction_to
from tests.contract.world import Studio, World, connected_studio

LEAD = "+31612345678"
START = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def studio(world: World) -> Studio:
    world.sandbox.set_targets(meta_webhook_url=f"{world.hooks.base}/whatsapp")
    return connected_studio(world, "s-1")


def documents(world: World) -> list[dict[str, Any]]:
    """Every delivery of Meta's so far, with its signature checked."""
    world.sandbox.wait_idle()
    found = []
    for request in world.hooks.requests:
        if request.path == "/whatsapp":
            signed = request.headers["x-hub-signature-256"]
            signature.verify(request.body, signed, [world.sandbox.config.meta_app_secret])
            found.append(request.document)
    return found


def told(world: World) -> list[Change]:
    changes = [change for document in documents(world) for change in read(document)]
    assert not [change for change in changes if isinstance(change, Unknown)]
    return changes


def statuses(world: World) -> list[MessageStatus]:
    return [change for change in told(world) if isinstance(change, MessageStatus)]


def approved(world: World, studio: Studio, name: str, category: str = "utility") -> None:
    wanted = {"name": name, "language": "nl", "category": category, "body": "Hoi {{1}}, tot zo!", "examples": ["Bo"]}
    submitted = world.graph.submit_template(studio.token, studio.waba_id, **wanted)
    assert submitted.status == "PENDING"
    world.sandbox.wait_idle()


def test_a_conversation_is_read_as_it_was_had(world: World, studio: Studio) -> None:
    real = datetime.now(UTC)
    world.sandbox.set_clock(real_anchor=real, business_anchor=START, rate=0)
    asked = world.sandbox.receive_whatsapp(to=studio.number, sender=LEAD, text="Grüße 👋", name="Anna", repeat=2)
    wamid = world.graph.send_text(studio.token, studio.phone_id, LEAD, "Hoi Anna", callback="message-1", reply_to=asked)

    messages = [change for change in told(world) if isinstance(change, InboundMessage)]
    assert len(messages) == 2
    assert messages[0] == messages[1]
    found = messages[0]
    assert (found.account_id, found.phone_number_id, found.id) == (studio.waba_id, studio.phone_id, asked)
    assert (found.sender, found.sender_phone, found.sender_name) == ("31612345678", LEAD, "Anna")
    assert (found.kind, found.text, found.reply_to, found.sent_at) == ("text", "Grüße 👋", None, START)

    heard = statuses(world)
    assert {status.status for status in heard} >= {"sent", "read"}
    assert {(status.message_id, status.callback, status.category) for status in heard} == {
        (wamid, "message-1", "service")
    }
    assert all(status.at - START < timedelta(minutes=1) for status in heard)
    assert world.sandbox.effects_by_key()["meta.message_sent", "message-1"] == 1


@pytest.mark.parametrize("kind", ["button", "reaction", "audio", "unsupported"])
def test_whatever_somebody_sends_is_a_message(world: World, studio: Studio, kind: str) -> None:
    world.sandbox.receive_whatsapp(to=studio.number, sender=LEAD, text="👍", type=kind, context="wamid.0")
    (found,) = told(world)
    assert isinstance(found, InboundMessage)
    assert found.kind == kind
    assert found.text == ("👍" if kind == "button" else None)
    assert found.reply_to == "wamid.0"


def test_one_delivery_for_several_studios_is_taken_apart(world: World, studio: Studio) -> None:
    other = connected_studio(world, "s-2")
    leads = [
        {"to": to.number, "from": sender, "name": "Bo", "persona": "curious"}
        for to, sender in ((studio, LEAD), (other, LEAD), (other, "+31612345679"))
    ]
    world.sandbox.add_leads(leads)
    (document,) = documents(world)
    found = [change for change in read(document) if isinstance(change, InboundMessage)]
    assert [(one.account_id, one.sender_phone) for one in found] == [
        (studio.waba_id, LEAD),
        (other.waba_id, LEAD),
        (other.waba_id, "+31612345679"),
    ]


def test_a_window_that_has_closed_is_told_by_a_status(world: World, studio: Studio) -> None:
    real = datetime.now(UTC)
    world.sandbox.set_clock(real_anchor=real, business_anchor=START, rate=0)
    world.sandbox.receive_whatsapp(to=studio.number, sender=LEAD, text="Hallo?")
    world.sandbox.set_clock(real_anchor=real, business_anchor=START + timedelta(days=1), rate=0)
    wamid = world.graph.send_text(studio.token, studio.phone_id, LEAD, "Hoi", callback="message-1")
    (status,) = statuses(world)
    assert (status.message_id, status.status, status.callback) == (wamid, "failed", "message-1")
    (error,) = status.errors
    assert reaction_to(error.code) is Reaction.PLAN_AS_TEMPLATE

    approved(world, studio, "reminder")
    world.graph.send_template(studio.token, studio.phone_id, LEAD, "reminder", "nl", ["Bo"], callback="message-2")
    assert "failed" not in {one.status for one in statuses(world) if one.callback == "message-2"}
    assert {one.category for one in statuses(world) if one.callback == "message-2"} == {"utility"}


def test_a_template_lives_from_review_to_retirement(world: World, studio: Studio) -> None:
    approved(world, studio, "reminder")
    (listed,) = world.graph.templates(studio.token, studio.waba_id)
    assert (listed.name, listed.language, listed.category, listed.status, listed.reason) == (
        "reminder",
        "nl",
        "UTILITY",
        "APPROVED",
        None,
    )
    (update,) = told(world)
    assert isinstance(update, TemplateStatus) and update.at is not None
    assert replace(update, at=None) == TemplateStatus(studio.waba_id, listed.id, "reminder", "nl", "APPROVED", None)
    with pytest.raises(Invalid):
        approved(world, studio, "reminder")

    def send(*values: str, name: str = "reminder") -> str:
        return world.graph.send_template(studio.token, studio.phone_id, LEAD, name, "nl", values, callback="message-1")

    with pytest.raises(Invalid):
        send()
    for event, name, reaction in (
        ("APPROVED", "unheard_of", Reaction.RESYNC_TEMPLATES),
        ("PAUSED", "reminder", Reaction.AWAIT_TEMPLATE),
        ("DISABLED", "reminder", Reaction.RETIRE_TEMPLATE),
    ):
        world.sandbox.set_template_status(studio.waba_id, "reminder", "nl", event)
        with pytest.raises(Permanent) as caught:
            send("Bo", name=name)
        assert reaction_to(caught.value.details["provider_code"]) is reaction
    assert "meta.message_sent" not in world.sandbox.effects()


def test_every_page_of_templates_is_read(world: World, studio: Studio) -> None:
    for number in range(105):
        wanted = {"language": "nl", "category": "marketing", "body": "Hoi!", "examples": []}
        world.graph.submit_template(studio.token, studio.waba_id, name=f"template_{number}", **wanted)
    found = world.graph.templates(studio.token, studio.waba_id)
    assert [template.name for template in found] == [f"template_{number}" for number in range(105)]


def test_what_is_wrong_with_a_message_is_our_fault_or_the_numbers(world: World, studio: Studio) -> None:
    with pytest.raises(Invalid):
        world.graph.send_text(studio.token, studio.phone_id, LEAD, "", callback="message-1")
    with pytest.raises(Invalid):
        world.graph.send_text(studio.token, studio.phone_id, LEAD, "Hoi", callback="x" * 513)
    bare = world.graph.add_phone_number(studio.token, studio.waba_id, "+31200001234", "Studio Zon")
    with pytest.raises(Permanent) as caught:
        world.graph.send_text(studio.token, bare, LEAD, "Hoi", callback="message-1")
    assert reaction_to(caught.value.details["provider_code"]) is Reaction.REGISTER_AGAIN


# The shape of what Meta publishes, field by field, and of what the sandbox sends.

PUBLISHED_STATUS = {
    "id": str,
    "status": str,
    "timestamp": str,
    "recipient_id": str,
    "biz_opaque_callback_data": str,
    "conversation": {"id": str, "expiration_timestamp": str, "origin": {"type": str}},
    "pricing": {"billable": bool, "pricing_model": str, "category": str},
}
PUBLISHED_FAILURE = {
    "id": str,
    "status": str,
    "timestamp": str,
    "recipient_id": str,
    "biz_opaque_callback_data": str,
    "errors": [{"code": int, "title": str, "message": str, "error_data": {"details": str}, "href": str}],
}
PUBLISHED_MESSAGE = {"from": str, "id": str, "timestamp": str, "type": str, "text": {"body": str}}
PUBLISHED_CONTACT = {"profile": {"name": str}, "wa_id": str, "user_id": str}
PUBLISHED_TEMPLATE = {
    "event": str,
    "message_template_id": int,
    "message_template_name": str,
    "message_template_language": str,
    "reason": str,
    "message_template_category": str,
}


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    return [shape(item) for item in value] if isinstance(value, list) else type(value)


def test_deliveries_have_the_shape_that_meta_publishes(world: World, studio: Studio) -> None:
    world.sandbox.receive_whatsapp(to=studio.number, sender=LEAD, text="Hallo?", name="Anna")
    world.graph.send_text(studio.token, studio.phone_id, LEAD, "Hoi", callback="message-1")
    world.sandbox.wait_idle()
    world.sandbox.block(to=studio.number, sender=LEAD)
    world.graph.send_text(studio.token, studio.phone_id, LEAD, "Hoi", callback="message-2")
    approved(world, studio, "reminder")

    values: dict[str, list[dict[str, Any]]] = {"messages": [], "message_template_status_update": []}
    for document in documents(world):
        assert document["object"] == "whatsapp_business_account"
        for entry in document["entry"]:
            for change in entry["changes"]:
                values[change["field"]].append(change["value"])
                assert ("time" in entry) is (change["field"] != "messages")
    (template,) = values["message_template_status_update"]
    assert shape(template) == PUBLISHED_TEMPLATE
    for value in values["messages"]:
        assert value["messaging_product"] == "whatsapp"
        assert value["metadata"] == {
            "display_phone_number": studio.number.removeprefix("+"),
            "phone_number_id": studio.phone_id,
        }
        assert [shape(contact) for contact in value["contacts"]] == [PUBLISHED_CONTACT]
        assert [shape(message) for message in value.get("messages", [])] in ([], [PUBLISHED_MESSAGE])
    told_statuses = {status["status"]: status for value in values["messages"] for status in value.get("statuses", [])}
    assert shape(told_statuses["sent"]) == PUBLISHED_STATUS
    assert shape(told_statuses["failed"]) == PUBLISHED_FAILURE
    assert json.dumps(told_statuses["read"]).count("expiration_timestamp") == 0

"""Meta's deliveries are told apart, whatever they hold."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilar.providers.whatsapp.account_news import AccountNews, Restriction
from pilar.providers.whatsapp.deliveries import (
    MALFORMED,
    Change,
    InboundMessage,
    MessageStatus,
    Preference,
    StatusError,
    TemplateQuality,
    TemplateStatus,
    Unknown,
    read,
)

METADATA = {"display_phone_number": "31200001234", "phone_number_id": "106"}
ANNA = {"profile": {"name": "Anna"}, "wa_id": "31612345678", "user_id": "NL.4711"}
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECONDS = str(int(AT.timestamp()))


def change(field: str, **value: Any) -> dict[str, Any]:
    return {"field": field, "value": {"messaging_product": "whatsapp", "metadata": METADATA, **value}}


def delivery(*changes: Any) -> dict[str, Any]:
    return {"object": "whatsapp_business_account", "entry": [{"id": "102", "changes": list(changes)}]}


def message(kind: str = "text", **content: Any) -> dict[str, Any]:
    return {"from": "31612345678", "id": "wamid.1", "timestamp": SECONDS, "type": kind, **content}


def read_message(sent: dict[str, Any], *contacts: dict[str, Any]) -> Change:
    (found,) = read(delivery(change("messages", contacts=list(contacts or (ANNA,)), messages=[sent])))
    return found


def status(name: str = "delivered", **more: Any) -> dict[str, Any]:
    return {"id": "wamid.1", "status": name, "timestamp": SECONDS, "recipient_id": "31612345678", **more}


def read_status(told: dict[str, Any]) -> Change:
    (found,) = read(delivery(change("messages", contacts=[ANNA], statuses=[told])))
    return found


def test_a_message_is_read() -> None:
    sent = message(text={"body": "Hallo"}, context={"from": "31200001234", "id": "wamid.0"})
    assert read_message(sent) == InboundMessage(
        account_id="102",
        phone_number_id="106",
        id="wamid.1",
        sender="31612345678",
        sender_phone="+31612345678",
        sender_name="Anna",
        kind="text",
        text="Hallo",
        reply_to="wamid.0",
        sent_at=AT,
        payload=sent,
        sender_user_id="NL.4711",
    )


@pytest.mark.parametrize(
    ("sent", "kind", "text"),
    [
        (message("button", button={"payload": "stop", "text": "Stop"}), "button", "Stop"),
        (
            message("interactive", interactive={"type": "button_reply", "button_reply": {"id": "1", "title": "Ja"}}),
            "interactive",
            "Ja",
        ),
        (
            message("interactive", interactive={"type": "list_reply", "list_reply": {"id": "1", "title": "Nee"}}),
            "interactive",
            "Nee",
        ),
        (message("interactive"), "interactive", None),
        (message("interactive", interactive={"type": "nfm_reply", "nfm_reply": {"body": "Sent"}}), "interactive", None),
        (message("audio", audio={"id": "1", "voice": True}), "audio", None),
        (message("image", image={"id": "1", "caption": "ik"}), "image", "ik"),
        (message("unsupported", errors=[{"code": 131051}]), "unsupported", None),
        (message("system", system={"body": "changed", "type": "user_changed_number"}), "system", None),
        (message("text"), "text", None),
        (message("text", text="Hallo"), "text", None),
        (message("of_next_year", of_next_year=[1]), "of_next_year", None),
        ({key: value for key, value in message().items() if key != "type"}, "unknown", None),
    ],
)
def test_a_message_of_any_kind_is_a_message(sent: dict[str, Any], kind: str, text: str | None) -> None:
    found = read_message(sent)
    assert isinstance(found, InboundMessage)
    assert (found.kind, found.text, found.payload) == (kind, text, sent)


def test_a_reaction_names_what_it_reacts_to() -> None:
    found = read_message(message("reaction", reaction={"message_id": "wamid.0", "emoji": "👍"}))
    assert isinstance(found, InboundMessage)
    assert (found.kind, found.text, found.reply_to) == ("reaction", None, "wamid.0")


def test_somebody_whose_number_meta_keeps_to_itself_is_told_by_user_id() -> None:
    sent = {key: value for key, value in message(text={"body": "Hi"}).items() if key != "from"}
    hidden = {"profile": {"name": "Bo", "username": "bo"}, "user_id": "NL.4712"}
    for given_id in ({}, {"from_user_id": "NL.4712"}):
        found = read_message(sent | given_id, hidden)
        assert isinstance(found, InboundMessage)
        assert (found.sender, found.sender_phone, found.sender_name) == ("NL.4712", None, "Bo")
    named = read_message(sent | {"from_user_id": "NL.4712"}, ANNA, hidden)
    assert isinstance(named, InboundMessage)
    assert named.sender_name == "Bo"
    assert read_message(sent, ANNA, hidden) == Unknown("102", "messages", MALFORMED)


def test_each_message_has_its_own_senders_name() -> None:
    bo = {"profile": {"name": "Bo"}, "wa_id": "31687654321"}
    sent = [message(), message() | {"from": "31687654321"}, message() | {"from": "4915112345678"}]
    found = read(delivery(change("messages", contacts=[bo, ANNA], messages=sent)))
    assert [one.sender_name for one in found if isinstance(one, InboundMessage)] == ["Anna", "Bo", None]


@pytest.mark.parametrize(
    ("number", "phone"), [("31612345678", "+31612345678"), ("NL.4711", None), ("999999999999", None), ("12", None)]
)
def test_only_what_is_a_number_becomes_one(number: str, phone: str | None) -> None:
    found = read_message(message() | {"from": number})
    assert isinstance(found, InboundMessage)
    assert (found.sender, found.sender_phone) == (number, phone)


def test_a_status_is_read() -> None:
    told = status(
        biz_opaque_callback_data="message-1",
        conversation={"id": "c", "origin": {"type": "utility"}},
        pricing={"billable": True, "pricing_model": "PMP", "category": "marketing"},
    )
    assert read_status(told) == MessageStatus(
        account_id="102",
        phone_number_id="106",
        message_id="wamid.1",
        status="delivered",
        at=AT,
        recipient="31612345678",
        callback="message-1",
        errors=(),
        category="marketing",
    )
    found = read_status({**told, "pricing": None, "timestamp": int(SECONDS)})
    assert isinstance(found, MessageStatus)
    assert (found.category, found.at) == ("utility", AT)


def test_a_failure_tells_its_errors() -> None:
    errors = [
        {"code": 131047, "title": "Window", "message": "Window", "error_data": {"details": "closed"}},
        {"code": 131026, "title": "Undeliverable", "message": "not reached"},
        {"code": 1},
    ]
    found = read_status(status("failed", errors=errors))
    assert isinstance(found, MessageStatus)
    assert found.errors == (
        StatusError("131047", "Window", "closed"),
        StatusError("131026", "Undeliverable", "not reached"),
        StatusError("1", "", ""),
    )
    assert found.category is None


@pytest.mark.parametrize("template_id", [77, "77"])
def test_a_decision_about_a_template_is_read(template_id: object) -> None:
    update = {
        "event": "REJECTED",
        "message_template_id": template_id,
        "message_template_name": "welcome",
        "message_template_language": "nl",
        "reason": "PROMOTIONAL",
    }
    changes = [change("message_template_status_update", **update, **more) for more in ({}, {})]
    changes[1]["value"]["reason"] = "NONE"
    rejected, approved = read(delivery(*changes))
    assert rejected == TemplateStatus("102", "77", "welcome", "nl", "REJECTED", "PROMOTIONAL")
    assert isinstance(approved, TemplateStatus)
    assert approved.reason is None


def test_another_score_of_a_template_is_read() -> None:
    update = {"previous_quality_score": "GREEN", "new_quality_score": "RED", "message_template_id": 7,
              "message_template_name": "welcome", "message_template_language": "en_US"}  # fmt: skip
    field = "message_template_quality_update"
    known, unreadable = read(delivery(change(field, **update), change(field, message_template_name="welcome")))
    assert known == TemplateQuality("102", "welcome", "en_US", "RED")
    assert unreadable == Unknown("102", field, MALFORMED)


def test_who_stops_or_resumes_marketing_is_read() -> None:
    def wish(value: str, category: str = "marketing_messages") -> dict[str, Any]:
        return {"wa_id": "31612345678", "category": category, "value": value, "timestamp": int(SECONDS)}

    wishes = [wish("stop"), wish("resume"), wish("stop", "of_next_year"), {"value": "stop"}]
    found = read(delivery(change("user_preferences", contacts=[ANNA], user_preferences=wishes)))
    assert found == [
        Preference("102", "106", "31612345678", opted_out=True, at=AT),
        Preference("102", "106", "31612345678", opted_out=False, at=AT),
        Unknown("102", "user_preferences", "stop"),
        Unknown("102", "user_preferences", "stop"),
    ]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (change("security", event="PIN_CHANGED"), Unknown("102", "security", "PIN_CHANGED")),
        (change("messages", errors=[{"code": 131000}]), Unknown("102", "messages", "errors")),
        (change("messages"), Unknown("102", "messages", MALFORMED)),
        (change("user_preferences"), Unknown("102", "user_preferences", MALFORMED)),
        (change("message_template_status_update"), Unknown("102", "message_template_status_update", MALFORMED)),
        ({"field": "messages"}, Unknown("102", "messages", MALFORMED)),
        ({"value": {}}, Unknown("102", "", MALFORMED)),
        ("text", Unknown("102", "", MALFORMED)),
    ],
)
def test_what_is_not_read_here_is_named(told: Any, expected: Unknown) -> None:
    assert read(delivery(told)) == [expected]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (change("account_update", event="PARTNER_ADDED"), AccountNews("102", "account_update", "PARTNER_ADDED", AT)),
        (change("phone_number_quality_update"), AccountNews("102", "phone_number_quality_update", "", AT)),
        (
            change("phone_number_name_update", decision="REJECTED"),
            AccountNews("102", "phone_number_name_update", "REJECTED", AT),
        ),
        (
            change("account_update", event="DISABLED_UPDATE", ban_info={"waba_ban_state": "REINSTATE"}),
            AccountNews("102", "account_update", "DISABLED_UPDATE", AT, ban="REINSTATE"),
        ),
        (
            change(
                "account_update",
                event="ACCOUNT_RESTRICTION",
                restriction_info=[
                    {"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": int(SECONDS)},
                    {"restriction_type": "OF_NEXT_YEAR", "expiration": "soon"},
                    {"expiration": 3},
                    7,
                ],
            ),
            AccountNews(
                "102", "account_update", "ACCOUNT_RESTRICTION", AT,
                (Restriction("RESTRICTED_BIZ_INITIATED_MESSAGING", AT), Restriction("OF_NEXT_YEAR", None)),
            ),
        ),
        (
            change("account_update", event="ACCOUNT_RESTRICTION", restriction_info="x"),
            AccountNews("102", "account_update", "ACCOUNT_RESTRICTION", AT, ()),
        ),
    ],
)  # fmt: skip
def test_news_of_an_account_carry_their_moment(told: Any, expected: AccountNews) -> None:
    document = delivery(told)
    document["entry"][0]["time"] = int(SECONDS)
    assert read(document) == [expected]


@pytest.mark.parametrize("document", [{}, {"entry": None}, {"entry": "x"}, {"entry": [3]}])
def test_what_is_no_delivery_is_one_unknown(document: dict[str, Any]) -> None:
    assert read(document) == [Unknown("", "", MALFORMED)]


def test_a_document_of_any_depth_is_survived() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert read({"entry": deep}) == [Unknown("", "", MALFORMED)]


def test_what_no_database_can_hold_is_left_out() -> None:
    found = read_message(json.loads(json.dumps(message(text={"body": "a\x00b\ud800"}, extra=[{"\x00k": "\udfff"}]))))
    assert isinstance(found, InboundMessage)
    assert found.text == "ab?"
    assert found.payload["extra"] == [{"k": "?"}]


@pytest.mark.parametrize("timestamp", [None, "", "soon", "-1", "9" * 12, 1.5, True, []])
def test_a_moment_that_is_none_makes_a_message_malformed(timestamp: object) -> None:
    assert read_message(message() | {"timestamp": timestamp}) == Unknown("102", "messages", MALFORMED)


# Whatever takes the place of any part of a delivery, nothing is raised and the other entries are read as before.

GOOD = delivery(
    change("messages", contacts=[ANNA], messages=[message(text={"body": "Hallo"})], statuses=[status(errors=[{"code": 1}])]),
    change("user_preferences", user_preferences=[{"wa_id": "1", "category": "marketing_messages", "value": "stop", "timestamp": 1}]),
    change("message_template_status_update", event="APPROVED", message_template_id=1, message_template_name="a", message_template_language="nl"),
    change("account_update", event="PARTNER_ADDED"),
)  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def paths(value: Any) -> list[tuple[Any, ...]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [(), *((key, *rest) for key in keys for rest in paths(value[key]))]


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return other
    value[path[0]] = replaced(value[path[0]], path[1:], other)
    return value


@given(path=st.sampled_from(paths(GOOD["entry"][0])), other=ANYTHING)
def test_one_malformed_entry_takes_no_other_with_it(path: tuple[Any, ...], other: Any) -> None:
    broken = replaced(copy.deepcopy(GOOD["entry"][0]), path, other)
    (entry,) = GOOD["entry"]
    around = read(GOOD)
    found = read({"entry": [entry, broken, entry]})
    assert found[: len(around)] == around == found[-len(around) :]


@given(path=st.sampled_from(paths(message(text={"body": "Hallo"}))), other=ANYTHING)
def test_one_malformed_message_takes_no_other_with_it(path: tuple[Any, ...], other: Any) -> None:
    good = message(text={"body": "Hallo"})
    broken = replaced(copy.deepcopy(good), path, other)
    first, _, last = read(delivery(change("messages", contacts=[ANNA], messages=[good, broken, good])))
    assert first == last == read_message(good)

"""Messages to people and what becomes of them; messages from people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from provider_sandbox.meta.contacts import region
from provider_sandbox.meta.statuses import UNUSUAL, USUAL, course_of, digest_of
from provider_sandbox.testing import RunningSandbox
from tests.provider_sandbox.graph import STUDIO, Graph, Studio, statuses, values

LEAD, AMERICAN = "+31612345678", "+13125550123"
WA_ID = "31612345678"
Told = Callable[[], list[dict[str, Any]]]


def text_with(course: tuple[str, ...]) -> str:
    """A text that fares this way when it is sent to the lead."""
    return next(
        text
        for number in range(1000)
        if course_of(digest_of({"to": WA_ID, "text": (text := f"Hoi {number}")})) == course
    )


def test_a_message_in_the_window_is_accepted_told_and_counted(sandbox: RunningSandbox, studio: Studio, told: Told):
    asked = sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Hallo?", name="Anna")
    answer = studio.send(LEAD, text_with(USUAL), biz_opaque_callback_data="message-1", context={"message_id": asked})

    assert answer["contacts"] == [{"input": LEAD, "wa_id": WA_ID}]
    (accepted,) = answer["messages"]
    assert accepted["id"].startswith("wamid.")
    assert accepted["message_status"] == "accepted"
    heard = statuses(told())
    assert [status["status"] for status in heard] == list(USUAL)
    assert {status["id"] for status in heard} == {accepted["id"]}
    assert {status["recipient_id"] for status in heard} == {WA_ID}
    assert {status["biz_opaque_callback_data"] for status in heard} == {"message-1"}
    assert {status["pricing"]["category"] for status in heard} == {"service"}
    assert sandbox.effects_by_key()["meta.message_sent", "message-1"] == 1
    (kept,) = sandbox.objects("meta.message")
    assert (kept["to"], kept["reply_to"], kept["statuses"]) == (WA_ID, asked, list(USUAL))


@pytest.mark.parametrize("course", UNUSUAL)
def test_statuses_come_in_the_disorder_of_the_message(
    sandbox: RunningSandbox, studio: Studio, told: Told, course: tuple[str, ...]
):
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Hallo?")
    studio.send(LEAD, text_with(course))

    heard = statuses(told())
    assert tuple(status["status"] for status in heard) == course
    moments = {status["status"]: status["timestamp"] for status in heard}
    assert {(status["status"], status["timestamp"]) for status in heard} == set(moments.items())


def test_most_messages_fare_as_usual_and_all_disorders_occur():
    courses = Counter(course_of(digest_of({"to": WA_ID, "text": str(number)})) for number in range(1000))
    assert courses.keys() == {USUAL, *UNUSUAL}
    assert 500 < courses[USUAL] < 700


def test_what_is_due_for_a_business_at_once_comes_together(sandbox: RunningSandbox, studio: Studio, told: Told):
    people = [f"+3161234567{digit}" for digit in range(5)]
    entry = {"to": STUDIO, "messages": [{"from": person, "text": "?"} for person in people]}
    sandbox.receive_delivery([entry])
    for person in people:
        studio.send(person, biz_opaque_callback_data=f"to {person}")

    groups = [[status["id"] for status in value["statuses"]] for value in values(told()) if "statuses" in value]
    assert len({wamid for group in groups for wamid in group}) == 5
    assert all(len(set(group)) == len(group) for group in groups)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"messaging_product": None}, 100),
        ({"to": ""}, 100),
        ({"to": "12"}, 131009),
        ({"to": "NL.123456789012"}, 131009),
        ({"to": STUDIO}, 100),
        ({"recipient_type": "group"}, 100),
        ({"type": "hologram"}, 100),
        ({"type": "sticker"}, 131008),
        ({"text": {}}, 131008),
        ({"text": None}, 131008),
        ({"text": {"body": "x" * 4097}}, 100),
        ({"biz_opaque_callback_data": "x" * 513}, 100),
        ({"context": {}}, 100),
        ({"type": "template"}, 131008),
        ({"type": "template", "template": {"name": "x"}}, 100),
        ({"type": "template", "template": {"name": "unheard_of", "language": {"code": "nl"}}}, 132001),
    ],
)
def test_a_request_that_is_not_right_is_refused_on_the_call(
    sandbox: RunningSandbox, studio: Studio, changes: dict[str, Any], code: int
):
    assert studio.code(**changes) == code
    assert "meta.message_sent" not in sandbox.effects()
    assert sandbox.objects("meta.message") == []


def test_a_number_that_is_not_registered_sends_nothing(graph: Graph):
    graph.connect("studio-1")
    wanted = {"cc": "31", "phone_number": "200001234", "verified_name": "Studio"}
    added = graph.call("POST", f"{graph.waba}/phone_numbers", json=wanted)["id"]
    assert graph.send(added, LEAD)["error"]["code"] == 133010


def test_a_token_sends_from_its_own_numbers_only(sandbox: RunningSandbox, studio: Studio):
    other = Graph(sandbox.client, sandbox.config)
    other.connect("studio-2")
    assert other.send(studio.phone_id, LEAD)["error"]["error_subcode"] == 33
    other.token = "EAAnonsense"
    assert other.send(studio.phone_id, LEAD)["error"]["code"] == 190
    assert other.client.post(f"/meta/v23.0/{studio.phone_id}/messages", content=b"no").json()["error"]["code"] == 100


def failure_of(bodies: list[dict[str, Any]]) -> int:
    (status,) = statuses(bodies)
    assert status["status"] == "failed"
    assert "pricing" not in status
    (error,) = status["errors"]
    assert error["title"]
    assert error["error_data"]["details"]
    return int(error["code"])


def test_text_to_somebody_who_never_wrote_fails_afterwards(sandbox: RunningSandbox, studio: Studio, told: Told):
    answer = studio.send(biz_opaque_callback_data="message-1")
    assert answer["messages"][0]["message_status"] == "accepted"
    assert failure_of(told()) == 131047
    assert sandbox.effects_by_key()["meta.message_failed", "message-1"] == 1


def test_the_window_closes_a_day_after_the_last_message_in_business_time(
    sandbox: RunningSandbox, studio: Studio, told: Told
):
    real = datetime.now(UTC)
    start = datetime(2030, 1, 1, 12, tzinfo=UTC)
    sandbox.set_clock(real_anchor=real, business_anchor=start, rate=0)
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Hallo?")
    sandbox.set_clock(real_anchor=real, business_anchor=start + timedelta(hours=24, seconds=-1), rate=0)
    studio.send(LEAD, text_with(("sent", "read")))
    heard = statuses(told())
    assert [status["status"] for status in heard] == ["sent", "read"]
    assert datetime.fromtimestamp(int(heard[0]["timestamp"]), UTC) == start + timedelta(hours=24, seconds=-1)

    sandbox.set_clock(real_anchor=real, business_anchor=start + timedelta(hours=24), rate=0)
    studio.send()
    assert failure_of(told()[3:]) == 131047


def test_somebody_who_blocks_the_studio_is_not_reached(sandbox: RunningSandbox, studio: Studio, told: Told):
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Hallo?")
    sandbox.block(to=STUDIO, sender=LEAD)
    studio.send()
    assert failure_of(told()[1:]) == 131026
    sandbox.block(to=STUDIO, sender=LEAD, blocked=False)
    studio.send(LEAD, text_with(USUAL))
    assert [status["status"] for status in statuses(told())][1:] == list(USUAL)


def test_no_marketing_goes_to_the_united_states(sandbox: RunningSandbox, studio: Studio, told: Told):
    for name, category in (("offer", "MARKETING"), ("reminder", "UTILITY")):
        studio.graph.submit(name, "Hoi {{1}}, kom langs.", category=category)
    sandbox.wait_idle()
    studio.graph.send_template(studio.phone_id, AMERICAN, "offer", "Bo")
    assert failure_of(told()[2:]) == 131049
    studio.graph.send_template(studio.phone_id, AMERICAN, "reminder", "Bo")
    studio.graph.send_template(studio.phone_id, LEAD, "offer", "Bo")
    assert Counter(status["status"] for status in statuses(told()))["failed"] == 1
    assert [message["category"] for message in sandbox.objects("meta.message")] == ["marketing", "utility", "marketing"]


def test_a_number_tells_its_country():
    assert [region(number) for number in ("31612345678", "13125550123", "14165550123", "99912")] == [
        "NL",
        "US",
        "CA",
        "ZZ",
    ]


def test_one_delivery_holds_what_several_studios_are_sent(sandbox: RunningSandbox, studio: Studio, told: Told):
    other = Graph(sandbox.client, sandbox.config)
    other.connect("studio-2")
    other.connect_number("+31200005678")
    ids = sandbox.receive_delivery(
        [
            {"to": STUDIO, "messages": [{"from": LEAD, "text": "Hallo", "name": "Anna"}]},
            {"to": "+31200005678", "messages": [{"from": "31687654321", "text": "Hoi", "id": "wamid.given"}]},
        ],
        repeat=2,
    )

    one, again = told()
    assert one == again
    assert [entry["id"] for entry in one["entry"]] == [studio.graph.waba, other.waba]
    first, second = values([one])
    assert first["metadata"] == {"display_phone_number": "31200001234", "phone_number_id": studio.phone_id}
    assert (first["contacts"][0]["profile"], first["contacts"][0]["wa_id"]) == ({"name": "Anna"}, WA_ID)
    assert first["messages"][0]["text"] == {"body": "Hallo"}
    assert [ids[0], "wamid.given"] == ids == [first["messages"][0]["id"], second["messages"][0]["id"]]


def test_messages_of_every_kind_have_the_shape_that_is_published(sandbox: RunningSandbox, studio: Studio, told: Told):
    for kind in ("text", "button", "reaction", "audio", "unsupported"):
        sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="👍", type=kind, context="wamid.ours")

    messages = {value["messages"][0]["type"]: value["messages"][0] for value in values(told())}
    assert messages["text"]["context"] == {"from": "31200001234", "id": "wamid.ours"}
    assert messages["button"]["button"] == {"payload": "👍", "text": "👍"}
    assert messages["reaction"]["reaction"] == {"message_id": "wamid.ours", "emoji": "👍"}
    assert messages["audio"]["audio"]["voice"] is True
    assert messages["unsupported"]["errors"][0]["code"] == 131051
    assert all(message["timestamp"].isdigit() for message in messages.values())


def test_only_a_number_on_whatsapp_receives(sandbox: RunningSandbox):
    wanted = {"entries": [{"to": STUDIO, "messages": [{"from": LEAD, "text": "?"}]}]}
    assert sandbox.client.post("/control/meta/inbound", json=wanted).status_code == 404
    assert sandbox.client.put("/control/meta/blocks", json={"to": STUDIO, "from": LEAD}).status_code == 404


def test_nobody_is_told_without_a_subscription(sandbox: RunningSandbox, graph: Graph, told: Told):
    graph.connect("studio-1")
    wanted = {"cc": "31", "phone_number": "200001234", "verified_name": "Studio"}
    added = graph.call("POST", f"{graph.waba}/phone_numbers", json=wanted)["id"]
    graph.call("POST", f"{added}/request_code", json={"code_method": "SMS", "language": "nl"})
    (phone,) = sandbox.objects("meta.phone")
    graph.call("POST", f"{added}/verify_code", json={"code": phone["code"]})
    graph.call("POST", f"{added}/register", json={"messaging_product": "whatsapp", "pin": "123456"})

    assert sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Hallo?")
    graph.send(added, LEAD)
    assert told() == []
    assert len(sandbox.objects("meta.inbound")) == 1

"""Pictures and files, and the kinds of message beside text and templates."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from pilar.clocks import ManualClock
from provider_sandbox.app import create_app
from provider_sandbox.meta.media import picture
from provider_sandbox.testing import RunningSandbox, sandbox_config
from tests.provider_sandbox.graph import LEAD, STUDIO, Graph, Studio, connected, statuses, values

Told = Callable[[], list[dict[str, Any]]]


def upload(studio: Studio, content: bytes, mime_type: str = "image/png", product: str = "whatsapp") -> dict[str, Any]:
    form = {"messaging_product": product, "type": mime_type}
    file = {"file": ("chart.png", content, mime_type)}
    return studio.graph.call("POST", f"{studio.phone_id}/media", data=form, files=file)


def fetch(graph: Graph, url: str) -> tuple[int, bytes, str]:
    answer = graph.client.get(url, headers={"Authorization": f"Bearer {graph.token}"})
    return answer.status_code, answer.content, answer.headers["content-type"]


def test_a_picture_is_uploaded_looked_at_sent_and_removed(sandbox: RunningSandbox, studio: Studio, told: Told):
    graph, content = studio.graph, picture()
    identity = upload(studio, content)["id"]
    shown = graph.call("GET", identity)
    assert (shown["mime_type"], shown["file_size"]) == ("image/png", str(len(content)))
    assert shown["sha256"] == hashlib.sha256(content).hexdigest()
    assert fetch(graph, shown["url"]) == (200, content, "image/png")
    stranger = Graph(graph.client, graph.config)
    stranger.connect("studio-2")
    assert stranger.error("GET", identity) == 100
    assert fetch(stranger, shown["url"])[0] == 404
    assert fetch(graph, shown["url"] + "0")[0] == 404

    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Hoi")
    image = {"id": identity, "caption": "Je week"}
    answer = studio.send(type="image", image=image, biz_opaque_callback_data="chart")
    assert answer["messages"]
    assert {one["biz_opaque_callback_data"] for one in statuses(told())} == {"chart"}
    (message,) = sandbox.objects("meta.message")
    assert (message["type"], message["text"], message["content"]) == ("image", "Je week", image)
    assert studio.code(type="audio", audio={"id": identity}) == 131009
    assert studio.code(type="image", image={"id": "1"}) == 131009

    assert graph.call("DELETE", identity) == {"success": True}
    assert graph.error("GET", identity) == 100
    assert studio.code(type="image", image={"id": identity}) == 131009
    assert graph.error("DELETE", identity) == 100


def test_an_upload_has_a_type_and_a_size_that_whatsapp_takes(studio: Studio):
    assert upload(studio, b"x", "application/x-program")["error"]["code"] == 100
    assert upload(studio, b"")["error"]["code"] == 100
    assert upload(studio, b"x", product="sms")["error"]["code"] == 100
    assert studio.graph.error("POST", f"{studio.phone_id}/media", data={"messaging_product": "whatsapp"}) == 100
    large = upload(studio, b"x" * (5 * 1024 * 1024 + 1))["id"]
    assert studio.code(type="image", image={"id": large}) == 131009
    assert studio.code(type="document", document={"id": large}) == 0


def test_an_address_is_good_for_five_minutes_and_an_upload_for_thirty_days(tmp_path: Path):
    clock = ManualClock(datetime(2030, 1, 1, tzinfo=UTC))
    config = sandbox_config(tmp_path)
    with TestClient(create_app(config, clock), follow_redirects=False) as client:
        studio = connected(client, config)
        identity = upload(studio, picture())["id"]
        url = studio.graph.call("GET", identity)["url"]
        clock.advance(timedelta(minutes=5))
        assert fetch(studio.graph, url)[0] == 200
        clock.advance(timedelta(seconds=1))
        assert fetch(studio.graph, url)[0] == 404
        clock.advance(timedelta(days=30))
        assert studio.graph.error("GET", identity) == 100


BUTTONS = [
    {"type": "reply", "reply": {"id": "yes", "title": "Ja"}},
    {"type": "reply", "reply": {"id": "no", "title": "Nee"}},
]
ROWS = [{"id": "mon", "title": "Maandag", "description": "om 9 uur"}, {"id": "tue", "title": "Dinsdag"}]
BODY = {"text": "Wanneer?"}
GOOD: list[tuple[str, Any, str]] = [
    ("image", {"link": "https://studio.example/chart.png"}, ""),
    ("document", {"link": "https://studio.example/plan.pdf", "filename": "plan.pdf", "caption": "Plan"}, "Plan"),
    ("location", {"latitude": "52.37", "longitude": 4.9, "name": "Studio Noord"}, "Studio Noord"),
    ("contacts", [{"name": {"formatted_name": "Bo Jansen"}}], "Bo Jansen"),
    ("reaction", {"message_id": "wamid.theirs", "emoji": "👍"}, "👍"),
    ("interactive", {"type": "button", "body": BODY, "action": {"buttons": BUTTONS}}, "Wanneer?"),
    (
        "interactive",
        {"type": "list", "body": BODY, "action": {"button": "Kies", "sections": [{"rows": ROWS}]}},
        "Wanneer?",
    ),
    (
        "interactive",
        {
            "type": "cta_url",
            "body": BODY,
            "action": {"name": "cta_url", "parameters": {"display_text": "Boek", "url": "https://studio.example"}},
        },
        "Wanneer?",
    ),
]
WRONG: list[tuple[str, Any, int]] = [
    ("image", {}, 131008),
    ("image", {"link": "ftp://studio.example"}, 131008),
    ("audio", {"link": "https://studio.example/a.ogg", "caption": "x"}, 100),
    ("image", {"link": "https://studio.example", "caption": "x" * 1025}, 100),
    ("location", {"latitude": 91, "longitude": 0}, 131009),
    ("location", {"latitude": "north", "longitude": 0}, 131009),
    ("location", {"longitude": 0}, 131009),
    ("contacts", [], 131008),
    ("contacts", {"name": {"formatted_name": "Bo"}}, 131008),
    ("contacts", ["Bo"], 131008),
    ("reaction", {"emoji": "👍"}, 131008),
    ("reaction", {"message_id": "wamid.theirs", "emoji": 1}, 100),
    ("interactive", {"type": "button", "body": BODY}, 131008),
    ("interactive", {"type": "button", "action": {"buttons": BUTTONS}}, 131008),
    ("interactive", {"type": "button", "body": BODY, "action": {"buttons": BUTTONS * 2}}, 131009),
    ("interactive", {"type": "button", "body": BODY, "action": {"buttons": [BUTTONS[0]] * 2}}, 131009),
    ("interactive", {"type": "button", "body": BODY, "action": {"buttons": ["Ja"]}}, 131008),
    ("interactive", {"type": "button", "body": {"text": "x" * 1025}, "action": {"buttons": BUTTONS}}, 131009),
    ("interactive", {"type": "list", "body": BODY, "action": {"sections": [{"rows": ROWS}]}}, 131008),
    ("interactive", {"type": "list", "body": BODY, "action": {"button": "Kies", "sections": []}}, 131009),
    (
        "interactive",
        {"type": "list", "body": BODY, "action": {"button": "x" * 21, "sections": [{"rows": ROWS}]}},
        131009,
    ),
    (
        "interactive",
        {
            "type": "list",
            "body": BODY,
            "action": {"button": "Kies", "sections": [{"rows": [{"id": "a", "title": "x" * 25}]}]},
        },
        131009,
    ),
    ("interactive", {"type": "cta_url", "body": BODY, "action": {"name": "cta_url"}}, 131008),
    ("interactive", {"type": "carousel", "body": BODY, "action": {}}, 100),
]


def test_a_message_of_each_kind_is_accepted_as_it_came_or_refused_with_the_reason(
    sandbox: RunningSandbox, studio: Studio, told: Told
):
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Hoi")
    for kind, content, _text in GOOD:
        assert studio.code(type=kind, **{kind: content}) == 0, (kind, content)
    kept = [(message["type"], message["content"], message["text"]) for message in sandbox.objects("meta.message")]
    assert kept == GOOD
    reaction = next(message["id"] for message in sandbox.objects("meta.message") if message["type"] == "reaction")
    assert [one["status"] for one in statuses(told()) if one["id"] == reaction] == ["sent"]
    assert [(kind, content, studio.code(type=kind, **{kind: content})) for kind, content, _code in WRONG] == WRONG
    assert len(sandbox.objects("meta.message")) == len(GOOD)


def test_what_a_studio_has_received_can_be_marked_as_read(sandbox: RunningSandbox, studio: Studio):
    asked = sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Hoi")
    read = {"messaging_product": "whatsapp", "status": "read", "message_id": asked}
    path = f"{studio.phone_id}/messages"
    assert studio.graph.call("POST", path, json=read | {"typing_indicator": {"type": "text"}}) == {"success": True}
    assert studio.graph.error("POST", path, json=read | {"typing_indicator": {"type": "song"}}) == 100
    assert studio.graph.error("POST", path, json=read | {"message_id": "wamid.unheard.of"}) == 131009
    assert studio.graph.error("POST", path, json=read | {"message_id": None}) == 131009
    assert studio.graph.error("POST", path, json=read | {"status": "delivered"}) == 100
    assert sandbox.effects_by_key()["meta.message_marked_read", asked] == 1
    assert "meta.message_sent" not in sandbox.effects()


def test_what_people_send_along_can_be_fetched(sandbox: RunningSandbox, studio: Studio, told: Told):
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Kijk", type="image")
    (value,) = values(told())
    image = value["messages"][0]["image"]
    assert image["caption"] == "Kijk"
    shown = studio.graph.call("GET", image["id"])
    assert fetch(studio.graph, shown["url"]) == (200, picture(), "image/png")

"""What becomes of a template after its review: quality, pauses by the business clock, changes, and its end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from provider_sandbox.meta.limits import MetaLimits
from provider_sandbox.testing import RunningSandbox, running_sandbox, sandbox_config
from tests.provider_sandbox.graph import LEAD, Graph, Studio, connected, values
from tests.provider_sandbox.product import Product

START = datetime(2030, 1, 1, 12, tzinfo=UTC)
Told = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def at(sandbox: RunningSandbox) -> Callable[[timedelta], None]:
    """Moves business time to so long after the beginning, where it stands still."""
    real = datetime.now(UTC)

    def move(passed: timedelta) -> None:
        sandbox.set_clock(real_anchor=real, business_anchor=START + passed, rate=0)

    move(timedelta())
    return move


def code(studio: Studio) -> int:
    answer = studio.graph.send_template(studio.phone_id, LEAD, "offer")
    return int(answer.get("error", {}).get("code", 0))


def test_a_template_that_people_dislike_rests_twice_and_is_then_disabled(
    sandbox: RunningSandbox, studio: Studio, told: Told, at: Callable[[timedelta], None]
):
    waba = studio.graph.waba
    studio.graph.submit("offer", "Kom langs!")
    sandbox.wait_idle()
    now = timedelta()
    for rest in (timedelta(hours=3), timedelta(hours=6)):
        sandbox.set_template_quality(waba, "offer", "nl", "YELLOW")
        assert code(studio) == 0
        assert sandbox.set_template_quality(waba, "offer", "nl", "RED")["status"] == "PAUSED"
        at(now + rest - timedelta(seconds=1))
        assert code(studio) == 132015
        now += rest
        at(now)
        assert code(studio) == 0
    assert sandbox.set_template_quality(waba, "offer", "nl", "RED")["status"] == "DISABLED"
    at(now + timedelta(days=30))
    assert code(studio) == 132016

    updates = values(told(), "message_template_status_update")
    assert [(update["event"], update.get("other_info", {}).get("title")) for update in updates] == [
        ("APPROVED", None),
        ("PAUSED", "FIRST_PAUSE"),
        ("APPROVED", "UNPAUSE"),
        ("PAUSED", "SECOND_PAUSE"),
        ("APPROVED", "UNPAUSE"),
        ("DISABLED", "DISABLED"),
    ]
    qualities = values(told(), "message_template_quality_update")
    scores = [(one["previous_quality_score"], one["new_quality_score"]) for one in qualities]
    assert scores[:3] == [("UNKNOWN", "YELLOW"), ("YELLOW", "RED"), ("RED", "YELLOW")]
    assert qualities[0]["message_template_name"] == "offer"


@pytest.mark.usefixtures("told")
def test_a_decision_in_the_middle_of_a_pause_is_not_undone_by_its_end(
    sandbox: RunningSandbox, studio: Studio, at: Callable[[timedelta], None]
):
    studio.graph.submit("offer", "Kom langs!")
    sandbox.wait_idle()
    sandbox.set_template_quality(studio.graph.waba, "offer", "nl", "RED")
    sandbox.set_template_status(studio.graph.waba, "offer", "nl", "DISABLED")
    at(timedelta(days=1))
    assert code(studio) == 132016


def test_a_pause_ends_after_a_restart_too(tmp_path: Path, product: Product):
    config = sandbox_config(tmp_path, meta_webhook_url=f"{product.url}/hook")
    real = datetime.now(UTC)
    with running_sandbox(config) as sandbox:
        sandbox.set_clock(real_anchor=real, business_anchor=START, rate=0)
        graph = connected(sandbox.client, config).graph
        graph.submit("offer", "Kom langs!")
        sandbox.wait_idle()
        sandbox.set_template_quality(graph.waba, "offer", "nl", "RED")
    with running_sandbox(config) as sandbox:
        sandbox.set_clock(real_anchor=real, business_anchor=START + timedelta(hours=3), rate=0)
        sandbox.wait_idle()
        assert [template["status"] for template in sandbox.objects("meta.template")] == ["APPROVED"]


@pytest.mark.usefixtures("told")
def test_a_change_goes_through_review_and_an_approved_template_takes_few(
    sandbox: RunningSandbox, studio: Studio, at: Callable[[timedelta], None]
):
    graph = studio.graph
    identity = graph.submit("offer", "Kom langs!")["id"]
    changed = {"components": [{"type": "BODY", "text": "Kom snel langs!"}]}
    sandbox.wait_idle()
    sandbox.set_template_status(graph.waba, "offer", "nl", "PENDING")
    assert graph.error("POST", identity, json=changed) == 100, "it is under review"
    sandbox.set_template_status(graph.waba, "offer", "nl", "APPROVED")
    assert graph.error("POST", identity, json={"components": []}) == 100
    assert graph.error("POST", identity, json={"category": "MARKETING"}) == 100
    assert graph.error("POST", identity, json={"category": "GOSSIP"}) == 100
    assert graph.call("POST", identity, json=changed) == {"success": True}
    sandbox.wait_idle()
    shown = graph.call("GET", identity, params={"fields": "status,components"})
    assert shown == {"id": identity, "status": "APPROVED", "components": changed["components"]}
    assert graph.error("POST", identity, json=changed) == 100, "once a day"
    for day in range(1, 10):
        at(timedelta(days=day, seconds=day))
        assert graph.call("POST", identity, json=changed) == {"success": True}
        sandbox.wait_idle()
    at(timedelta(days=11))
    assert graph.error("POST", identity, json=changed) == 100, "ten times in thirty days"

    refused = {"components": [{"type": "BODY", "text": "Kom [[reject]]"}]}
    other = graph.submit("other", "Hoi!")["id"]
    sandbox.wait_idle()
    graph.call("POST", other, json=refused)
    sandbox.wait_idle()
    assert graph.call("GET", other, params={"fields": "status"})["status"] == "REJECTED"
    assert graph.call("POST", other, json=changed) == {"success": True}, "what was rejected is changed at will"
    stranger = Graph(graph.client, graph.config)
    stranger.connect("studio-2")
    assert stranger.call("POST", identity, json=changed)["error"]["error_subcode"] == 33
    assert stranger.call("GET", identity)["error"]["error_subcode"] == 33
    assert graph.error("GET", identity, params={"fields": "colour"}) == 100


@pytest.mark.usefixtures("told")
def test_a_deleted_template_is_gone_and_its_name_comes_back_after_a_month(
    sandbox: RunningSandbox, studio: Studio, at: Callable[[timedelta], None]
):
    graph, path = studio.graph, f"{studio.graph.waba}/message_templates"
    english = graph.submit("offer", "Come!", language="en")["id"]
    graph.submit("offer", "Kom langs!")
    sandbox.wait_idle()
    assert graph.error("DELETE", path) == 100
    assert graph.error("DELETE", path, params={"name": "unheard_of"}) == 100
    assert graph.call("DELETE", path, params={"name": "offer", "hsm_id": english}) == {"success": True}
    assert [one["language"] for one in graph.call("GET", path)["data"]] == ["nl"]
    assert graph.call("DELETE", path, params={"name": "offer"}) == {"success": True}
    assert code(studio) == 132001
    assert graph.submit("offer", "Kom langs!")["error"]["error_subcode"] == 2388023
    at(timedelta(days=30))
    assert graph.submit("offer", "Kom langs!")["status"] == "PENDING"
    assert sandbox.effects()["meta.template_deleted"] == 2


def test_a_business_has_so_many_templates(tmp_path: Path):
    with running_sandbox(sandbox_config(tmp_path, meta_limits=MetaLimits(templates=2))) as sandbox:
        graph = Graph(sandbox.client, sandbox.config)
        graph.connect("studio-1")
        answers = [graph.submit(f"offer_{number}", "Kom langs!") for number in range(3)]
        assert ["error" in answer for answer in answers] == [False, False, True]


@pytest.mark.usefixtures("told")
def test_a_template_with_a_picture_above_it_needs_the_picture(sandbox: RunningSandbox, studio: Studio):
    graph = studio.graph
    body = {"type": "BODY", "text": "Hoi {{1}}, je week!", "example": {"body_text": [["Bo"]]}}
    buttons = {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Stop"}]}
    graph.submit("week", "", components=[{"type": "HEADER", "format": "IMAGE"}, body, buttons])
    graph.submit("plain", "Hoi!")
    sandbox.wait_idle()
    parameters = [{"type": "text", "text": "Bo"}]
    link = {"type": "image", "image": {"link": "https://studio.example/week.png"}}

    def send(name: str, *components: dict[str, Any]) -> int:
        template = {"name": name, "language": {"code": "nl"}, "components": list(components)}
        return studio.code(type="template", template=template)

    said = {"type": "body", "parameters": parameters}
    press = {"type": "button", "sub_type": "quick_reply", "index": "0", "parameters": []}
    assert send("week", {"type": "header", "parameters": [link]}, said, press) == 0
    assert send("week", {"type": "header", "parameters": [{"type": "image", "image": {}}]}, said) == 132012
    assert send("week", {"type": "header", "parameters": [{"type": "text", "text": "x"}]}, said) == 132012
    assert send("plain", {"type": "header", "parameters": [link]}) == 132012
    assert send("plain", press) == 132012
    assert send("week", {"type": "body", "parameters": [{"type": "text", "text": "Bo\nJo"}]}) == 132007
    assert send("week", {"type": "body", "parameters": [{"type": "text", "text": "x" * 1025}]}) == 132005

"""Templates from submission over Meta's review to a message that uses one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from provider_sandbox.testing import RunningSandbox
from tests.provider_sandbox.graph import Graph

LEAD = "+31612345678"
FIELD = "message_template_status_update"
Told = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def phone_id(graph: Graph) -> str:
    graph.connect("studio-1")
    return graph.connect_number("+31200001234")


def updates(bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    changes = [change for body in bodies for entry in body["entry"] for change in entry["changes"]]
    return [change["value"] for change in changes if change["field"] == FIELD]


def test_a_template_is_reviewed_and_told(sandbox: RunningSandbox, graph: Graph, phone_id: str, told: Told):
    answer = graph.submit("welcome", "Hoi {{1}}, welkom bij {{2}}!")
    assert (answer["status"], answer["category"]) == ("PENDING", "UTILITY")

    (update,) = updates(told())
    assert update == {
        "event": "APPROVED",
        "message_template_id": int(answer["id"]),
        "message_template_name": "welcome",
        "message_template_language": "nl",
        "reason": "NONE",
        "message_template_category": "UTILITY",
    }
    (listed,) = graph.call("GET", f"{graph.waba}/message_templates", params={"fields": "name,status"})["data"]
    assert listed == {"name": "welcome", "status": "APPROVED", "id": answer["id"]}
    assert sandbox.effects_by_key()["meta.template_submitted", f"{graph.waba}:welcome:nl"] == 1

    graph.send_template(phone_id, LEAD, "welcome", "Bo", "Studio Noord")
    (message,) = sandbox.objects("meta.message")
    assert message["text"] == "Hoi Bo, welkom bij Studio Noord!"


def test_a_rejection_has_a_reason(graph: Graph, phone_id: str, told: Told):
    graph.submit("bad", "Hoi [[reject]]")
    (update,) = updates(told())
    assert (update["event"], update["reason"]) == ("REJECTED", "INVALID_FORMAT")
    fields = {"fields": "status,rejected_reason"}
    (listed,) = graph.call("GET", f"{graph.waba}/message_templates", params=fields)["data"]
    assert (listed["status"], listed["rejected_reason"]) == ("REJECTED", "INVALID_FORMAT")
    assert graph.send_template(phone_id, LEAD, "bad")["error"]["code"] == 132001


@pytest.mark.parametrize(("event", "code"), [("PAUSED", 132015), ("DISABLED", 132016), ("REJECTED", 132001)])
def test_what_meta_takes_away_can_not_be_sent(
    sandbox: RunningSandbox, graph: Graph, phone_id: str, told: Told, event: str, code: int
):
    graph.submit("welcome", "Welkom!")
    sandbox.wait_idle()
    sandbox.set_template_status(graph.waba, "welcome", "nl", event, "too many complaints")
    assert [update["event"] for update in updates(told())] == ["APPROVED", event]
    assert updates(told())[1]["reason"] == "too many complaints"
    assert graph.send_template(phone_id, LEAD, "welcome")["error"]["code"] == code
    sandbox.set_template_status(graph.waba, "welcome", "nl", "APPROVED")
    assert graph.send_template(phone_id, LEAD, "welcome")["messages"]


def test_a_template_is_one_name_in_one_language(graph: Graph, phone_id: str, told: Told):
    graph.submit("welcome", "Hoi {{1}}!")
    again = graph.submit("welcome", "Hallo!")["error"]
    assert (again["code"], again["error_subcode"]) == (100, 2388024)
    assert graph.submit("welcome", "Hi {{1}}!", language="en")["id"]
    told()
    assert graph.send_template(phone_id, LEAD, "welcome", "Bo", language="de")["error"]["code"] == 132001
    assert graph.send_template(phone_id, LEAD, "welcome", "Bo", language="en")["messages"]
    assert graph.send_template(phone_id, LEAD, "welcome")["error"]["code"] == 132000
    assert graph.send_template(phone_id, LEAD, "welcome", "Bo", "Jo")["error"]["code"] == 132000
    assert graph.send_template(phone_id, LEAD, "welcome", "")["error"]["code"] == 132012


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "With Capitals"},
        {"language": "Dutch"},
        {"category": "utility"},
        {"components": []},
        {"components": "Hoi"},
        {"components": [{"type": "BODY", "text": ""}]},
        {"components": [{"type": "BODY", "text": "x" * 1025}]},
        {"components": [{"type": "BODY", "text": "Hoi {{1}}!"}]},
        {"components": [{"type": "BODY", "text": "Hoi {{2}}!", "example": {"body_text": [["Bo"]]}}]},
        {"components": [{"type": "BODY", "text": "{{1}}, hoi!", "example": {"body_text": [["Bo"]]}}]},
        {"components": [{"type": "BODY", "text": "Hoi {{1}}", "example": {"body_text": [["Bo"]]}}]},
    ],
)
def test_a_template_that_breaks_the_rules_is_not_taken(sandbox: RunningSandbox, graph: Graph, changes: dict[str, Any]):
    graph.connect("studio-1")
    assert graph.submit("welcome", "Hoi!", **changes)["error"]["code"] == 100
    assert "meta.template_submitted" not in sandbox.effects()


def test_templates_are_listed_page_by_page(graph: Graph):
    graph.connect("studio-1")
    path = f"{graph.waba}/message_templates"
    assert graph.call("GET", path) == {"data": []}
    names = [f"template_{number}" for number in range(5)]
    for name in names:
        graph.submit(name, "Hoi!")

    found, after = [], {}
    while True:
        page = graph.call("GET", path, params={"limit": "2", **after})
        found += [template["name"] for template in page["data"]]
        if "next" not in page["paging"]:
            break
        after = {"after": page["paging"]["cursors"]["after"]}
    assert found == names
    assert [one["name"] for one in graph.call("GET", path, params={"name": "template_3"})["data"]] == ["template_3"]
    for wrong in ({"limit": "0"}, {"limit": "two"}, {"after": "nowhere"}, {"fields": "colour"}):
        assert graph.error("GET", path, params=wrong) == 100
    stranger = Graph(graph.client, graph.config)
    stranger.connect("studio-2")
    assert stranger.call("GET", path)["error"]["error_subcode"] == 33


def test_meta_decides_about_templates_that_exist(sandbox: RunningSandbox):
    wanted = {"waba": "1", "name": "welcome", "language": "nl", "event": "PAUSED"}
    assert sandbox.client.post("/control/meta/templates/status", json=wanted).status_code == 404

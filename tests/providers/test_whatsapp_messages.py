"""Messages and templates through the Graph client against a local server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pilar.errors import CredentialsRefused, Invalid, OutcomeUnknown, Permanent, PilarError, Transient
from pilar.providers.reactions import Reaction
from pilar.providers.whatsapp.client import GraphClient, SubmittedTemplate, WhatsAppTemplate
from pilar.providers.whatsapp.errors import reaction_to
from pilar.settings import Settings
from tests.providers.local_http import Answer, LocalServer, Misbehaviour

ACCEPTED = Answer(body={"messaging_product": "whatsapp", "messages": [{"id": "wamid.1", "message_status": "accepted"}]})


@pytest.fixture
def graph(server: LocalServer, settings_at: Callable[..., Settings]) -> Iterator[GraphClient]:
    graph = GraphClient(settings_at(server.base))
    yield graph
    graph.close()


def text(graph: GraphClient, **more: Any) -> str:
    return graph.send_text("studio-token", "106", "+31612345678", "Hoi", callback="message-1", **more)


def template(graph: GraphClient, *values: str) -> str:
    return graph.send_template("studio-token", "106", "+31612345678", "welcome", "nl", values, callback="message-1")


def error(status: int, code: int) -> Answer:
    return Answer(status, {"error": {"message": "no", "type": "OAuthException", "code": code}})


def test_text_is_sent_with_our_id(graph: GraphClient, server: LocalServer) -> None:
    server.answers(ACCEPTED)
    assert text(graph) == "wamid.1"
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v23.0/106/messages")
    assert request.headers["authorization"] == "Bearer studio-token"
    assert request.document == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+31612345678",
        "biz_opaque_callback_data": "message-1",
        "type": "text",
        "text": {"body": "Hoi", "preview_url": False},
    }


def test_an_answer_quotes_what_it_answers(graph: GraphClient, server: LocalServer) -> None:
    server.answers(ACCEPTED)
    text(graph, reply_to="wamid.0")
    assert server.requests[0].document["context"] == {"message_id": "wamid.0"}


def test_a_template_is_sent_with_its_values(graph: GraphClient, server: LocalServer) -> None:
    server.answers(ACCEPTED)
    assert template(graph, "Bo", "Studio Noord") == "wamid.1"
    template(graph)
    with_values, without = (request.document for request in server.requests)
    assert with_values["type"] == "template"
    assert with_values["biz_opaque_callback_data"] == "message-1"
    assert with_values["template"] == {
        "name": "welcome",
        "language": {"code": "nl"},
        "components": [
            {
                "type": "body",
                "parameters": [{"type": "text", "text": "Bo"}, {"type": "text", "text": "Studio Noord"}],
            }
        ],
    }
    assert "components" not in without["template"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (error(400, 100), Invalid),
        (error(400, 131008), Invalid),
        (error(400, 132000), Invalid),
        (error(404, 132001), Permanent),
        (error(400, 133010), Permanent),
        (error(401, 190), CredentialsRefused),
        (error(429, 130429), Transient),
        (error(400, 131056), Transient),
        (error(400, 131000), OutcomeUnknown),
        (Answer(500, b"<html>"), OutcomeUnknown),
        (Answer(body={"messages": []}), OutcomeUnknown),
        (Answer(body={"messages": [{"id": ""}]}), OutcomeUnknown),
        (Answer(body={"success": True}), OutcomeUnknown),
        (Misbehaviour.RESET, OutcomeUnknown),
        (Misbehaviour.HALF, OutcomeUnknown),
    ],
)
@pytest.mark.parametrize("send", [text, template])
def test_whether_a_message_may_have_gone_is_told_apart(
    graph: GraphClient,
    server: LocalServer,
    send: Callable[[GraphClient], str],
    answer: Answer | Misbehaviour,
    expected: type[PilarError],
) -> None:
    server.answers(answer)
    with pytest.raises(PilarError) as caught:
        send(graph)
    assert type(caught.value) is expected
    assert len(server.requests) == 1


@pytest.mark.parametrize(("code", "reaction"), [(132015, Reaction.AWAIT_TEMPLATE), (132016, Reaction.RETIRE_TEMPLATE)])
def test_a_refusal_leads_to_its_reaction(
    graph: GraphClient, server: LocalServer, code: int, reaction: Reaction
) -> None:
    server.answers(error(400, code))
    with pytest.raises(Permanent) as caught:
        template(graph)
    assert reaction_to(caught.value.details["provider_code"]) is reaction


def test_a_template_is_handed_in_for_review(graph: GraphClient, server: LocalServer) -> None:
    server.answers(Answer(body={"id": "77", "status": "PENDING", "category": "UTILITY"}))
    wanted: dict[str, Any] = {"name": "welcome", "language": "nl", "category": "utility"}
    submitted = graph.submit_template("studio-token", "102", body="Hoi {{1}}!", examples=["Bo"], **wanted)
    assert submitted == SubmittedTemplate("77", "PENDING")
    graph.submit_template("studio-token", "102", body="Hoi!", examples=[], **wanted)

    one, two = server.requests
    assert (one.method, one.path) == ("POST", "/v23.0/102/message_templates")
    body = {"type": "BODY", "text": "Hoi {{1}}!", "example": {"body_text": [["Bo"]]}}
    assert one.document == wanted | {"category": "UTILITY", "components": [body]}
    assert two.document["components"] == [{"type": "BODY", "text": "Hoi!"}]


def test_all_pages_of_templates_are_read(graph: GraphClient, server: LocalServer) -> None:
    def one(name: str, **changes: Any) -> dict[str, Any]:
        wanted = {"id": "1", "name": name, "language": "nl", "category": "UTILITY", "status": "APPROVED"}
        return wanted | {"rejected_reason": "NONE"} | changes

    header = {"type": "HEADER", "format": "IMAGE"}
    buttons = {"type": "BUTTONS", "buttons": [{"type": "URL", "url": "https://studio.example/"}]}
    told = {"components": [header, {"type": "BODY", "text": "Hoi!"}, buttons], "quality_score": {"score": "GREEN"}}
    server.answers(
        Answer(body={"data": [one("a")], "paging": {"cursors": {"after": "x"}, "next": "…"}}),
        Answer(body={"data": [one("b", status="REJECTED", rejected_reason="PROMOTIONAL", **told)]}),
    )
    assert graph.templates("studio-token", "102") == [
        WhatsAppTemplate("1", "a", "nl", "UTILITY", "APPROVED", None),
        WhatsAppTemplate("1", "b", "nl", "UTILITY", "REJECTED", "PROMOTIONAL", "Hoi!", "GREEN", ("HEADER",)),
    ]
    fields = "id,name,language,category,status,rejected_reason,quality_score,components"
    assert [request.query for request in server.requests] == [
        {"fields": fields, "limit": "100"},
        {"fields": fields, "limit": "100", "after": "x"},
    ]


def test_a_list_that_can_not_be_read_is_transient(graph: GraphClient, server: LocalServer) -> None:
    server.answers(Answer(body={"data": [{"id": "1"}]}))
    with pytest.raises(Transient) as caught:
        graph.templates("studio-token", "102")
    assert type(caught.value) is Transient

"""What becomes of a question when the line or the provider misbehaves, and what goes over the line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from pilar.backplane.breakers import Breakers
from pilar.clocks import SystemClock
from pilar.errors import CircuitOpen, NotConfigured, Transient
from pilar.providers.llm.asking import Assistant, ProviderName, Question, Tool, ToolCall, ToolResult, User
from pilar.providers.llm.client import PROVIDERS, Models
from pilar.settings import Settings
from tests.providers.local_http import Answer, LocalServer, Misbehaviour, refusing_port

EVERY = pytest.mark.parametrize("provider", PROVIDERS)
HELLO = Question((User("Hello"),))


class Slot(BaseModel):
    day: str


@pytest.fixture
def models(server: LocalServer, settings_at: Callable[..., Settings]) -> Iterator[Models]:
    found = Models(settings_at(server.base))
    yield found
    found.close()


def chat(message: dict[str, Any] | None = None, finish: str = "stop") -> Answer:
    said = {"role": "assistant", "content": "Hi"} if message is None else message
    return Answer(
        200,
        {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4.1-mini",
            "choices": [{"index": 0, "message": said, "finish_reason": finish}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
        },
        {"content-type": "application/json"},
    )  # fmt: skip


def message(content: list[dict[str, Any]], stop: str | None = "end_turn") -> Answer:
    return Answer(
        200,
        {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "content": content,
            "stop_reason": stop, "usage": {"input_tokens": 3, "cache_read_input_tokens": 5, "output_tokens": 1},
        },
    )  # fmt: skip


@EVERY
@pytest.mark.parametrize("how", [Misbehaviour.RESET, Misbehaviour.HANG_UP, Misbehaviour.HALF])
def test_a_line_that_breaks_is_no_answer_for_now(
    models: Models, server: LocalServer, provider: ProviderName, how: Misbehaviour
) -> None:
    server.answers(how)
    with pytest.raises(Transient) as caught:
        models.of(provider, "m").ask(HELLO)
    assert type(caught.value) is Transient, "a question changes nothing, so its outcome is never in doubt"
    assert len(server.requests) == 1, "nobody but the queue tries again"


@EVERY
def test_silence_is_waited_through_as_long_as_the_question_says(
    models: Models, server: LocalServer, provider: ProviderName
) -> None:
    server.answers(Misbehaviour.SILENCE)
    with pytest.raises(Transient):
        models.of(provider, "m").ask(Question((User("Hello"),), timeout_seconds=0.2))
    assert len(server.requests) == 1


@EVERY
def test_where_nobody_listens_it_is_told_so(settings_at: Callable[..., Settings], provider: ProviderName) -> None:
    with refusing_port() as port:
        models = Models(settings_at(f"http://127.0.0.1:{port}"))
        with pytest.raises(Transient, match="could not be reached"):
            models.of(provider, "m").ask(HELLO)
        models.close()


@EVERY
@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>", {"content-type": "text/html"}),
        Answer(200, b'{"half', {"content-type": "application/json"}),
        Answer(200, [], {"content-type": "application/json"}),
        Answer(200, {}, {"content-type": "application/json"}),
        Answer(200, {"choices": [], "content": "x", "stop_reason": "end_turn"}, {"content-type": "application/json"}),
        Answer(200, {"choices": [{"finish_reason": "bored", "message": {}}], "content": [], "stop_reason": "bored"}),
    ],
)
def test_an_answer_that_is_not_as_promised_is_no_answer(
    models: Models, server: LocalServer, provider: ProviderName, answer: Answer
) -> None:
    server.answers(answer)
    with pytest.raises(Transient, match="can't be read"):
        models.of(provider, "m").ask(HELLO)


@EVERY
def test_a_proxys_page_in_place_of_a_refusal_is_judged_by_its_status(
    models: Models, server: LocalServer, provider: ProviderName
) -> None:
    server.answers(Answer(502, b"<html>Bad gateway"))
    with pytest.raises(Transient) as caught:
        models.of(provider, "m").ask(HELLO)
    assert caught.value.details["status"] == 502


@EVERY
def test_what_does_not_answer_is_left_alone_and_the_others_are_not(
    server: LocalServer, settings_at: Callable[..., Settings], provider: ProviderName
) -> None:
    breakers = Breakers(SystemClock())
    models = Models(settings_at(server.base), breakers)
    server.answers(Answer(529 if provider == "anthropic" else 503, {"error": {"type": "overloaded_error"}}))
    for _ in range(5):
        with pytest.raises(Transient):
            models.of(provider, "m").ask(HELLO)
    with pytest.raises(CircuitOpen):
        models.of(provider, "another").ask(HELLO)
    assert len(server.requests) == 5
    assert [seen.name for seen in breakers.snapshot() if seen.since] == [
        {"openai": "OpenAI", "groq": "Groq", "anthropic": "Anthropic"}[provider]
    ]
    models.close()


@EVERY
def test_too_many_requests_of_one_account_leave_the_provider_open(
    server: LocalServer, settings_at: Callable[..., Settings], provider: ProviderName
) -> None:
    breakers = Breakers(SystemClock())
    models = Models(settings_at(server.base), breakers)
    error = {"type": "rate_limit_error", "code": "rate_limit_exceeded"}
    server.answers(Answer(429, {"error": error}, {"retry-after": "3"}))
    for _ in range(6):
        with pytest.raises(Transient) as caught:
            models.of(provider, "m").ask(HELLO)
        assert type(caught.value) is Transient
    assert not [seen for seen in breakers.snapshot() if seen.since]
    models.close()


@EVERY
def test_a_missing_key_is_named_with_what_it_turns_off(
    settings_at: Callable[..., Settings], provider: ProviderName
) -> None:
    models = Models(settings_at("http://127.0.0.1:1", **{f"{provider}_api_key": None}))
    with pytest.raises(NotConfigured, match=f"PILAR_{provider.upper()}_API_KEY is not set"):
        models.of(provider, "m").ask(HELLO)
    assert models.configured() == tuple(name for name in PROVIDERS if name != provider)


def test_a_provider_that_there_is_not_is_named(models: Models) -> None:
    unknown: Any = "elsewhere"
    with pytest.raises(NotConfigured, match="there are openai, groq, anthropic"):
        models.of(unknown, "m")


def test_what_openai_and_groq_are_sent(models: Models, server: LocalServer) -> None:
    server.answers(chat())
    tool = Tool("find_slot", "Look.", Slot)
    call = ToolCall("call_1", "find_slot", {"day": "maandag"})
    question = Question(
        (User("Hoi"), Assistant("", (call,)), ToolResult("call_1", "vol", failed=True)),
        system="Wees vriendelijk.",
        tools=(tool,),
        max_tokens=50,
        temperature=0.5,
    )
    models.of("openai", "gpt-4.1-mini").ask(question)
    models.of("groq", "llama").ask(HELLO)
    sent, other = server.requests
    assert (sent.path, sent.headers["authorization"]) == ("/openai/v1/chat/completions", "Bearer sk-openai")
    assert (other.path, other.headers["authorization"]) == ("/groq/openai/v1/chat/completions", "Bearer gsk_groq")
    body = sent.document
    assert (body["max_completion_tokens"], body["temperature"]) == (50, 0.5)
    assert body["messages"] == [
        {"role": "system", "content": "Wees vriendelijk."},
        {"role": "user", "content": "Hoi"},
        {
            "role": "assistant", "content": None,
            "tool_calls": [
                {
                    "id": "call_1", "type": "function",
                    "function": {"name": "find_slot", "arguments": '{"day": "maandag"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "Failed: vol"},
    ]  # fmt: skip
    assert body["tools"][0]["function"]["strict"] is True


def test_what_the_sdk_finds_in_the_environment_is_not_told_to_groq(
    models: Models, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-somebody")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-somebody")
    server.answers(chat())
    models.of("groq", "llama").ask(HELLO)
    assert not [value for value in server.requests[0].headers.values() if "of-somebody" in value]


def test_a_model_that_may_not_think_beside_tools_is_told_not_to(models: Models, server: LocalServer) -> None:
    server.answers(chat())
    models.of("openai", "gpt-6-luna").ask(Question((User("Hoi"),), tools=(Tool("find_slot", "Look.", Slot),)))
    models.of("openai", "gpt-6-luna").ask(HELLO)
    assert [request.document.get("reasoning_effort") for request in server.requests] == ["none", None]


def test_what_anthropic_is_sent_and_what_is_read_of_its_answer(models: Models, server: LocalServer) -> None:
    thought = {"type": "thinking", "thinking": "", "signature": "sealed"}
    used = {"type": "tool_use", "id": "toolu_1", "name": "find_slot", "input": {"day": "maandag"}}
    server.answers(
        message([thought, used, {"type": "of_tomorrow"}], "tool_use"), message([{"type": "text", "text": "Ja"}])
    )
    model = models.of("anthropic", "claude-haiku-4-5")
    question = Question((User("Hoi"),), system="Wees kort.", tools=(Tool("find_slot", "Look.", Slot),), temperature=0.5)
    asked = model.ask(question)
    assert (asked.usage.input_tokens, asked.usage.output_tokens) == (8, 1), "what came from the cache was read as well"
    model.ask(question.and_then(asked.said(), ToolResult("toolu_1", "vrij")))
    first, second = server.requests
    assert first.path == "/anthropic/v1/messages"
    assert (first.headers["x-api-key"], first.headers["anthropic-version"]) == ("sk-ant-anthropic", "2026-10-21")
    assert first.document["system"] == "Wees kort."
    assert "temperature" not in first.document, "this version of the API refuses it"
    assert second.document["messages"][1:] == [
        {"role": "assistant", "content": [thought, used]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "vrij"}]},
    ]


@pytest.mark.slow
def test_the_sdk_is_not_imported_before_it_is_needed() -> None:
    program = "import sys, pilar.app, pilar.providers.llm.client; sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

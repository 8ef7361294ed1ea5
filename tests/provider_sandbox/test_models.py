"""The models as the SDK and the control API see them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from provider_sandbox.testing import RunningSandbox, running_sandbox, sandbox_config

MODEL = "gpt-4.1-mini"
SCHEMA = {
    "type": "object",
    "properties": {"day": {"type": "string"}},
    "required": ["day"],
    "additionalProperties": False,
}
TOOL = {"name": "find_slot", "description": "Look.", "parameters": SCHEMA, "strict": True}
CLAUDE = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    state: Path = tmp_path_factory.mktemp("models")
    with running_sandbox(sandbox_config(state)) as running:
        yield running


@pytest.fixture
def sandbox(served: RunningSandbox) -> RunningSandbox:
    served.script_models()
    return served


@pytest.fixture(scope="module")
def sdk(served: RunningSandbox) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        api_key=served.config.openai_api_key, base_url=f"{served.base_url}/openai/v1", max_retries=0
    ) as client:
        yield client


def say(sdk: openai.OpenAI, text: str, **more: Any) -> Any:
    return sdk.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}], **more)


def anthropic(sandbox: RunningSandbox, version: str = "2026-10-21", **body: Any) -> Any:
    headers = {"authorization": f"Bearer {sandbox.config.anthropic_api_key}", "anthropic-version": version}
    headers = {name: value for name, value in headers.items() if value}
    return sandbox.client.post("/anthropic/v1/messages", headers=headers, json={**CLAUDE, **body})


def test_the_sdk_lists_models_and_reads_answers(sdk: openai.OpenAI) -> None:
    assert MODEL in [model.id for model in sdk.models.list()]
    assert sdk.models.retrieve(MODEL).id == MODEL
    with pytest.raises(openai.NotFoundError):
        sdk.models.retrieve("gpt-0")
    answer = say(sdk, 'Reply with "ok".')
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("ok", "stop")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("Guten Morgen! Was kostet die Mitgliedschaft?", "Hallo! Du schriebst über mitgliedschaft"),
        ("Hoi, kan ik een proeftraining doen?", "Hallo! Je schreef over proeftraining"),
        ("What are your opening hours?", "You wrote about opening"),
        ("Hi", "Hello! What can I do for you?"),
        ("", "What can I do for you?"),
    ],
)
def test_it_answers_in_the_language_of_the_question(sdk: openai.OpenAI, text: str, begins: str) -> None:
    assert say(sdk, text).choices[0].message.content.startswith(begins)


def test_the_seed_decides_what_the_prompt_leaves_open(sandbox: RunningSandbox, sdk: openai.OpenAI) -> None:
    form = {"name": "n", "strict": True, "schema": {**SCHEMA, "properties": {"day": {"type": "integer"}}}}
    wanted = {"type": "json_schema", "json_schema": form}

    def filled(seed: int) -> str:
        sandbox.script_models(seed=seed)
        return str(say(sdk, "some day", response_format=wanted).choices[0].message.content)

    assert filled(1) == filled(1)
    assert len({filled(seed) for seed in range(5)}) > 1


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"temperature": 3}, "temperature"),
        ({"stream": True}, "does not stream"),
        ({"n": 2}, "one choice"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "none of the roles"),
        ({"messages": [{"role": "tool", "tool_call_id": "x", "content": "x"}]}, "must follow the call"),
        ({"tools": [{"type": "function", "function": {**TOOL, "name": "find slot"}}]}, "letters, digits"),
        ({"tools": [{"type": "function", "function": TOOL}], "tool_choice": {"function": {"name": "x"}}}, "no tool"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {
                **SCHEMA, "required": []}}}},
            "required must name every property",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {
                **SCHEMA, "properties": {"day": {"type": "string", "maxLength": 3}}}}}},
            "day: maxLength is not permitted",
        ),
    ],
)  # fmt: skip
def test_what_openai_would_refuse_is_refused(sdk: openai.OpenAI, more: dict[str, Any], told: str) -> None:
    request = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], **more}
    with pytest.raises(openai.BadRequestError, match=told):
        sdk.chat.completions.create(**request)


def test_a_call_must_have_its_result(sdk: openai.OpenAI) -> None:
    asked = say(sdk, "a slot?", tools=[{"type": "function", "function": TOOL}]).choices[0].message
    history = [{"role": "user", "content": "a slot?"}, asked.model_dump(exclude_none=True)]
    with pytest.raises(openai.BadRequestError, match="no result yet"):
        sdk.chat.completions.create(model=MODEL, messages=[*history, {"role": "user", "content": "well?"}])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"temperature": 0.5}, "temperature: Extra inputs are not permitted"),
        ({"max_tokens": None}, "max_tokens"),
        ({"messages": [{"role": "assistant", "content": "Hi"}]}, "the first message must be the user's"),
        ({"messages": [*CLAUDE["messages"], {"role": "assistant", "content": "The"}]}, "must be the user's"),
        ({"messages": [{"role": "user", "content": ""}]}, "non-empty"),
        ({"tools": [{"name": "x", "input_schema": {"type": "string"}}]}, "a schema of an object"),
        ({"tool_choice": {"type": "any"}}, "no tools to choose from"),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}, "additionalProperties"),
        (
            {"model": "claude-opus-5-5", "tools": [{"name": "x", "input_schema": SCHEMA}],
             "tool_choice": {"type": "tool", "name": "x"}},
            "can't be made to use a tool",
        ),
        (
            {"messages": [*CLAUDE["messages"], {"role": "assistant", "content": [
                {"type": "tool_use", "id": "t", "name": "x", "input": {}}]}, {"role": "user", "content": "well?"}]},
            "tool_result right after it",
        ),
    ],
)  # fmt: skip
def test_what_anthropic_would_refuse_is_refused(sandbox: RunningSandbox, body: dict[str, Any], told: str) -> None:
    answer = anthropic(sandbox, **body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert told in answer.json()["error"]["message"]


def test_the_version_of_the_api_decides_what_is_taken(sandbox: RunningSandbox) -> None:
    assert anthropic(sandbox, "2023-06-01", temperature=0.5).status_code == 200
    assert anthropic(sandbox, "2023-06-01", temperature=1.5).status_code == 400
    assert anthropic(sandbox, "").json()["error"]["message"] == "anthropic-version: header is required"


def test_thinking_must_come_back_unchanged(sandbox: RunningSandbox) -> None:
    tools = [{"name": "find_slot", "description": "Look.", "input_schema": SCHEMA}]
    said = [{"role": "user", "content": "a slot?"}]
    more = {"model": "claude-opus-5-5", "tools": tools}
    content = anthropic(sandbox, messages=said, **more).json()["content"]
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": content[1]["id"], "content": "yes"}]}

    def going_on(blocks: list[dict[str, Any]]) -> int:
        history = [*said, {"role": "assistant", "content": blocks}, result]
        return int(anthropic(sandbox, messages=history, **more).status_code)

    assert going_on(content) == 200
    assert going_on(content[1:]) == 400
    assert going_on([{**content[0], "signature": "forged"}, content[1]]) == 400


def test_scripts_are_taken_in_order_as_often_as_they_say(sandbox: RunningSandbox, sdk: openai.OpenAI) -> None:
    sandbox.script_models(
        {"match": "price", "reply": "twice", "times": 2},
        {"match": "PRICE", "reply": "then always", "times": None},
        {"provider": "groq", "reply": "not here"},
    )
    said = [say(sdk, text).choices[0].message.content for text in ("the price?", "hi", "price", "price", "price")]
    assert [said[0], *said[2:]] == ["twice", "twice", "then always", "then always"]
    assert said[1] == "Hello! What can I do for you?"
    left = sandbox.client.get("/control/models/answers").json()
    assert [script["reply"] for script in left] == ["then always", "not here"]


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ({"reply": "a", "refusal": "b"}, "give one of"),
        ({}, "give one of"),
        ({"reply": "a", "match": "("}, "is no pattern"),
        ({"error": "boredom"}, "rate_limited"),
        ({"reply": "a", "colour": "red"}, "Extra inputs"),
    ],
)
def test_a_script_that_makes_no_sense_is_refused_with_the_reason(
    sandbox: RunningSandbox, script: dict[str, Any], told: str
) -> None:
    answer = sandbox.client.put("/control/models/answers", json={"answers": [script]})
    assert answer.status_code == 422
    assert told in answer.text


def test_without_a_key_every_provider_refuses(tmp_path: Path) -> None:
    keys = dict.fromkeys(("openai_api_key", "groq_api_key", "anthropic_api_key", "elevenlabs_api_key"), "")
    with running_sandbox(sandbox_config(tmp_path / "state", **keys)) as sandbox:
        for path in ("/openai/v1/models", "/groq/openai/v1/models", "/anthropic/v1/models", "/elevenlabs/v1/voices"):
            answer = sandbox.client.get(path, headers={"authorization": "Bearer", "x-api-key": "", "xi-api-key": ""})
            assert answer.status_code == 401, path


def test_what_was_asked_and_what_is_ready_outlives_a_restart(tmp_path: Path) -> None:
    config = sandbox_config(tmp_path / "state")
    with running_sandbox(config) as sandbox:
        sandbox.script_models({"reply": "kept", "times": 2}, seed=3)
        assert anthropic(sandbox).json()["content"] == [{"type": "text", "text": "kept"}]
    with running_sandbox(config) as sandbox:
        assert anthropic(sandbox).json()["content"] == [{"type": "text", "text": "kept"}]
        assert [question["answer"] for question in sandbox.questions("anthropic")] == ["kept", "kept"]
        assert sandbox.effects()["anthropic.answered"] == 2

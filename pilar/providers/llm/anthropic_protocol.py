"""Anthropic's Messages API, by way of a thin client of our own. What belongs here: writing questions, reading replies.

It is one call with one shape: our HTTP client makes it without a second SDK (docs/adr/0024-language-models.md).
This version of the API takes no temperature, and its newest models can't be made to use a tool: a document is asked for
as the format of the answer.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import httpx
from pydantic import BaseModel

from pilar.providers import documents
from pilar.providers.calls import CONNECT_SECONDS, Line, Provider, required
from pilar.providers.documents import Document, Unreadable
from pilar.providers.llm.asking import Assistant, Finish, Message, Question, RawCall, Reply, Tool, ToolResult
from pilar.providers.llm.errors import anthropic_refusal
from pilar.providers.llm.forms import schema_of
from pilar.settings import Settings

VERSION = "2026-10-21"

THOUGHTS = ("thinking", "redacted_thinking")
"""Blocks that have to come back unchanged with the results of tools: they are signed."""

FINISHES = {
    "end_turn": Finish.DONE,
    "stop_sequence": Finish.DONE,
    "pause_turn": Finish.DONE,
    "max_tokens": Finish.CUT_OFF,
    "model_context_window_exceeded": Finish.CUT_OFF,
    "tool_use": Finish.TOOLS,
    "refusal": Finish.REFUSED,
}


class AnthropicProtocol:
    """Anthropic. Safe to share between threads."""

    def __init__(self, settings: Settings, provider: Provider) -> None:
        """Take the settings and its error table."""
        self._settings = settings
        self._line = Line(settings.provider_timeout_seconds)
        self._provider = provider

    def close(self) -> None:
        """Close the connections."""
        self._line.close()

    def guarded(self) -> AbstractContextManager[None]:
        """The call policy around one question."""
        return self._provider.reads("ask")

    def send(self, model: str, question: Question, output: type[BaseModel] | None) -> Reply:
        """Ask once; errors are the HTTP client's and `Refusal`, for the call policy."""
        key = required(self._settings, "anthropic_api_key")
        seconds = question.timeout_seconds or self._settings.provider_timeout_seconds
        answer = self._line.http.post(
            f"{required(self._settings, 'anthropic_api_base')}/v1/messages",
            headers={"x-api-key": key, "anthropic-version": VERSION},
            json=_request(model, question, output),
            timeout=httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS)),
        )
        if answer.status_code >= 400:
            raise anthropic_refusal(answer)
        return _reply(documents.parse(answer.content))


def _request(model: str, question: Question, output: type[BaseModel] | None) -> dict[str, Any]:
    request: dict[str, Any] = {
        "model": model,
        "max_tokens": question.max_tokens,
        "messages": _messages(question.messages),
    }
    if question.system:
        request["system"] = question.system
    if question.tools:
        request["tools"] = list(map(_tool, question.tools))
    if output is not None:
        request["output_config"] = {"format": {"type": "json_schema", "schema": schema_of(output)}}
    return request


def _tool(tool: Tool) -> dict[str, Any]:
    schema = schema_of(tool.parameters)
    return {"name": tool.name, "description": tool.description, "strict": True, "input_schema": schema}


def _messages(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = []
    for message in messages:
        role = "assistant" if isinstance(message, Assistant) else "user"
        if written and written[-1]["role"] == role:
            # The results of several calls belong into one message.
            written[-1]["content"].extend(_blocks(message))
        else:
            written.append({"role": role, "content": _blocks(message)})
    return written


def _blocks(message: Message) -> list[dict[str, Any]]:
    if isinstance(message, ToolResult):
        result = {"type": "tool_result", "tool_use_id": message.call_id, "content": message.text}
        return [result | {"is_error": True}] if message.failed else [result]
    # An empty text is refused by the API.
    blocks: list[dict[str, Any]] = [{"type": "text", "text": message.text}] if message.text else []
    if isinstance(message, Assistant):
        blocks = [*map(dict, message.kept), *blocks]
        blocks += [
            {"type": "tool_use", "id": call.id, "name": call.name, "input": dict(call.arguments)}
            for call in message.calls
        ]
    return blocks


def _reply(document: Document) -> Reply:
    finish = FINISHES.get(documents.text(document, "stop_reason"))
    if finish is None:
        raise Unreadable("the answer ended for a reason that is not known")
    usage = documents.child(document, "usage")
    texts, calls, kept = [], [], []
    for block in documents.children(document, "content"):
        if block.get("type") == "text":
            texts.append(documents.optional_text(block, "text") or "")
        elif block.get("type") == "tool_use":
            arguments = documents.written(documents.child(block, "input"))
            calls.append(RawCall(documents.text(block, "id"), documents.text(block, "name"), arguments))
        elif block.get("type") in THOUGHTS:
            kept.append(block)
    cached = ("cache_creation_input_tokens", "cache_read_input_tokens")
    return Reply(
        text="".join(texts),
        calls=tuple(calls),
        finish=finish,
        input_tokens=sum(documents.whole_number(usage, name) or 0 for name in ("input_tokens", *cached)),
        output_tokens=documents.whole_number(usage, "output_tokens") or 0,
        model=documents.text(document, "model"),
        kept=tuple(kept),
    )

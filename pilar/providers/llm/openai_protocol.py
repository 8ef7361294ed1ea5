"""OpenAI's chat protocol, which Groq speaks as well. What belongs here: writing questions and reading replies.

The SDK sends; what it would make of an answer is left aside for our own reading, since it takes any shape for granted.
It is imported where it is first used: that takes longer than starting the rest of a worker.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import BaseModel

from pilar.providers import documents
from pilar.providers.calls import Line, Provider, Refusal, required
from pilar.providers.documents import Document, Unreadable
from pilar.providers.llm.asking import Assistant, Finish, Message, Question, RawCall, Reply, ToolResult
from pilar.providers.llm.forms import name_of, schema_of
from pilar.settings import Settings

if TYPE_CHECKING:
    from openai import OpenAI

UNSUPPORTED = ("unsupported_value", "unsupported_parameter")
NO_THOUGHT_WITH_TOOLS = ("gpt-6",)
"""Models that take tools by this protocol only where they don't think first (OpenAI's page of GPT-6 Luna)."""

FINISHES = {
    "stop": Finish.DONE,
    "length": Finish.CUT_OFF,
    "tool_calls": Finish.TOOLS,
    "content_filter": Finish.REFUSED,
}


class OpenAiProtocol:
    """One provider that speaks it. Safe to share between threads."""

    def __init__(
        self, settings: Settings, name: str, provider: Provider, refusal_of: Callable[[httpx.Response], Refusal]
    ) -> None:
        """Take the settings, the beginning of their names for it, its error table, and how its errors are read."""
        self._settings = settings
        self._line = Line(settings.provider_timeout_seconds)
        self._name = name
        self._provider = provider
        self._refusal_of = refusal_of
        self._own_temperature: set[str] = set()
        self._without_schema: set[str] = set()

    @cached_property
    def _client(self) -> OpenAI:
        key = required(self._settings, f"{self._name}_api_key")
        from openai import OpenAI

        # The type names the client library's successor; the one that all of ours use is taken as well.
        http: Any = self._line.http
        base = required(self._settings, f"{self._name}_api_base")
        client = OpenAI(api_key=key, base_url=base, max_retries=0, http_client=http)
        # It takes these from variables of its own name, and would tell Groq whose customer we are at OpenAI.
        client.organization = client.project = None
        return client

    def close(self) -> None:
        """Close the connections."""
        self._line.close()

    def guarded(self) -> AbstractContextManager[None]:
        """The call policy around one question."""
        return self._provider.reads("ask")

    def send(self, model: str, question: Question, output: type[BaseModel] | None) -> Reply:
        """Ask once; errors are the HTTP client's and `Refusal`, for the call policy."""
        try:
            return self._complete(self._options(model, question, output))
        except Refusal as refusal:
            if not self._learns(model, refusal):
                raise
        return self._complete(self._options(model, question, output))

    def _learns(self, model: str, refusal: Refusal) -> bool:
        """Whether a refusal tells of something that the model is not to be asked again: only asking tells which do."""
        if refusal.code in UNSUPPORTED and "temperature" in refusal.message:
            # Models that think before they answer have a temperature of their own.
            known = self._own_temperature
        elif refusal.status == 400 and "json_schema" in refusal.message and "not support" in refusal.message:
            known = self._without_schema
        else:
            return False
        known.add(model)
        return True

    def _options(self, model: str, question: Question, output: type[BaseModel] | None) -> dict[str, Any]:
        told = output if model in self._without_schema else None
        options: dict[str, Any] = {
            "model": model,
            "messages": _messages(question, told),
            "max_completion_tokens": question.max_tokens,
            "timeout": question.timeout_seconds or self._settings.provider_timeout_seconds,
        }
        if question.temperature is not None and model not in self._own_temperature:
            options["temperature"] = question.temperature
        if question.tools and model.startswith(NO_THOUGHT_WITH_TOOLS):
            options["reasoning_effort"] = "none"
        if question.tools:
            options["tools"] = [_function(tool.name, tool.description, tool.parameters) for tool in question.tools]
        if told is not None:
            options["response_format"] = {"type": "json_object"}
        elif output is not None:
            form = {"name": name_of(output), "strict": True, "schema": schema_of(output)}
            options["response_format"] = {"type": "json_schema", "json_schema": form}
        return options

    def _complete(self, options: dict[str, Any]) -> Reply:
        client = self._client
        import openai

        try:
            answer = client.chat.completions.with_raw_response.create(**options).http_response.content
        except openai.APIStatusError as error:
            response: Any = error.response
            raise self._refusal_of(response) from error
        except openai.APIConnectionError as error:
            raise (error.__cause__ or error) from None
        except openai.OpenAIError as error:
            raise Unreadable(type(error).__name__) from error
        return _reply(documents.parse(answer))


def _function(name: str, description: str, parameters: type[BaseModel]) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "strict": True,
            "parameters": schema_of(parameters),
        },
    }


def _messages(question: Question, told: type[BaseModel] | None) -> list[dict[str, Any]]:
    words = question.system
    if told is not None:
        schema = documents.written(schema_of(told))
        words = f"{words}\n\nAnswer with one JSON object that fits this schema: {schema}".strip()
    system = [{"role": "system", "content": words}] if words else []
    return [*system, *map(_message, question.messages)]


def _message(message: Message) -> dict[str, Any]:
    if isinstance(message, ToolResult):
        text = f"Failed: {message.text}" if message.failed else message.text
        return {"role": "tool", "tool_call_id": message.call_id, "content": text}
    if not isinstance(message, Assistant):
        return {"role": "user", "content": message.text}
    written: dict[str, Any] = {"role": "assistant", "content": message.text or None}
    if message.calls:
        written["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": documents.written(call.arguments)},
            }
            for call in message.calls
        ]
    return written


def _reply(document: Document) -> Reply:
    choices = documents.children(document, "choices")
    if not choices:
        raise Unreadable("the answer has no choice")
    message = documents.child(choices[0], "message")
    usage = documents.child(document, "usage")
    refusal = documents.optional_text(message, "refusal")
    finish = FINISHES.get(documents.text(choices[0], "finish_reason"))
    if finish is None:
        raise Unreadable("the answer ended for a reason that is not known")
    return Reply(
        text=refusal or documents.optional_text(message, "content") or "",
        calls=tuple(map(_call, documents.optional_children(message, "tool_calls"))),
        finish=Finish.REFUSED if refusal else finish,
        input_tokens=documents.whole_number(usage, "prompt_tokens") or 0,
        output_tokens=documents.whole_number(usage, "completion_tokens") or 0,
        model=documents.text(document, "model"),
    )


def _call(document: Document) -> RawCall:
    function = documents.child(document, "function")
    return RawCall(
        id=documents.text(document, "id"),
        name=documents.text(function, "name"),
        arguments=documents.optional_text(function, "arguments") or "{}",
    )

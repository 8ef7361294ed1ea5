"""What is said to a language model and what comes back. What belongs here: these shapes, the same for every provider.

What does not: how a provider writes them down (`openai_protocol.py`, `anthropic_protocol.py`), and when an answer is
good enough (`client.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel

from pilar.providers.llm.prices import Cost

Output = TypeVar("Output", bound=BaseModel)
ProviderName = Literal["openai", "groq", "anthropic"]


@dataclass(frozen=True)
class Tool:
    """Something that the model may ask us to do.

    Attributes:
        name: letters, digits, `_` and `-`, at most 64 of them.
        description: when to use it, for the model.
        parameters: what it takes.
    """

    name: str
    description: str
    parameters: type[BaseModel]


@dataclass(frozen=True)
class ToolCall:
    """The model asks for a tool; the arguments are valid for it."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class User:
    """What a person said."""

    text: str


@dataclass(frozen=True)
class Assistant:
    """What the model said earlier; calls must be followed by their results.

    Attributes:
        kept: what its provider wants back as it came (its thinking, signed by it); see `Answer.said`.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    kept: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class ToolResult:
    """What came of a call."""

    call_id: str
    text: str
    failed: bool = False


Message = User | Assistant | ToolResult


@dataclass(frozen=True)
class Question:
    """A conversation up to now, to be answered.

    Attributes:
        messages: oldest first; the last is a person's or a tool's result.
        system: what the model is told about its task.
        tools: what it may ask for.
        max_tokens: the longest answer.
        temperature: 0 to 2, None for the model's own; a model that takes none answers with its own.
        timeout_seconds: the longest silence that is waited through; None: as for every provider.
    """

    messages: tuple[Message, ...]
    system: str = ""
    tools: tuple[Tool, ...] = ()
    max_tokens: int = 400
    temperature: float | None = None
    timeout_seconds: float | None = None

    def and_then(self, *messages: Message) -> Question:
        """The same with more messages at its end."""
        return replace(self, messages=(*self.messages, *messages))


class Finish(StrEnum):
    """Why an answer ended."""

    DONE = "done"
    TOOLS = "tools"
    """It asks for tools, and goes on with their results."""
    CUT_OFF = "cut_off"
    """It came to `max_tokens`."""
    REFUSED = "refused"
    """The model or its provider won't say it."""


@dataclass(frozen=True)
class Usage:
    """What an answer took.

    Attributes:
        input_tokens: read, cached ones included.
        output_tokens: written.
        cost: None for a model that the price list does not know.
    """

    input_tokens: int
    output_tokens: int
    cost: Cost | None

    @property
    def tokens(self) -> int:
        """All of them, as budgets count."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        cost = self.cost + other.cost if self.cost is not None and other.cost is not None else None
        return Usage(self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens, cost)


@dataclass(frozen=True)
class Answer(Generic[Output]):
    """What a model answered.

    Attributes:
        text: its words; of a refusal the reason, as far as it gives one.
        output: the document that was asked for; None where none was, and where it refused or asks for tools.
        calls: tools it asks for.
        finish: why it ended.
        usage: of all attempts together.
        model: as its provider names the one that answered.
        attempts: 2 where the first answer had to be repaired.
        kept: what its provider wants back as it came, where tools are asked for.
    """

    text: str
    output: Output | None
    calls: tuple[ToolCall, ...]
    finish: Finish
    usage: Usage
    model: str
    attempts: int
    kept: tuple[Mapping[str, Any], ...] = ()

    def said(self) -> Assistant:
        """The same as a message, to go on from."""
        return Assistant(self.text, self.calls, self.kept)


@dataclass(frozen=True)
class RawCall:
    """A tool call as it came: the arguments are text that may not even be JSON."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Reply:
    """One answer as a provider gave it, not looked at yet."""

    text: str
    calls: tuple[RawCall, ...]
    finish: Finish
    input_tokens: int
    output_tokens: int
    model: str
    kept: tuple[Mapping[str, Any], ...] = ()

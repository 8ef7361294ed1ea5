"""A question to a model and its answer, whatever the protocol. What belongs here: the shapes, what is read off them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Provider = Literal["openai", "groq", "anthropic"]
Finish = Literal["done", "tools", "cut_off", "refused"]


@dataclass(frozen=True)
class Turn:
    """One message: what was said, and by whom (`user`, `assistant` or `tool`)."""

    role: str
    text: str


@dataclass(frozen=True)
class Tool:
    """Something that the model may ask for."""

    name: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """A question.

    Attributes:
        must_use: the tool that has to be used; `*` for any of them, empty where none has to.
        schema: what the answer's text has to be, None for free text.
    """

    provider: Provider
    model: str
    system: str
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    must_use: str = ""
    schema: Mapping[str, Any] | None = None
    max_tokens: int | None = None
    seed: int = 0

    @property
    def said(self) -> str:
        """What a person said last."""
        return next((turn.text for turn in reversed(self.turns) if turn.role == "user"), "")

    @property
    def all_text(self) -> str:
        """Everything that is read."""
        tools = [f"{tool.name} {tool.description} {dict(tool.schema)}" for tool in self.tools]
        return "\n".join([self.system, *(turn.text for turn in self.turns), *tools, str(dict(self.schema or {}))])


@dataclass(frozen=True)
class Call:
    """A tool that the model asks for; the arguments as text, since a model may write anything."""

    name: str
    arguments: str


@dataclass(frozen=True)
class Answer:
    """What the model answers."""

    text: str = ""
    calls: tuple[Call, ...] = field(default=())
    finish: Finish = "done"

"""Asking a language model, whoever provides it. What belongs here: the one interface, and when an answer will do.

What does not: the providers' protocols (their own files), retries over time (the queue above owns them), budgets (who
asks sets aside what they want to spend), and what is asked.

An answer that is not valid for what was asked (the document, a tool's arguments) goes back once, with what is wrong
with it; a second one that is not valid either is `UnusableAnswer`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, get_args, overload

from pydantic import BaseModel

from pilar.backplane.breakers import Breakers
from pilar.errors import NotConfigured, UnusableAnswer
from pilar.providers.calls import is_set
from pilar.providers.llm import errors
from pilar.providers.llm.anthropic_protocol import AnthropicProtocol
from pilar.providers.llm.asking import (
    Answer,
    Assistant,
    Finish,
    Output,
    ProviderName,
    Question,
    RawCall,
    Reply,
    Tool,
    ToolCall,
    Usage,
    User,
)
from pilar.providers.llm.forms import Misfit, read
from pilar.providers.llm.openai_protocol import OpenAiProtocol
from pilar.providers.llm.prices import price_of
from pilar.settings import Settings

PROVIDERS: tuple[ProviderName, ...] = get_args(ProviderName)


class ChatProtocol(Protocol):
    """How a provider is asked."""

    def send(self, model: str, question: Question, output: type[BaseModel] | None) -> Reply:
        """Ask once."""

    def guarded(self) -> AbstractContextManager[None]:
        """The call policy around one question."""

    def close(self) -> None:
        """Close the connections."""


@dataclass(frozen=True)
class Model:
    """One model of one provider. Safe to share between threads."""

    provider: ProviderName
    name: str
    _protocol: ChatProtocol

    @overload
    def ask(self, question: Question) -> Answer[BaseModel]: ...

    @overload
    def ask(self, question: Question, output: type[Output]) -> Answer[Output]: ...

    def ask(self, question: Question, output: type[BaseModel] | None = None) -> Answer[Any]:
        """Put a question, and have the answer checked.

        Args:
            question: the conversation, and how it is to be answered.
            output: the document that the answer is to be; None: free text.

        Raises:
            UnusableAnswer: it was not valid twice, or too long to be finished; `tokens` tells what that took.
            Transient: it could not be asked now; `retry_after` where the provider says so.
            CredentialsRefused: the key is refused.
            Invalid: the question is too long, or of a shape that the model does not take.
            Permanent: the account's credit is used up.
            NotConfigured: there is no key for this provider.
        """
        reply = self._send(question, output)
        used = self._usage(reply)
        try:
            return self._checked(reply, question.tools, output, used, attempts=1)
        except Misfit as misfit:
            self._refuse_if_cut_off(reply, used)
            again = question.and_then(Assistant(_as_said(reply)), User(_what_is_wrong(misfit, output)))
        second = self._send(again, output)
        used += self._usage(second)
        try:
            return self._checked(second, question.tools, output, used, attempts=2)
        except Misfit as misfit:
            self._refuse_if_cut_off(second, used)
            raise UnusableAnswer(
                f"The answer of {self.name} is not valid, and was not when it was asked again: {misfit}",
                provider=self.provider,
                model=self.name,
                tokens=used.tokens,
            ) from None

    def _send(self, question: Question, output: type[BaseModel] | None) -> Reply:
        with self._protocol.guarded():
            return self._protocol.send(self.name, question, output)

    def _usage(self, reply: Reply) -> Usage:
        price = price_of(self.provider, reply.model) or price_of(self.provider, self.name)
        cost = price.of(reply.input_tokens, reply.output_tokens) if price else None
        return Usage(reply.input_tokens, reply.output_tokens, cost)

    def _checked(
        self, reply: Reply, tools: tuple[Tool, ...], output: type[BaseModel] | None, used: Usage, attempts: int
    ) -> Answer[BaseModel]:
        refused = reply.finish is Finish.REFUSED
        calls = () if refused else tuple(_call(raw, tools) for raw in reply.calls)
        filled = read(output, reply.text) if output is not None and not refused and not calls else None
        # Some servers say that all is done beside the calls that they make.
        finish = Finish.TOOLS if calls else reply.finish
        return Answer(reply.text, filled, calls, finish, used, reply.model, attempts, reply.kept if calls else ())

    def _refuse_if_cut_off(self, reply: Reply, used: Usage) -> None:
        if reply.finish is Finish.CUT_OFF:
            raise UnusableAnswer(
                f"The answer of {self.name} was cut off at the most tokens that were allowed: allow more.",
                provider=self.provider,
                model=self.name,
                tokens=used.tokens,
            )


class Models:
    """The models of every provider."""

    def __init__(self, settings: Settings, breakers: Breakers | None = None) -> None:
        """Take the settings, and the breakers of this process; without them each call is made, whatever came before."""
        self._settings = settings
        self._protocols: dict[ProviderName, ChatProtocol] = {
            "openai": OpenAiProtocol(settings, "openai", errors.OPENAI.guarded(breakers), errors.openai_refusal),
            "groq": OpenAiProtocol(settings, "groq", errors.GROQ.guarded(breakers), errors.groq_refusal),
            "anthropic": AnthropicProtocol(settings, errors.ANTHROPIC.guarded(breakers)),
        }

    def of(self, provider: ProviderName, model: str) -> Model:
        """A model by its provider and name; whether there is a key is found out when it is asked.

        Raises:
            NotConfigured: there is no such provider.
        """
        if provider not in self._protocols:
            raise NotConfigured(f"{provider!r} is no provider of models: there are {', '.join(PROVIDERS)}.")
        return Model(provider, model, self._protocols[provider])

    def configured(self) -> tuple[ProviderName, ...]:
        """The providers that there is a key for."""
        return tuple(name for name in PROVIDERS if is_set(self._settings, f"{name}_api_key"))

    def close(self) -> None:
        """Close the connections."""
        for protocol in self._protocols.values():
            protocol.close()


def _call(raw: RawCall, tools: tuple[Tool, ...]) -> ToolCall:
    tool = next((one for one in tools if one.name == raw.name), None)
    if tool is None:
        known = ", ".join(one.name for one in tools) or "none"
        raise Misfit(f"There is no tool {raw.name!r}; there are: {known}.")
    try:
        arguments = read(tool.parameters, raw.arguments)
    except Misfit as misfit:
        raise Misfit(f"The arguments of {raw.name} are not valid. {misfit}") from None
    return ToolCall(raw.id, raw.name, arguments.model_dump(mode="json", by_alias=True))


def _as_said(reply: Reply) -> str:
    # Told as text: a call that is not valid can't be repeated in the protocol's own form.
    calls = [f"{call.name}({call.arguments})" for call in reply.calls]
    return "\n".join(part for part in (reply.text, *calls) if part) or "(nothing)"


def _what_is_wrong(misfit: Misfit, output: type[BaseModel] | None) -> str:
    wanted = "Answer again with the document alone, as JSON that fits its schema." if output else "Answer again."
    return f"That can't be used. {misfit} {wanted}"

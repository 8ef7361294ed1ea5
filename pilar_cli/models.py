"""`pilar models`. What belongs here: asking each model and voice service that there is a key for, and telling of it.

It asks for real and costs a part of a cent: it tells whether keys and addresses are right before a studio finds out.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from pilar.errors import PilarError
from pilar_cli.configuration import read_settings, variable
from pilar_cli.console import FAILED, Json, answer, answer_json, show_table

if TYPE_CHECKING:
    from pilar.providers.elevenlabs.client import ElevenLabs
    from pilar.providers.llm.client import Model

USUAL = {"openai": "gpt-4.1-mini", "groq": "llama-3.1-8b-instant", "anthropic": "claude-haiku-4-5"}
"""What is asked where no model is named: small ones that answer at once."""

VOICES = "elevenlabs"


@dataclass(frozen=True)
class Asked:
    """How one provider answered."""

    provider: str
    model: str | None
    answers: bool
    said: str
    """The answer, or why there is none."""
    milliseconds: int
    tokens: int | None = None
    cost_micro_usd: int | None = None


def models(
    provider: Annotated[str | None, typer.Option(help="Ask this one only: openai, groq or anthropic.")] = None,
    model: Annotated[str | None, typer.Option(help="Ask this model of it.")] = None,
    say: Annotated[str, typer.Option(help="What to say.")] = 'Reply with "ok".',
    as_json: Json = False,
) -> None:
    """Ask each model and voice service that there is a key for; fail where one does not answer."""
    from pilar.providers.elevenlabs.client import ElevenLabs
    from pilar.providers.llm.client import PROVIDERS, Models

    if model and not provider:
        raise typer.BadParameter("say whose model it is with --provider", param_hint="--model")
    settings = read_settings()
    gateway, voices = Models(settings), ElevenLabs(settings)
    wanted = [name for name in PROVIDERS if name == provider] if provider else list(gateway.configured())
    if provider and not wanted:
        raise typer.BadParameter(f"there are {', '.join(PROVIDERS)}", param_hint="--provider")
    try:
        found = [ask(gateway.of(name, model or USUAL[name]), say) for name in wanted]
        if not provider and voices.is_configured:
            found.append(look(voices))
    finally:
        gateway.close()
        voices.close()
    missing = [
        variable(f"{name}_api_key")
        for name in (*PROVIDERS, VOICES)
        if not provider and name not in [one.provider for one in found]
    ]
    _tell(found, missing, as_json=as_json)
    if not all(one.answers for one in found):
        raise typer.Exit(FAILED)


def ask(model: Model, words: str) -> Asked:
    """Put one question to a model."""
    from pilar.providers.llm.asking import Question, User

    started = time.monotonic()
    try:
        told = model.ask(Question((User(words),), max_tokens=200))
    except PilarError as error:
        return Asked(model.provider, model.name, answers=False, said=error.message, milliseconds=_since(started))
    cost = told.usage.cost
    return Asked(
        model.provider,
        told.model,
        answers=True,
        said=told.text,
        milliseconds=_since(started),
        tokens=told.usage.tokens,
        cost_micro_usd=cost.micro_usd if cost else None,
    )


def look(voices: ElevenLabs) -> Asked:
    """See what the voice service has left; nothing is spoken."""
    started = time.monotonic()
    try:
        count = len(voices.voices())
        left = voices.subscription().characters_left
    except PilarError as error:
        return Asked(VOICES, None, answers=False, said=error.message, milliseconds=_since(started))
    said = f"{count} voices, {left} characters left"
    return Asked(VOICES, None, answers=True, said=said, milliseconds=_since(started))


def _tell(found: list[Asked], missing: list[str], *, as_json: bool) -> None:
    if as_json:
        answer_json({"asked": [asdict(one) for one in found], "missing": missing})
        return
    rows = [
        (
            one.provider,
            one.model or "",
            "answers" if one.answers else "does not answer",
            one.said,
            f"{one.milliseconds} ms",
            "" if one.tokens is None else str(one.tokens),
            "" if one.cost_micro_usd is None else f"{one.cost_micro_usd / 1_000_000:.6f} USD",
        )
        for one in found
    ]
    head = ("Provider", "Model", "State", "Said", "Time", "Tokens", "Cost")
    show_table(head, rows, nothing="There is no key of any provider.")
    if missing:
        answer(f"Not set: {', '.join(missing)}.")


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)

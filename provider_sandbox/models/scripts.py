"""Answers that a test has put ready. What belongs here: keeping them, and whether one is for a question."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from provider_sandbox.models.asked import Answer, Asked, Call, Provider
from provider_sandbox.models.errors import Kind, Refused
from provider_sandbox.state import Transaction

KIND = "models.script"
SEED = "models.seed"


class ScriptedCall(BaseModel):
    """A tool call; arguments given as text go out as they are, valid or not."""

    model_config = ConfigDict(extra="forbid")

    name: str
    arguments: dict[str, Any] | str = {}


class Script(BaseModel):
    """What to answer to a question that fits; exactly one of reply, call, refusal and error is given.

    Attributes:
        match: a pattern that is found in what a person said last; without one every question fits.
        provider: only questions to this one.
        model: only questions to this one.
        reply: the text of the answer, valid for the schema or not.
        call: a tool call.
        refusal: the model won't say it, in these words.
        error: the provider refuses.
        message: its words for that, where not the usual ones.
        retry_after: seconds that it asks to wait.
        cut_off: the answer ends for want of tokens.
        times: how often; None: whenever it fits.
    """

    model_config = ConfigDict(extra="forbid")

    match: str = ""
    provider: Provider | None = None
    model: str | None = None
    reply: str | None = None
    call: ScriptedCall | None = None
    refusal: str | None = None
    error: Kind | None = None
    message: str = ""
    retry_after: int | None = Field(None, ge=0)
    cut_off: bool = False
    times: int | None = Field(1, ge=1)

    @field_validator("match")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"{value!r} is no pattern: {error}") from error
        return value

    def fits(self, asked: Asked) -> bool:
        """Whether it is for this question."""
        return (
            self.provider in (None, asked.provider)
            and self.model in (None, asked.model)
            and re.search(self.match, asked.said, re.IGNORECASE) is not None
        )

    def outcome(self) -> Answer | Refused:
        """What comes of the question."""
        if self.error is not None:
            return Refused(self.error, self.message, self.retry_after)
        if self.refusal is not None:
            return Answer(self.refusal, finish="refused")
        if self.call is not None:
            arguments = self.call.arguments
            text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
            return Answer(calls=(Call(self.call.name, text),), finish="tools")
        return Answer(self.reply or "", finish="cut_off" if self.cut_off else "done")


class Scripts(BaseModel):
    """All that is put ready; the first that fits is taken."""

    model_config = ConfigDict(extra="forbid")

    seed: int = 0
    answers: list[Script] = []

    @field_validator("answers")
    @classmethod
    def _say_one_thing(cls, answers: list[Script]) -> list[Script]:
        for answer in answers:
            given = [name for name in ("reply", "call", "refusal", "error") if getattr(answer, name) is not None]
            if len(given) != 1:
                raise ValueError(f"give one of reply, call, refusal and error, not {given or 'none of them'}")
        return answers


def put(tx: Transaction, scripts: Scripts) -> None:
    """Replace all that was put ready."""
    clear(tx)
    tx.remember(SEED, str(scripts.seed))
    for number, script in enumerate(scripts.answers):
        tx.put(KIND, f"script_{number}", script.model_dump(mode="json"))


def clear(tx: Transaction) -> None:
    """Let nothing be ready any more, and the seed be 0."""
    tx.forget(SEED)
    tx.run("delete from object where kind = ?", KIND)


def seed(tx: Transaction) -> int:
    """The seed of answers that follow from a conversation."""
    return int(tx.setting(SEED) or 0)


def take(tx: Transaction, asked: Asked) -> Script | None:
    """The first script that fits, which is then used once more."""
    rows = tx.run("select id, body from object where kind = ? order by seq", KIND)
    for row in rows:
        script = Script.model_validate_json(row["body"])
        if not script.fits(asked):
            continue
        if script.times == 1:
            tx.remove(KIND, row["id"])
        elif script.times is not None:
            tx.change(KIND, row["id"], script.model_copy(update={"times": script.times - 1}).model_dump(mode="json"))
        return script
    return None

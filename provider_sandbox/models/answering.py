"""From a question to an answer that is counted. What belongs here: limits, scripts before rules, tokens and their cost.

What does not: how a protocol writes either of them (`openai.py`, `anthropic.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from provider_sandbox.models import catalogue, scripts
from provider_sandbox.models.asked import Answer, Asked
from provider_sandbox.models.errors import Refused
from provider_sandbox.models.replies import compose
from provider_sandbox.state import State, Transaction

KIND = "models.question"
TOKENS_OF_A_TURN = 4


@dataclass(frozen=True)
class Answered:
    """An answer with its number among all of its provider's, and what it took."""

    answer: Answer
    number: int
    created: int
    input_tokens: int
    output_tokens: int


def answer(state: State, asked: Asked) -> Answered:
    """Answer a question, and remember both.

    Raises:
        Refused: the provider does not answer it.
    """
    with state.transaction() as tx:
        outcome = _outcome(tx, asked)
        number = tx.count(KIND, owner=asked.provider) + 1
        read = catalogue.tokens(asked.all_text) + TOKENS_OF_A_TURN * len(asked.turns)
        if isinstance(outcome, Refused):
            # The refusal is an outcome that is kept, so it is raised when all is committed.
            _remember(tx, asked, number, {"error": outcome.kind})
        else:
            written = catalogue.tokens(outcome.text) + sum(catalogue.tokens(call.arguments) for call in outcome.calls)
            written = max(written, 1)
            _remember(tx, asked, number, _told(asked, outcome, read, written))
            tx.effect(f"{asked.provider}.answered", asked.model)
            return Answered(outcome, number, int(tx.now().timestamp()), read, written)
    raise outcome


def _outcome(tx: Transaction, asked: Asked) -> Answer | Refused:
    listed = catalogue.find(asked.provider, asked.model)
    if listed is None:
        return Refused("unknown_model", f"The model `{asked.model}` does not exist.")
    if catalogue.tokens(asked.all_text) + (asked.max_tokens or 0) > listed.context:
        return Refused("context_too_long", f"The context of this model is {listed.context} tokens.")
    script = scripts.take(tx, asked)
    made = script.outcome() if script else compose(replace(asked, seed=asked.seed or scripts.seed(tx)))
    if isinstance(made, Answer) and asked.max_tokens is not None and catalogue.tokens(made.text) > asked.max_tokens:
        return replace(made, text=catalogue.cut(made.text, asked.max_tokens), finish="cut_off")
    return made


def _told(asked: Asked, made: Answer, read: int, written: int) -> dict[str, Any]:
    listed = catalogue.find(asked.provider, asked.model)
    return {
        "answer": made.text,
        "calls": [{"name": call.name, "arguments": call.arguments} for call in made.calls],
        "finish": made.finish,
        "input_tokens": read,
        "output_tokens": written,
        "cost_micro_usd": listed.micro_usd(read, written) if listed else 0,
    }


def _remember(tx: Transaction, asked: Asked, number: int, outcome: dict[str, Any]) -> None:
    body = {
        "provider": asked.provider,
        "model": asked.model,
        "system": asked.system,
        "messages": [{"role": turn.role, "text": turn.text} for turn in asked.turns],
        "tools": [tool.name for tool in asked.tools],
        "schema": None if asked.schema is None else dict(asked.schema),
        "at": tx.now().isoformat(),
        **outcome,
    }
    tx.put(KIND, f"{asked.provider}_{number}", body, owner=asked.provider, key=asked.model)


def questions(tx: Transaction, provider: str | None = None) -> list[dict[str, Any]]:
    """Each question with what came of it, oldest first."""
    return tx.find(KIND, owner=provider)


def usage(tx: Transaction) -> list[dict[str, Any]]:
    """The bill: for each model how often it answered, how many tokens that took and what they cost."""
    rows = tx.run(
        "select owner as provider, key as model, count(*) as answers,"
        " sum(json_extract(body, '$.input_tokens')) as input_tokens,"
        " sum(json_extract(body, '$.output_tokens')) as output_tokens,"
        " sum(json_extract(body, '$.cost_micro_usd')) as cost_micro_usd from object"
        " where kind = ? and json_extract(body, '$.error') is null group by owner, key order by owner, key",
        KIND,
    )
    return [dict(row) for row in rows]

"""One client, three protocols: the same questions to OpenAI, Groq and Anthropic as the sandbox plays them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from pilar.errors import CredentialsRefused, Invalid, NotFound, Permanent, PilarError, Transient, UnusableAnswer
from pilar.providers.llm.asking import Finish, ProviderName, Question, Tool, ToolResult, User
from pilar.providers.llm.client import PROVIDERS, Model, Models
from provider_sandbox.testing import RunningSandbox, running_sandbox, sandbox_config
from tests.contract.world import settings_for

MODELS: dict[ProviderName, str] = {
    "openai": "gpt-4.1-mini",
    "groq": "openai/gpt-oss-20b",
    "anthropic": "claude-haiku-4-5",
}
EVERY = pytest.mark.parametrize("provider", PROVIDERS)


class Slot(BaseModel):
    """When somebody would come."""

    day: Literal["monday", "tuesday"]
    hour: int = Field(ge=8, le=20)


class Enquiry(BaseModel):
    """What somebody wants."""

    language: str
    intent: Literal["trial", "price"]
    reply: str = Field(max_length=300)
    note: str | None = None
    seats: int = 1
    slots: list[Slot] = Field(default=[], max_length=3)


FIND_SLOT = Tool("find_slot", "Look for a free slot.", Slot)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    state: Path = tmp_path_factory.mktemp("models")
    with running_sandbox(sandbox_config(state)) as running:
        yield running


@pytest.fixture(autouse=True)
def sandbox(served: RunningSandbox) -> RunningSandbox:
    served.script_models()
    return served


@pytest.fixture(scope="module")
def models(served: RunningSandbox) -> Iterator[Models]:
    found = Models(settings_for(served))
    yield found
    found.close()


def model(models: Models, provider: ProviderName) -> Model:
    return models.of(provider, MODELS[provider])


def say(text: str, **more: Any) -> Question:
    return Question((User(text),), **more)


@EVERY
def test_a_question_is_answered_and_counted(models: Models, sandbox: RunningSandbox, provider: ProviderName) -> None:
    question = say("Hallo, wat kost een abonnement?", system="Je helpt een studio.", temperature=0.3)
    answer = model(models, provider).ask(question)
    assert answer.text.startswith("Hallo!")
    assert "abonnement" in answer.text
    assert (answer.finish, answer.attempts, answer.output, answer.calls) == (Finish.DONE, 1, None, ())
    told = sandbox.questions(provider)[-1]
    assert (told["system"], told["messages"]) == (
        question.system,
        [{"role": "user", "text": question.messages[0].text}],
    )
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (told["input_tokens"], told["output_tokens"])
    assert answer.usage.cost is not None
    assert answer.usage.cost.micro_usd == told["cost_micro_usd"] > 0, "our price list and their bill agree"
    assert answer.usage.cost.money.minor == 1, "a part of a cent is a cent"
    again = model(models, provider).ask(question)
    assert again.text == answer.text, "the same question has the same answer"


@EVERY
def test_a_document_comes_filled_in_and_valid(models: Models, provider: ProviderName) -> None:
    answer = model(models, provider).ask(say("What is the price on Tuesday at 18 h?"), Enquiry)
    assert answer.output is not None
    assert (answer.output.intent, answer.output.language, answer.attempts) == ("price", "en", 1)
    assert all(isinstance(slot, Slot) for slot in answer.output.slots)


@EVERY
def test_a_document_that_is_not_valid_is_asked_for_once_more(
    models: Models, sandbox: RunningSandbox, provider: ProviderName
) -> None:
    wrong = '{"language": "en", "intent": "to chat", "reply": "Hi", "note": null, "seats": null, "slots": []}'
    sandbox.script_models({"reply": wrong, "provider": provider})
    answer = model(models, provider).ask(say("A trial, please"), Enquiry)
    assert answer.output is not None
    assert answer.attempts == 2
    first, second = sandbox.questions(provider)[-2:]
    assert answer.usage.tokens == sum(one["input_tokens"] + one["output_tokens"] for one in (first, second))
    assert [message["text"] for message in second["messages"]][:2] == ["A trial, please", wrong]
    assert "intent: Input should be 'trial' or 'price'" in second["messages"][2]["text"]


@EVERY
def test_what_is_not_valid_twice_is_unusable_and_says_what_it_took(
    models: Models, sandbox: RunningSandbox, provider: ProviderName
) -> None:
    before = len(sandbox.questions(provider))
    sandbox.script_models({"reply": "{nonsense", "provider": provider, "times": None})
    with pytest.raises(UnusableAnswer, match="It is not JSON") as caught:
        model(models, provider).ask(say("A trial, please"), Enquiry)
    asked = sandbox.questions(provider)[before:]
    assert len(asked) == 2
    assert caught.value.details["tokens"] == sum(one["input_tokens"] + one["output_tokens"] for one in asked)


@EVERY
def test_an_answer_that_is_cut_off_is_not_asked_for_again(
    models: Models, sandbox: RunningSandbox, provider: ProviderName
) -> None:
    cut = model(models, provider).ask(say("Hello, what about the membership?", max_tokens=3))
    assert cut.finish is Finish.CUT_OFF
    assert cut.usage.output_tokens == 3
    before = len(sandbox.questions(provider))
    with pytest.raises(UnusableAnswer, match="allow more"):
        model(models, provider).ask(say("A trial, please", max_tokens=16), Enquiry)
    assert len(sandbox.questions(provider)) == before + 1


@EVERY
def test_a_refusal_is_an_answer(models: Models, sandbox: RunningSandbox, provider: ProviderName) -> None:
    sandbox.script_models({"refusal": "I won't say that.", "provider": provider})
    answer = model(models, provider).ask(say("Tell me of medicines"), Enquiry)
    assert (answer.finish, answer.text, answer.output) == (Finish.REFUSED, "I won't say that.", None)


@EVERY
def test_a_tool_is_asked_for_and_its_result_is_used(models: Models, provider: ProviderName) -> None:
    question = say("Is there a slot on Monday at 9?", tools=(FIND_SLOT,))
    asked = model(models, provider).ask(question)
    (call,) = asked.calls
    assert (asked.finish, call.name, call.arguments) == (Finish.TOOLS, "find_slot", {"day": "monday", "hour": 9})
    told = model(models, provider).ask(question.and_then(asked.said(), ToolResult(call.id, "Monday 9:00 is free")))
    assert (told.finish, told.calls, told.text) == (Finish.DONE, (), "I looked: Monday 9:00 is free")


@EVERY
def test_a_document_may_be_given_after_a_tool_was_used(models: Models, provider: ProviderName) -> None:
    question = say("A trial: is there a slot?", tools=(FIND_SLOT,))
    asked = model(models, provider).ask(question, Enquiry)
    assert (asked.finish, asked.output) == (Finish.TOOLS, None)
    failed = ToolResult(asked.calls[0].id, "the calendar is away", failed=True)
    assert model(models, provider).ask(question.and_then(asked.said(), failed), Enquiry).output is not None


@EVERY
@pytest.mark.parametrize(
    ("call", "told"),
    [
        ({"name": "find_slot", "arguments": {"day": "sunday", "hour": 9}}, "day: Input should be"),
        ({"name": "pay_out", "arguments": {}}, "There is no tool 'pay_out'; there are: find_slot."),
    ],
)
def test_a_call_that_is_not_valid_is_repaired(
    models: Models, sandbox: RunningSandbox, provider: ProviderName, call: dict[str, Any], told: str
) -> None:
    sandbox.script_models({"call": call, "provider": provider})
    answer = model(models, provider).ask(say("Is there a slot?", tools=(FIND_SLOT,)))
    assert answer.attempts == 2
    assert [one.name for one in answer.calls] == ["find_slot"]
    assert told in sandbox.questions(provider)[-1]["messages"][-1]["text"]


REFUSALS: list[tuple[str, dict[ProviderName, type[PilarError]]]] = [
    ("invalid_key", dict.fromkeys(PROVIDERS, CredentialsRefused)),
    ("rate_limited", dict.fromkeys(PROVIDERS, Transient)),
    ("out_of_credit", dict.fromkeys(PROVIDERS, Permanent)),
    ("context_too_long", dict.fromkeys(PROVIDERS, Invalid)),
    ("unknown_model", dict.fromkeys(PROVIDERS, NotFound)),
    ("bad_request", dict.fromkeys(PROVIDERS, Invalid)),
    ("too_large", {"openai": Invalid, "groq": Invalid, "anthropic": Invalid}),
    ("failed_dependency", {"openai": Invalid, "groq": Permanent, "anthropic": Transient}),
    ("capacity_exceeded", dict.fromkeys(PROVIDERS, Transient)),
    ("overloaded", dict.fromkeys(PROVIDERS, Transient)),
    ("server_error", dict.fromkeys(PROVIDERS, Transient)),
]


@EVERY
@pytest.mark.parametrize(("refusal", "meaning"), REFUSALS, ids=[name for name, _ in REFUSALS])
def test_each_refusal_means_the_right_thing(
    models: Models,
    sandbox: RunningSandbox,
    provider: ProviderName,
    refusal: str,
    meaning: dict[ProviderName, type[PilarError]],
) -> None:
    sandbox.script_models({"error": refusal, "provider": provider})
    with pytest.raises(meaning[provider]) as caught:
        model(models, provider).ask(say("Hello"))
    assert type(caught.value) is meaning[provider]
    assert sandbox.questions(provider)[-1]["error"] == refusal, "it was asked once, the rest is the queue's"


@EVERY
@pytest.mark.parametrize("refusal", ["rate_limited", "overloaded"])
def test_the_wait_that_a_provider_asks_for_is_told(
    models: Models, sandbox: RunningSandbox, provider: ProviderName, refusal: str
) -> None:
    sandbox.script_models({"error": refusal, "provider": provider, "retry_after": 17})
    with pytest.raises(Transient) as caught:
        model(models, provider).ask(say("Hello"))
    assert caught.value.retry_after == timedelta(seconds=17)


@EVERY
def test_a_wrong_key_and_a_model_that_is_not_there(
    models: Models, sandbox: RunningSandbox, provider: ProviderName
) -> None:
    with pytest.raises(NotFound, match="gpt-0"):
        models.of(provider, "gpt-0").ask(say("Hello"))
    strangers = Models(settings_for(sandbox).model_copy(update={f"{provider}_api_key": "somebody-elses"}))
    with pytest.raises(CredentialsRefused):
        model(strangers, provider).ask(say("Hello"))
    strangers.close()


def test_a_question_that_is_too_long_for_the_model_is_our_mistake(models: Models) -> None:
    with pytest.raises(Invalid, match="8192 tokens"):
        models.of("openai", "gpt-4").ask(say("abcd " * 9_000))


def test_a_request_that_is_too_large_for_groq_is_not_tried_again_whatever_its_code_says(
    models: Models, sandbox: RunningSandbox
) -> None:
    sandbox.script_models({"error": "too_large"})
    with pytest.raises(Invalid) as caught:
        model(models, "groq").ask(say("Hello"))
    assert (caught.value.details["status"], caught.value.details["provider_code"]) == (413, "request_too_large")


@pytest.mark.parametrize(
    ("provider", "name"),
    [("openai", "gpt-5-nano"), ("anthropic", "claude-opus-5-5"), ("groq", "llama-3.1-8b-instant")],
)
def test_models_with_ways_of_their_own_are_asked_their_way(
    models: Models, sandbox: RunningSandbox, provider: ProviderName, name: str
) -> None:
    """Some take no temperature, some can't be held to a schema, and some want what they thought back."""
    asked = models.of(provider, name)
    for _ in range(2):
        before = len(sandbox.questions(provider))
        answer = asked.ask(say("The price, please", system="You help.", temperature=0.2), Enquiry)
        assert answer.output is not None
        assert answer.output.intent == "price"
        assert answer.attempts == 1
        assert len(sandbox.questions(provider)) == before + 1
    question = say("Is there a slot?", tools=(FIND_SLOT,))
    called = asked.ask(question)
    told = asked.ask(question.and_then(called.said(), ToolResult(called.calls[0].id, "yes")))
    assert told.text == "I looked: yes"


def test_the_bill_is_told_by_model(models: Models, sandbox: RunningSandbox) -> None:
    before = {row["model"]: row["answers"] for row in sandbox.model_usage()}
    effects = sandbox.effects().get("groq.answered", 0)
    answer = models.of("groq", "openai/gpt-oss-120b").ask(say("Hello"))
    (row,) = [row for row in sandbox.model_usage() if row["model"] == "openai/gpt-oss-120b"]
    assert row["answers"] == before.get("openai/gpt-oss-120b", 0) + 1
    assert answer.usage.cost is not None
    assert row["cost_micro_usd"] >= answer.usage.cost.micro_usd > 0
    assert sandbox.effects()["groq.answered"] == effects + 1

"""Documents for models: the schema is one that every provider takes, and what comes back is read as people meant it."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from pilar.money import Money
from pilar.providers.llm.asking import Usage
from pilar.providers.llm.forms import Misfit, name_of, read, schema_of
from pilar.providers.llm.prices import PRICES, Cost, Price, price_of
from provider_sandbox.models import bodies
from provider_sandbox.models.filling import Material, fill_text


class Part(BaseModel):
    """A part."""

    kind: Literal["a", "b"] = "a"
    count: int = Field(2, ge=1, le=9)
    inner: Part | None = None


class Whole(BaseModel):
    """The whole."""

    name: Annotated[str, Field(min_length=2, max_length=20, description="A name.")]
    parts: list[Part] = Field(default=[], max_length=4)
    either: Part | str = "nothing"
    weight: float = Field(gt=0, lt=100)
    maybe: bool | None = None


class Free(BaseModel):
    anything: dict[str, int]


class Shapeless(BaseModel):
    anything: Any


def test_the_schema_is_of_the_part_that_every_provider_takes() -> None:
    schema = schema_of(Whole)
    assert bodies.strict(schema, "Whole") is schema
    assert schema["properties"]["name"] == {
        "type": "string",
        "description": "A name. (minLength 2, maxLength 20)",
    }
    assert schema["required"] == ["name", "parts", "either", "weight", "maybe"]


@pytest.mark.parametrize(("model", "why"), [(Free, "list of pairs"), (Shapeless, "any shape")])
def test_a_document_that_no_model_can_be_held_to_is_refused_at_once(model: type[BaseModel], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        schema_of(model)


@given(st.text(), st.integers(0, 9))
def test_what_the_sandbox_fills_in_is_valid_whatever_is_said(prompt: str, seed: int) -> None:
    filled = fill_text(schema_of(Whole), Material(prompt, "Hello", "en", seed))
    assert read(Whole, filled)
    assert filled == fill_text(schema_of(Whole), Material(prompt, "Hello", "en", seed))


def test_null_stands_for_what_is_left_out_however_deep() -> None:
    text = json.dumps(
        {
            "name": "Bo", "weight": 1, "either": None, "maybe": None,
            "parts": [{"kind": None, "count": None, "inner": {"kind": "b", "count": None, "inner": None}}],
        }
    )  # fmt: skip
    assert read(Whole, text) == Whole(name="Bo", weight=1, parts=[Part(inner=Part(kind="b"))])
    with pytest.raises(Misfit, match="name: Field required"):
        read(Whole, '{"name": null, "weight": 1}')


@pytest.mark.parametrize("text", ['```json\n{"count": 3}\n```', ' {"count": 3} ', '```\n{"count": 3}```'])
def test_a_fenced_block_is_read_like_a_bare_one(text: str) -> None:
    assert read(Part, text) == Part(count=3)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not JSON"),
        ("Sure! {}", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "the document: Input should be a valid dictionary"),
        ('{"count": 12}', "count: Input should be less than or equal to 9"),
        ('{"kind": "c", "count": 0}', "kind: .*; count: "),
    ],
)
def test_what_is_wrong_is_told_in_words(text: str, told: str) -> None:
    with pytest.raises(Misfit, match=told):
        read(Part, text)


@given(st.text())
def test_no_answer_breaks_the_reading(text: str) -> None:
    try:
        read(Whole, text)
    except Misfit:
        return
    raise AssertionError("no text that was made up is a whole document")


def test_a_documents_name_has_the_letters_that_providers_allow() -> None:
    assert name_of(type("Größe[int]" + "x" * 80, (BaseModel,), {})) == ("Gr__e_int_" + "x" * 80)[:64]


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("openai", "gpt-4.1-mini", Price(40, 160)),
        ("openai", "gpt-4.1-mini-2025-04-14", Price(40, 160)),
        ("openai", "gpt-5.4-mini", None),
        ("anthropic", "claude-haiku-4-5-20251001", Price(100, 500)),
        ("groq", "openai/gpt-oss-20b", Price(7.5, 30)),
        ("groq", "gpt-4.1-mini", None),
        ("elsewhere", "gpt-4.1-mini", None),
    ],
)
def test_a_price_is_of_the_model_and_its_snapshots_and_never_guessed(
    provider: str, model: str, expected: Price | None
) -> None:
    assert price_of(provider, model) == expected


def test_cost_is_rounded_up_and_a_long_question_costs_more() -> None:
    assert Price(40, 160).of(1_000_000, 1_000_000) == Cost(2_000_000)
    assert Price(40, 160).of(1, 0) == Cost(1)
    assert Cost(2_000_001).money == Money(201, "USD")
    haiku = PRICES["anthropic"]["claude-haiku-5-5"]
    assert haiku.of(100_000, 0) == Cost(10_000)
    assert haiku.of(200_000, 0) == Cost(100_000)


def test_usage_adds_up_and_a_cost_that_is_not_known_stays_so() -> None:
    assert Usage(1, 2, Cost(3)) + Usage(10, 20, Cost(30)) == Usage(11, 22, Cost(33))
    assert (Usage(1, 2, Cost(3)) + Usage(1, 1, None)).cost is None

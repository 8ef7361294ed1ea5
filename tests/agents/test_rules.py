"""Rules are checked when they are saved: what can't be done, said or matched is refused then, and not when a lead waits."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pilar.agents.rules import ACTIONS, CONDITIONS, RuleDocument

WORD = {"type": "keyword_match", "operator": "any_of", "value": ["price"]}


def rule(**changes: Any) -> RuleDocument:
    return RuleDocument.model_validate({"name": "prices", "conditions": [WORD], **changes})


def says(text: str) -> dict[str, Any]:
    return {"type": "send_text", "texts": {"en": text}}


def offers(text: str) -> dict[str, Any]:
    return {"type": "call_function", "function": "offer_trial_slot", "texts": {"en": text}}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"actions": [says("Hi {nickname}")]}, "no placeholder {nickname}"),
        ({"actions": [says("Hi {first_name.__class__}")]}, "no placeholder"),
        ({"actions": [says("Hi {first_name!r}")]}, "no placeholder"),
        ({"actions": [says("Hi {first_name:>9999999}")]}, "no placeholder"),
        ({"actions": [says("Hi {}")]}, "no placeholder"),
        ({"actions": [says("It is {slot}")]}, "no placeholder {slot}"),
        ({"actions": [says("50 % off {")]}, "brace"),
        ({"variants": {"b": [says("Hi {nickname}")]}}, "no placeholder"),
        ({"actions": [says("Hi"), says("Hi again")]}, "answered once"),
        ({"actions": [says("Hi"), {"type": "escalate", "reason": "angry"}]}, "answered once"),
        ({"actions": [{"type": "send_text", "texts": {}}]}, "at least 1"),
        ({"actions": [{"type": "send_text", "texts": {"english": "Hi"}}]}, "pattern"),
        ({"actions": [{"type": "call_function", "function": "drop_tables", "texts": {"en": "x"}}]}, "offer_trial_slot"),
        ({"actions": [{**says("Hi"), "delay": 5}]}, "Extra inputs"),
        ({"priority": 101}, "less than or equal to 100"),
        ({"goal": "fame"}, "booking"),
        ({"conditions": []}, "at least 1"),
        ({"conditions": [{"type": "sentiment", "operator": "equals", "value": "sad"}]}, "keyword_match"),
        ({"conditions": [{**WORD, "operator": "regex", "value": "("}]}, "no pattern that can be used"),
        ({"conditions": [{**WORD, "operator": "regex", "value": r"(a)\1"}]}, "no pattern that can be used"),
        ({"conditions": [{**WORD, "operator": "regex", "value": "a" * 501}]}, "at most 500"),
        ({"conditions": [{**WORD, "operator": "regex", "value": ["a", "b"]}]}, "one pattern"),
        ({"conditions": [{**WORD, "weight": 2}]}, "Extra inputs"),
    ],
)
def test_what_can_not_be_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError) as refused:
        rule(**changes)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    "condition",
    [
        {"type": "lead_property", "property": "age", "operator": "greater_than", "value": "old"},
        {"type": "lead_property", "property": "age", "operator": "less_than", "value": True},
        {"type": "lead_property", "property": "country", "operator": "any_of", "value": "NL"},
        {"type": "lead_property", "property": "country", "operator": "equals", "value": ["NL"]},
        {"type": "time_based", "property": "time", "operator": "equals", "value": "09:00"},
        {"type": "time_based", "property": "time", "operator": "less_than", "value": "25:00"},
        {"type": "time_based", "property": "weekday", "operator": "equals", "value": 8},
        {"type": "time_based", "property": "weekday", "operator": "any_of", "value": 6},
    ],
)
def test_conditions_that_could_never_hold_are_refused(condition: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        rule(conditions=[condition])


def test_what_is_stored_is_read_again_as_it_was() -> None:
    saved = rule(
        conditions=[
            WORD,
            {"type": "lead_property", "property": "age", "operator": "less_than", "value": 30},
            {"type": "lead_property", "property": "vip", "operator": "equals", "value": True},
            {"type": "time_based", "property": "time", "operator": "greater_than", "value": "20:00"},
            {"type": "time_based", "property": "weekday", "operator": "any_of", "value": [6, 7]},
        ],
        actions=[{"type": "tag_lead", "tag": "late"}, offers("Come on {slot}, {first_name}!")],
        variants={"b": [{"type": "send_template", "name": "welcome_lead"}]},
    )
    stored = saved.model_dump(mode="json")
    assert CONDITIONS.validate_python(stored["conditions"]) == saved.conditions
    assert ACTIONS.validate_python(stored["actions"]) == saved.actions
    assert RuleDocument.model_validate(stored) == saved

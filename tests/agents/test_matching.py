"""Which rule answers: the highest priority of those whose conditions all hold, whatever order they come in."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilar.agents.default_rules import RULES
from pilar.agents.matching import LeadFacts, Situation, choose, holds, matches, ranked, situation
from pilar.agents.rules import CONDITIONS, Condition, KeywordMatch, Rule
from pilar.ids import new_id
from pilar.messaging.wording import Wish, wish_of
from provider_sandbox.personas import OPENINGS, THANKS, YES

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday
ANNA = LeadFacts("nl", "NL", tags=("trial", "Vip"), properties={"age": 30, "member": True, "city": "Den Haag"})


def at(text: str, lead: LeadFacts = ANNA, local: datetime = NOON) -> Situation:
    return situation(text, lead, local)


def condition(**values: Any) -> Condition:
    return CONDITIONS.validate_python([values])[0]


def words(operator: str, *value: str) -> Condition:
    return condition(type="keyword_match", operator=operator, value=value)


def made(name: str, priority: int = 50, *conditions: Condition, active: bool = True) -> Rule:
    given = conditions or (words("any_of", "hi"),)
    return Rule(new_id(), name, "reply", priority, 1, given, (), {}, active)


DEFAULTS = [
    Rule(UUID(int=number), one.name, one.goal, one.priority, 1, one.conditions, one.actions, one.variants or {}, True)
    for number, one in enumerate(RULES)
]


def chosen(text: str, lead: LeadFacts = ANNA) -> str | None:
    rule = choose(DEFAULTS, at(text, lead))
    return rule.name if rule else None


@pytest.mark.parametrize(
    ("found", "text", "wanted"),
    [
        (True, "YES!", words("equals", "no", "yes")),
        (False, "yes please", words("equals", "yes")),
        (True, "Wann habt ihr geöffnet?", words("any_of", "GEÖFFNET")),
        (True, "wann habt ihr geoffnet", words("any_of", "geöffnet")),
        (False, "priceless", words("any_of", "price")),
        (True, "what's the  price, please", words("contains", "the price", "please")),
        (False, "what's the price", words("contains", "price", "please")),
        (True, "I want 12 lessons", words("regex", r"\d+ lessons?$")),
        (False, "", words("regex", "^x*$y")),
        (False, "?!", words("equals", "?!")),
    ],
)
def test_words(found: bool, text: str, wanted: Condition) -> None:
    assert holds(wanted, at(text)) is found


@pytest.mark.parametrize(
    ("found", "name", "operator", "value"),
    [
        (True, "country", "equals", "nl"),
        (True, "country", "any_of", ["BE", "NL"]),
        (True, "tags", "contains", "VIP"),
        (False, "tags", "contains", "Vi"),
        (True, "city", "contains", "haag"),
        (True, "age", "greater_than", 29),
        (False, "age", "greater_than", 30),
        (True, "age", "less_than", 30.5),
        (False, "city", "less_than", 30),
        (True, "member", "equals", True),
        (False, "member", "equals", 1),
        (False, "shoe_size", "equals", 42),
        (False, "shoe_size", "less_than", 42),
    ],
)
def test_what_is_known_of_the_lead(found: bool, name: str, operator: str, value: Any) -> None:
    assert holds(condition(type="lead_property", property=name, operator=operator, value=value), at("hi")) is found


@pytest.mark.parametrize(
    ("found", "name", "operator", "value"),
    [
        (True, "weekday", "equals", 3),
        (False, "weekday", "any_of", [6, 7]),
        (True, "weekday", "less_than", 4),
        (True, "time", "less_than", "12:01"),
        (False, "time", "less_than", "12:00"),
        (True, "time", "greater_than", "11:59"),
    ],
)
def test_the_studios_local_time(found: bool, name: str, operator: str, value: Any) -> None:
    assert holds(condition(type="time_based", property=name, operator=operator, value=value), at("hi")) is found


def test_all_conditions_have_to_hold() -> None:
    wednesday = condition(type="time_based", property="weekday", operator="equals", value=3)
    both = made("both", 50, words("any_of", "hi"), wednesday)
    assert matches(both, at("hi"))
    assert not matches(both, at("hi", local=NOON.replace(day=5)))
    assert not matches(both, at("bye"))


rules = st.lists(
    st.builds(
        made,
        st.sampled_from("abcdefgh"),
        st.integers(1, 5),
        st.sampled_from([words("any_of", word) for word in ("hi", "price", "trial")]),
        active=st.booleans(),
    ),
    max_size=8,
    unique_by=lambda rule: rule.name,
)


@given(rules, st.randoms(use_true_random=False), st.sampled_from(["hi", "price?", "hi, a trial", "what"]))
def test_the_order_of_the_rows_says_nothing(found: list[Rule], chance: Any, text: str) -> None:
    shuffled = chance.sample(found, len(found))
    assert choose(shuffled, at(text)) == choose(found, at(text))


@given(rules, st.sampled_from(["hi", "price?", "hi, a trial", "what"]))
def test_the_chosen_one_matches_and_none_before_it_does(found: list[Rule], text: str) -> None:
    rule = choose(found, at(text))
    in_force = [one for one in ranked(found) if one.active]
    before = in_force[: in_force.index(rule)] if rule else in_force
    assert rule is None or (rule.active and matches(rule, at(text)))
    assert not any(matches(one, at(text)) for one in before)


@given(rules)
def test_a_higher_priority_is_tried_first_and_a_name_decides_among_equals(found: list[Rule]) -> None:
    for one, other in pairwise(ranked(found)):
        assert (one.priority, other.name) >= (other.priority, one.name)


@settings(max_examples=40)
@given(st.text(max_size=300))
def test_no_text_breaks_the_rules(text: str) -> None:
    choose(DEFAULTS, at(text))


def test_a_pattern_that_would_hang_others_is_matched_in_no_time() -> None:
    wanted = KeywordMatch(operator="regex", value=("^(a|aa|a?)+$",))
    assert not holds(wanted, at("a" * 1_000 + "b"))  # an engine that backtracks would not be back this year


@pytest.mark.parametrize(("persona", "rule"), [
    ("curious", "prices"), ("trial", "trial"), ("stopper", "opening_hours"), ("coached", "coach"),
])  # fmt: skip
@pytest.mark.parametrize("language", ["en", "nl", "de"])
def test_every_simulated_lead_meets_its_rule(persona: Any, rule: str, language: Any) -> None:
    assert chosen(OPENINGS[persona][language]) == rule
    assert wish_of(OPENINGS["person"][language]) is Wish.PERSON
    assert chosen(THANKS[language]) == "thanks"
    assert chosen(YES[language]) == "accept"
    assert chosen(YES[language], LeadFacts(language)) is None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Thanks, what does it cost?", "prices"),
        ("ok super, vielen Dank!", "thanks"),
        ("👍", "thanks"),
        ("Hi there!", "greeting"),
        ("Goedemorgen", "greeting"),
        ("Hello, do you have showers?", None),
        ("is it ok to bring a friend?", None),
        ("كم السعر", None),
        ("???", None),
        ("Welke dag kan ik komen?", None),
        ("Hoeveel kost een proeftraining?", "trial"),
    ],
)
def test_what_the_first_rules_make_of_what_people_write(text: str, rule: str | None) -> None:
    assert chosen(text) == rule

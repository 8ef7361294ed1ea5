"""Which rule answers a message. What belongs here: the one pure rule over rules, text, lead and local time.

The highest priority goes first; among equals the name decides, so that the same message gets the same answer however
the rows come. All conditions of a rule have to hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from pilar.agents import patterns
from pilar.agents.rules import Choice, Condition, KeywordMatch, LeadProperty, MessageKind, Rule, TimeBased
from pilar.messaging.folding import folded

LONGEST_READ = 2_000
"""Characters of a message that are looked at; nobody asks for a price after that."""


@dataclass(frozen=True)
class LeadFacts:
    """What is known of a lead, as far as rules may ask for it."""

    language: str
    country: str | None = None
    lifecycle: str = "lead"
    source: str = "whatsapp"
    tags: tuple[str, ...] = ()
    properties: Mapping[str, Any] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        """What the lead's property of that name is; None where there is none."""
        if name in {"language", "country", "lifecycle", "source", "tags"}:
            return getattr(self, name)
        return self.properties.get(name)


@dataclass(frozen=True)
class Situation:
    """A message with what rules may ask for.

    Attributes:
        words: the text, folded.
        lead: who wrote it.
        local: when, in the studio's time zone.
        kind: WhatsApp's word for what kind of message it is.
        choice: the payload or id of what was chosen; None: nothing was.
    """

    words: str
    lead: LeadFacts
    local: datetime
    kind: str = "text"
    choice: str | None = None


def situation(
    text: str, lead: LeadFacts, local: datetime, *, kind: str = "text", choice: str | None = None
) -> Situation:
    """The situation that a message makes."""
    return Situation(folded(text[:LONGEST_READ]), lead, local, kind, choice)


def choose(rules: Iterable[Rule], at: Situation) -> Rule | None:
    """The rule that answers, None where none does."""
    return next((rule for rule in ranked(rules) if rule.active and _takes(rule, at) and matches(rule, at)), None)


def _takes(rule: Rule, at: Situation) -> bool:
    """Whether a rule is about such messages: those without words are only for rules that name kinds or choices."""
    return bool(at.words) or any(isinstance(one, MessageKind | Choice) for one in rule.conditions)


def ranked(rules: Iterable[Rule]) -> list[Rule]:
    """Rules in the order in which they are tried."""
    return sorted(rules, key=lambda rule: (-rule.priority, rule.name))


def matches(rule: Rule, at: Situation) -> bool:
    """Whether all conditions of a rule hold."""
    return all(holds(condition, at) for condition in rule.conditions)


def holds(condition: Condition, at: Situation) -> bool:
    """Whether one condition holds."""
    if isinstance(condition, KeywordMatch):
        return _says(condition, at.words)
    if isinstance(condition, LeadProperty):
        return _has(condition, at.lead.get(condition.property))
    if isinstance(condition, MessageKind):
        return at.kind in condition.value
    if isinstance(condition, Choice):
        return at.choice is not None and _chose(condition, at.choice)
    return _is_time(condition, at.local)


def _chose(wanted: Choice, choice: str) -> bool:
    return choice in wanted.value if wanted.operator == "any_of" else choice.startswith(wanted.value)


def _says(wanted: KeywordMatch, words: str) -> bool:
    if wanted.operator == "regex":
        return patterns.compiled(wanted.value[0]).search(words) is not None
    phrases = [folded(phrase) for phrase in wanted.value]
    if wanted.operator == "equals":
        return bool(words) and words in phrases
    found = (_occurs(phrase, words) for phrase in phrases)
    return all(found) if wanted.operator == "contains" else any(found)


def _occurs(phrase: str, words: str) -> bool:
    """Whether a phrase occurs as whole words; one that is nothing but punctuation occurs nowhere."""
    return bool(phrase) and _whole(phrase).search(words) is not None


@lru_cache(maxsize=10_000)
def _whole(phrase: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(phrase)}(?!\w)")


def _has(wanted: LeadProperty, found: Any) -> bool:
    if found is None:
        return False
    value = wanted.value
    if wanted.operator == "equals":
        return _same(found, value)
    if wanted.operator == "any_of":
        return isinstance(value, tuple) and any(_same(found, one) for one in value)
    if wanted.operator == "contains":
        if isinstance(found, list | tuple):
            return any(_same(one, value) for one in found)
        return isinstance(found, str) and folded(str(value)) in folded(found)
    if not _is_number(found) or not _is_number(value):
        return False
    return bool(found > value if wanted.operator == "greater_than" else found < value)


def _same(found: Any, value: Any) -> bool:
    if isinstance(found, str) and isinstance(value, str):
        return folded(found) == folded(value)
    # Without the types 1 would be the same as True.
    return isinstance(found, bool) == isinstance(value, bool) and bool(found == value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_time(wanted: TimeBased, local: datetime) -> bool:
    now: Any = local.isoweekday() if wanted.property == "weekday" else local.time()
    value: Any = wanted.value
    if wanted.operator == "any_of":
        return now in value
    if wanted.operator == "equals":
        return bool(now == value)
    return bool(now > value if wanted.operator == "greater_than" else now < value)

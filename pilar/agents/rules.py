"""What a rule is: when it answers, and what it does. What belongs here: the documents' shape, checked on saving.

What does not: choosing a rule (`matching.py`) and doing what it says (`answering.py`). Unknown fields are refused, so
that a mistyped one is not silently ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

from pilar.agents import patterns, texts

Goal = Literal["reply", "booking"]
Function = Literal["offer_trial_slot", "offer_slots", "book_offered_slot", "ask_for_coaching"]
Phrase = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1_000, strip_whitespace=True)]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Scalar = bool | int | float | str
Kind = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")]
Payload = Annotated[str, StringConstraints(min_length=1, max_length=256)]


def _as_list(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KeywordMatch(_Document):
    """The message's words, folded as all texts are that are compared.

    Attributes:
        operator: equals: the whole message is one of the phrases; contains: all of them occur in it as whole words;
            any_of: one of them does; regex: a pattern is found in it.
        value: the phrases, or the one pattern.
    """

    type: Literal["keyword_match"] = "keyword_match"
    operator: Literal["equals", "contains", "any_of", "regex"]
    value: Annotated[tuple[Annotated[str, StringConstraints(min_length=1)], ...], BeforeValidator(_as_list)] = Field(
        min_length=1, max_length=50
    )

    @model_validator(mode="after")
    def _check(self) -> KeywordMatch:
        if self.operator == "regex":
            if len(self.value) > 1:
                raise ValueError("one condition has one pattern")
            patterns.compiled(self.value[0])
        elif any(len(phrase) > 200 for phrase in self.value):
            raise ValueError("a phrase has at most 200 characters")
        return self


class LeadProperty(_Document):
    """What is known of the lead.

    Attributes:
        property: language, country, lifecycle, source, tags, or one of the lead's own properties.
        operator: contains: the list has it, or the text has it as a part; any_of: it is one of several; greater_than
            and less_than compare numbers. What the lead doesn't have fulfils nothing.
        value: what it is compared with; a list for any_of.
    """

    type: Literal["lead_property"] = "lead_property"
    property: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    operator: Literal["equals", "contains", "any_of", "greater_than", "less_than"]
    value: Scalar | tuple[Scalar, ...]

    @model_validator(mode="after")
    def _check(self) -> LeadProperty:
        if (self.operator == "any_of") != isinstance(self.value, tuple):
            raise ValueError("any_of takes a list, and nothing else does")
        is_number = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        if self.operator in {"greater_than", "less_than"} and not is_number:
            raise ValueError("only numbers can be compared with more and less")
        return self


class TimeBased(_Document):
    """The studio's local time.

    Attributes:
        property: weekday (ISO: 1 is Monday) or time.
        operator: for time: greater_than (later than) and less_than (earlier than); for weekday any of them.
        value: a weekday, a list of them for any_of, or a time as HH:MM.
    """

    type: Literal["time_based"] = "time_based"
    property: Literal["weekday", "time"]
    operator: Literal["equals", "any_of", "greater_than", "less_than"]
    value: int | tuple[int, ...] | time

    @model_validator(mode="after")
    def _check(self) -> TimeBased:
        if self.property == "time":
            if not isinstance(self.value, time) or self.operator not in {"greater_than", "less_than"}:
                raise ValueError("a time is earlier (less_than) or later (greater_than) than HH:MM")
            return self
        days = self.value if isinstance(self.value, tuple) else (self.value,)
        if (self.operator == "any_of") != isinstance(self.value, tuple):
            raise ValueError("any_of takes a list, and nothing else does")
        if not all(isinstance(day, int) and 1 <= day <= 7 for day in days):
            raise ValueError("weekdays are numbers from 1 (Monday) to 7")
        return self


class MessageKind(_Document):
    """What kind of message it is, as WhatsApp names it.

    Attributes:
        value: the kinds, one of which it is: text, button, interactive, image, audio, video, document, sticker,
            location, reaction, contacts, order.
    """

    type: Literal["message_kind"] = "message_kind"
    operator: Literal["any_of"] = "any_of"
    value: Annotated[tuple[Kind, ...], BeforeValidator(_as_list)] = Field(min_length=1, max_length=20)


class Choice(_Document):
    """The button or the row of a list that the lead chose, by the payload or id that it was sent with.

    Attributes:
        operator: any_of: it is one of these; starts_with: it begins with one of these.
        value: payloads or ids, as they are.
    """

    type: Literal["choice"] = "choice"
    operator: Literal["any_of", "starts_with"] = "any_of"
    value: Annotated[tuple[Payload, ...], BeforeValidator(_as_list)] = Field(min_length=1, max_length=50)


Condition = Annotated[KeywordMatch | LeadProperty | TimeBased | MessageKind | Choice, Field(discriminator="type")]

Texts = Annotated[dict[Language, Text], Field(min_length=1)]


class SendText(_Document):
    """Answer with a text, in the lead's language where there is one in it."""

    type: Literal["send_text"] = "send_text"
    texts: Texts

    @model_validator(mode="after")
    def _check(self) -> SendText:
        for text in self.texts.values():
            texts.check(text, texts.ANYWHERE)
        return self


class SendTemplate(_Document):
    """Answer with one of the studio's templates."""

    type: Literal["send_template"] = "send_template"
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,100}$")]


class TagLead(_Document):
    """Give the lead a tag."""

    type: Literal["tag_lead"] = "tag_lead"
    tag: Phrase


class Escalate(_Document):
    """Have a person answer from now on; the lead is told so."""

    type: Literal["escalate"] = "escalate"
    reason: Phrase


class CallFunction(_Document):
    """Do one of the things that the product knows how to do, and say so.

    Attributes:
        function: which.
        texts: what is said when it is done; {slot} is the time that was offered or booked, and {slots} are those that
            `offer_slots` lets the lead choose from.
    """

    type: Literal["call_function"] = "call_function"
    function: Function
    texts: Texts

    @model_validator(mode="after")
    def _check(self) -> CallFunction:
        more = {"ask_for_coaching": (), "offer_slots": (texts.SLOTS,)}.get(self.function, (texts.SLOT,))
        known = texts.ANYWHERE.union(more)
        for text in self.texts.values():
            texts.check(text, known)
        return self


Action = Annotated[SendText | SendTemplate | TagLead | Escalate | CallFunction, Field(discriminator="type")]


def _answers_once(actions: tuple[Action, ...]) -> tuple[Action, ...]:
    if sum(not isinstance(action, TagLead) for action in actions) > 1:
        raise ValueError("a message is answered once: one text, template, function or hand-over")
    return actions


Conditions = Annotated[tuple[Condition, ...], Field(min_length=1, max_length=20)]
Actions = Annotated[tuple[Action, ...], Field(max_length=10)]


class RuleDocument(_Document):
    """A rule as it is saved.

    Attributes:
        name: short; experiments name it as their subject: `rule:<name>`.
        goal: what it is to lead to.
        priority: 1 to 100; of the rules that match the highest answers.
        conditions: all of them have to hold.
        actions: what it does; none: it matches so that nothing else answers.
        variants: what it does instead while an experiment on it runs, by variant.
    """

    name: Name
    goal: Goal = "reply"
    priority: int = Field(50, ge=1, le=100)
    conditions: Conditions
    actions: Actions = ()
    variants: dict[Name, Actions] | None = None

    @model_validator(mode="after")
    def _check(self) -> RuleDocument:
        for actions in (self.actions, *(self.variants or {}).values()):
            _answers_once(actions)
        return self


@dataclass(frozen=True)
class Rule:
    """A studio's rule, as its row has it."""

    id: UUID
    name: str
    goal: str
    priority: int
    version: int
    conditions: tuple[Condition, ...]
    actions: tuple[Action, ...]
    variants: Mapping[str, tuple[Action, ...]]
    active: bool

    @property
    def subject(self) -> str:
        """What experiments on it name as their subject."""
        return f"rule:{self.name}"


CONDITIONS: TypeAdapter[tuple[Condition, ...]] = TypeAdapter(Conditions)
ACTIONS: TypeAdapter[tuple[Action, ...]] = TypeAdapter(Actions)

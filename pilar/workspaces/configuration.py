"""A studio's whole configuration: one document, validated, versioned.

What belongs here: the document's shape and its defaults. What does not: storing it (`store.py`) and acting on it
(the rooms that a section is named after).

Unknown fields are refused, so that a mistyped one is not silently ignored. A stored document of an older release is
read with defaults for what has come since.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from string import Formatter
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    field_validator,
    model_serializer,
    model_validator,
)

from pilar.errors import Invalid
from pilar.providers.email.mailbox import mailbox
from pilar.workspaces.plans import GRANTS, Plan


@cache
def time_zones() -> frozenset[str]:
    """The zones that there are. Looked up once: it walks a directory, and a document is read for every message."""
    return frozenset(available_timezones())


def _known_zone(name: str) -> str:
    if name not in time_zones():
        raise ValueError(f"{name!r} is not a time zone: use an IANA name such as Europe/Amsterdam")
    return name


def _numbered_in_turn(body: str) -> str:
    found = sorted({int(number) for number in re.findall(r"\{\{(\d+)\}\}", body)})
    if found != list(range(1, len(found) + 1)) or len(found) > max(USUAL_VARIABLES, *MORE_VARIABLES.values()):
        raise ValueError("the variables of a text are {{1}}, the lead's first name, and {{2}}, the studio's name")
    return body


def _with_known_words(body: str) -> str:
    try:
        parts = list(Formatter().parse(body))
    except ValueError as error:
        raise ValueError(f"the text can't be read: {error}; write {{{{ for a brace that is meant") from error
    for _, word, spec, conversion in parts:
        if word is not None and (word not in COACH_WORDS or spec or conversion):
            known = ", ".join(f"{{{one}}}" for one in COACH_WORDS)
            raise ValueError(f"{{{word}}} stands for nothing: a text may name {known}")
    return body


def _at_a_decent_hour(at: str) -> str:
    if not "08:00" <= at < "21:00":
        raise ValueError(f"{at} is in the quiet hours: choose a time from 08:00 to 20:59")
    return at


def _each_once(what: str, names: list[str]) -> set[str]:
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise ValueError(f"{what} {twice[0]!r} is there twice")
    return set(names)


USUAL_VARIABLES = 2
"""Of a template's text: the lead's first name and the studio's name."""
MORE_VARIABLES = {"coach_goal_report": 4}
"""Templates, without the version in their name, that are filled in with more: a goal, and how much of it is reached."""
COACH_WORDS = ("name", "studio", "goal", "progress", "missed")
"""What a coach's text may name, in braces."""
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
TemplateBody = Annotated[
    str, StringConstraints(min_length=1, max_length=1_024, strip_whitespace=True), AfterValidator(_numbered_in_turn)
]
"""WhatsApp takes 1,024 characters."""
QuickReply = Annotated[str, StringConstraints(min_length=1, max_length=25, strip_whitespace=True)]
"""The words of a template's button: WhatsApp takes 25 characters."""
CoachText = Annotated[
    str, StringConstraints(min_length=1, max_length=1_024, strip_whitespace=True), AfterValidator(_with_known_words)
]
TimeZone = Annotated[str, AfterValidator(_known_zone)]
Cron = Annotated[str, StringConstraints(pattern=r"^(\S+ ){4}\S+$")]
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
CoachType = Literal[
    "coach.morning_nudge",
    "coach.missed_training_nudge",
    "coach.weekly_checkin",
    "coach.goal_progress_report",
    "coach.nutrition_reminder",
    "coach.motivation_message",
]


class Section(BaseModel):
    """A part of the document.

    Attributes:
        came_later: fields that a later release has brought. While they are as they come, they are no part of what a
            section is known again by: else every studio would look as if it had changed what it was given.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    came_later: ClassVar[frozenset[str]] = frozenset()


class StudioProfile(Section):
    """Who the studio is."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    time_zone: TimeZone
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] = "en"


class LastText(Section):
    """A last free text to a lead whom nobody has answered, before their 24-hour window closes.

    Attributes:
        minutes_before: how long before it closes.
        texts: by language; a lead gets it in theirs, else in the studio's, else not at all.
    """

    minutes_before: int = Field(60, ge=30, le=12 * 60)
    texts: dict[Language, Annotated[str, StringConstraints(min_length=1, max_length=1_024, strip_whitespace=True)]] = (
        Field(min_length=1)
    )


class WhatsAppPolicy(Section):
    """Whether and how much the studio writes over WhatsApp."""

    enabled: bool = True
    daily_limit: int = Field(500, ge=0, le=100_000)
    marketing_per_day: int = Field(4, ge=0, le=50, description="to one lead, in a moving day on their clock")
    marketing_per_week: int = Field(20, ge=0, le=200, description="to one lead, in a moving week on their clock")
    unreachable_after: int = Field(3, ge=1, le=20, description="messages in a row that could not be delivered")
    last_text: LastText | None = Field(None, description="none: a window closes without a word of ours")


class SmsPolicy(Section):
    """Whether a lead whom WhatsApp can't reach gets an SMS, if they agreed to be written to."""

    fallback: bool = False
    us_registration: Literal["none", "pending", "approved"] = Field(
        "none", description="of brand and campaign (10DLC), without which no SMS goes to the United States"
    )


class EmailPolicy(Section):
    """Whether a lead whom WhatsApp can't reach gets an e-mail, if they agreed to get any.

    Attributes:
        fallback: they do; where an SMS may go, that goes instead.
        reply_to: the mailbox that answers go to; empty: the owner's.
        postal_address: the studio's, at the end of each: who advertises by e-mail has to say who they are.
    """

    fallback: bool = False
    reply_to: Annotated[str, StringConstraints(max_length=254, strip_whitespace=True)] = ""
    postal_address: Annotated[str, StringConstraints(max_length=300, strip_whitespace=True)] = ""

    @field_validator("reply_to")
    @classmethod
    def _is_address(cls, value: str) -> str:
        try:
            return mailbox(value) if value else value
        except Invalid as error:
            raise ValueError(error.message) from error

    @model_validator(mode="after")
    def _says_who_writes(self) -> EmailPolicy:
        if self.fallback and not self.postal_address:
            raise ValueError("say the studio's postal address first: it stands at the end of each e-mail")
        return self


class FollowupPolicy(Section):
    """How often a lead is followed up."""

    enabled: bool = True
    max_per_day: int = Field(3, ge=0, le=20)


class ProvisioningPolicy(Section):
    """How provisioning helps itself."""

    auto_retry: bool = True
    max_retries: int = Field(8, ge=0, le=50)


class OperatorPolicies(Section):
    """What the operator may do for the studio."""

    whatsapp: WhatsAppPolicy = WhatsAppPolicy()
    sms: SmsPolicy = SmsPolicy()
    email: EmailPolicy = EmailPolicy()
    followups: FollowupPolicy = FollowupPolicy()
    provisioning: ProvisioningPolicy = ProvisioningPolicy()


class OperatorConfiguration(Section):
    """The operator's part; the health score is computed, never configured."""

    enabled: bool = True
    policies: OperatorPolicies = OperatorPolicies()
    overage: Literal["queue", "drop", "degrade"] = "queue"


class AgentPolicies(Section):
    """How the agent speaks."""

    tone: Literal["professional", "friendly", "casual", "motivational"] = "friendly"
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] = "en"
    response_length: Literal["short", "medium", "long"] = "short"
    personality_traits: tuple[str, ...] = ("encouraging", "to the point")


class AgentConfiguration(Section):
    """Who answers leads, the model that may, and its task.

    Attributes:
        answers: by rules alone, or by the model where no rule matches.
        collect_seconds: of business time, from a message that the model is to answer until it is asked: what the lead
            writes meanwhile is answered together with it.
        when_away: what is done where the model does not answer: a person does from now on, or the lead is told that
            somebody will look at it.
        hand_back_after_hours: of business time, without a word from either side, after which the bot answers again
            what a person was to; None: only when somebody hands it back.
    """

    came_later: ClassVar[frozenset[str]] = frozenset(
        {"answers", "collect_seconds", "when_away", "hand_back_after_hours"}
    )

    answers: Literal["rules", "model"] = "rules"
    collect_seconds: int = Field(4, ge=0, le=60)
    when_away: Literal["hand_over", "fallback"] = "hand_over"
    hand_back_after_hours: int | None = Field(None, ge=1, le=24 * 30)
    provider: Literal["openai", "groq", "anthropic"] = "openai"
    model: Annotated[str, StringConstraints(min_length=1, max_length=100)] = "gpt-4.1-mini"
    temperature: float = Field(0.4, ge=0, le=2)
    max_tokens: int = Field(400, ge=16, le=4_096)
    system_prompt: Annotated[str, StringConstraints(min_length=1, max_length=8_000)]
    policies: AgentPolicies = AgentPolicies()
    max_response_seconds: float = Field(20.0, gt=0, le=120)


class CoachSchedule(Section):
    """When a kind of coaching message is due, and with which words.

    Attributes:
        cron: on a wall clock: minute, hour, day of the month, month, day of the week.
        time_zone: whose clock: the lead's, or the studio's. A lead who has named an hour means their own.
        template: what goes where the lead has not written within 24 hours; None: the coach's own.
        texts: what goes within them, by language, in place of the coach's own; it may name {name}, {studio}, {goal},
            {progress} and {missed}.
    """

    type: CoachType
    cron: Cron
    enabled: bool = True
    time_zone: Literal["lead", "studio"] = "lead"
    template: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,60}$")] | None = None
    texts: dict[Language, CoachText] = {}

    @model_serializer(mode="wrap")
    def _without_defaults(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what says nothing: a schedule that was stored before it could be said stays the same document."""
        told: dict[str, Any] = plain(self)
        unsaid: dict[str, Any] = {"time_zone": "lead", "template": None, "texts": {}}
        return {name: value for name, value in told.items() if name not in unsaid or value != unsaid[name]}


class CoachingPreferences(Section):
    """What a lead gets unless the lead says otherwise."""

    frequency: Literal["daily", "weekly", "bi-weekly"] = "daily"
    time_of_day: TimeOfDay = "08:00"
    motivation_style: Literal["encouraging", "challenging", "supportive"] = "encouraging"


class CoachingConfiguration(Section):
    """The coach's part: the training logic.

    Attributes:
        written_by: while a lead's window is open, nudges go with their type's texts, or the agent's model writes each
            for its lead (`personal_texts` of the plan).
        offers: the short name of what can be booked that is offered, with three free times, to who missed a training;
            None: nothing is.
    """

    came_later: ClassVar[frozenset[str]] = frozenset({"most_per_week", "written_by", "offers"})

    enabled: bool = True
    schedules: tuple[CoachSchedule, ...] = ()
    preferences: CoachingPreferences = CoachingPreferences()
    most_per_week: int = Field(10, ge=1, le=50, description="nudges to one lead, in a moving week")
    written_by: Literal["texts", "model"] = "texts"
    offers: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)] | None = None


class FollowupTemplate(Section):
    """A text that WhatsApp reviews, in each language that there is one for.

    Attributes:
        buttons: the words of its quick replies, by language; none in a language that is not there.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,60}$")]
    category: Literal["marketing", "utility"]
    bodies: dict[Language, TemplateBody] = Field(min_length=1)
    buttons: dict[Language, Annotated[tuple[QuickReply, ...], Field(min_length=1, max_length=3)]] = Field(
        default_factory=dict
    )

    @property
    def most_variables(self) -> int:
        """How many values there are to fill it in with."""
        return MORE_VARIABLES.get(re.sub(r"_v[0-9]+$", "", self.name), USUAL_VARIABLES)

    @model_validator(mode="after")
    def _can_be_filled_in(self) -> FollowupTemplate:
        for language, body in self.bodies.items():
            if len(set(re.findall(r"\{\{(\d+)\}\}", body))) > self.most_variables:
                raise ValueError(
                    f"template {self.name!r} ({language}) has more variables than {{{{1}}}}, the lead's first name, and"
                    " {{2}}, the studio's name"
                )
        if without_text := set(self.buttons) - set(self.bodies):
            raise ValueError(f"template {self.name!r} has buttons and no text in {', '.join(sorted(without_text))}")
        for language, words in self.buttons.items():
            if len(set(words)) < len(words):
                raise ValueError(f"template {self.name!r} ({language}) has the same button twice")
        return self

    @model_serializer(mode="wrap")
    def _without_default(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what says nothing: what was stored before it could be said stays the same document."""
        told: dict[str, Any] = plain(self)
        return {name: value for name, value in told.items() if name != "buttons" or value}


class Followup(Section):
    """When a lead who fell silent is written to again, and with which template.

    Attributes:
        after_minutes: of silence, since our answer or since the one before of this name.
        at_most: how often one lead gets it, ever.
        time_of_day: HH:MM where the lead is: the first such time when the silence has lasted; None: at once, by day.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,60}$")]
    template: str
    after_minutes: int = Field(ge=15, le=60 * 24 * 90)
    at_most: int = Field(1, ge=1, le=10)
    active: bool = True
    time_of_day: Annotated[TimeOfDay, AfterValidator(_at_a_decent_hour)] | None = None

    @model_serializer(mode="wrap")
    def _without_default(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what says nothing: what was stored before it could be said stays the same document."""
        told: dict[str, Any] = plain(self)
        return {name: value for name, value in told.items() if name != "time_of_day" or value is not None}


class FollowupConfiguration(Section):
    """What a studio writes to leads of itself."""

    templates: tuple[FollowupTemplate, ...] = ()
    followups: tuple[Followup, ...] = ()

    @model_validator(mode="after")
    def _is_whole(self) -> FollowupConfiguration:
        known = _each_once("template", [one.name for one in self.templates])
        _each_once("follow-up", [one.name for one in self.followups])
        for one in self.followups:
            if one.template not in known:
                raise ValueError(f"follow-up {one.name!r} names template {one.template!r}, which is not in the list")
            if any(one.template == each.name and each.most_variables > USUAL_VARIABLES for each in self.templates):
                raise ValueError(f"follow-up {one.name!r} knows no values for all variables of {one.template!r}")
        return self


class CalendarEventType(Section):
    """Something that can be booked."""

    slug: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
    name: Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]
    duration_minutes: int = Field(ge=5, le=720)
    buffer_before_minutes: int = Field(0, ge=0, le=240)
    buffer_after_minutes: int = Field(0, ge=0, le=240)
    active: bool = True


class CalendarHours(Section):
    """One stretch of opening hours in the studio's time zone; closing at or before opening means on the next day."""

    weekday: int = Field(ge=1, le=7, description="ISO: 1 is Monday")
    opens: TimeOfDay
    closes: TimeOfDay


class CalendarConfiguration(Section):
    """What can be booked in a studio, and when."""

    enabled: bool = True
    event_types: tuple[CalendarEventType, ...] = ()
    hours: tuple[CalendarHours, ...] = ()

    @model_validator(mode="after")
    def _is_whole(self) -> CalendarConfiguration:
        _each_once("event type", [one.slug for one in self.event_types])
        _each_once("opening on weekday and time", [f"{one.weekday} {one.opens}" for one in self.hours])
        return self


class AffiliateConfiguration(Section):
    """Whether the studio takes part in the founder's affiliate programme."""

    enabled: bool = False


class StudioConfiguration(Section):
    """The whole document."""

    schema_version: Literal[1] = 1
    plan: Plan
    studio: StudioProfile
    operator: OperatorConfiguration = OperatorConfiguration()
    agent: AgentConfiguration | None = None
    coaching: CoachingConfiguration = CoachingConfiguration(enabled=False)
    followups: FollowupConfiguration | None = None
    calendar: CalendarConfiguration | None = None
    affiliate: AffiliateConfiguration = AffiliateConfiguration()
    feature_flags: dict[str, bool] = Field(default_factory=dict)

    def feature(self, name: str) -> bool:
        """Whether a feature is on: the plan must grant it, and the studio's flag may turn it off."""
        return name in GRANTS[self.plan].features and self.feature_flags.get(name, True)

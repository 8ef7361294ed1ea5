"""A studio's whole configuration: one document, validated, versioned.

What belongs here: the document's shape and its defaults. What does not: storing it (`store.py`) and acting on it
(the rooms that a section is named after).

Unknown fields are refused, so that a mistyped one is not silently ignored. A stored document of an older release is
read with defaults for what has come since.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from pilar.workspaces.plans import GRANTS, Plan


@cache
def time_zones() -> frozenset[str]:
    """The zones that there are. Looked up once: it walks a directory, and a document is read for every message."""
    return frozenset(available_timezones())


def _known_zone(name: str) -> str:
    if name not in time_zones():
        raise ValueError(f"{name!r} is not a time zone: use an IANA name such as Europe/Amsterdam")
    return name


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
    """A part of the document."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StudioProfile(Section):
    """Who the studio is."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    time_zone: TimeZone
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] = "en"


class WhatsAppPolicy(Section):
    """Whether and how much the studio writes over WhatsApp."""

    enabled: bool = True
    daily_limit: int = Field(500, ge=0, le=100_000)


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
    """The model that answers leads, and its task."""

    provider: Literal["openai", "groq", "anthropic"] = "openai"
    model: Annotated[str, StringConstraints(min_length=1, max_length=100)] = "gpt-4.1-mini"
    temperature: float = Field(0.4, ge=0, le=2)
    max_tokens: int = Field(400, ge=16, le=4_096)
    system_prompt: Annotated[str, StringConstraints(min_length=1, max_length=8_000)]
    policies: AgentPolicies = AgentPolicies()
    max_response_seconds: float = Field(20.0, gt=0, le=120)


class CoachSchedule(Section):
    """When a kind of coaching message is due, in the studio's time zone unless the lead has another."""

    type: CoachType
    cron: Cron
    enabled: bool = True


class CoachingPreferences(Section):
    """What a lead gets unless the lead says otherwise."""

    frequency: Literal["daily", "weekly", "bi-weekly"] = "daily"
    time_of_day: TimeOfDay = "08:00"
    motivation_style: Literal["encouraging", "challenging", "supportive"] = "encouraging"


class CoachingConfiguration(Section):
    """The coach's part: the training logic."""

    enabled: bool = True
    schedules: tuple[CoachSchedule, ...] = ()
    preferences: CoachingPreferences = CoachingPreferences()


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
    affiliate: AffiliateConfiguration = AffiliateConfiguration()
    feature_flags: dict[str, bool] = Field(default_factory=dict)

    def feature(self, name: str) -> bool:
        """Whether a feature is on: the plan must grant it, and the studio's flag may turn it off."""
        return name in GRANTS[self.plan].features and self.feature_flags.get(name, True)

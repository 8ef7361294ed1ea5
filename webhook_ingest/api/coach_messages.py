"""Single coaching messages, for programs: having one written, and trying one out.

What belongs here: the shape of what comes and goes; the rules are the coach's.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from pilar.coach import asked
from pilar.coach.planning import PREFIX
from pilar.coach.trying import Sample
from pilar.database.engine import Scope
from pilar.workspaces.configuration import CoachType, Language, TimeZone
from webhook_ingest.deps import System


class NewCoachMessage(BaseModel):
    """A coaching message that is wanted now.

    Each lead gets a type once on their local day at most; a repetition with the same `Idempotency-Key` gets the same
    answer. Whether it then goes is decided at the last moment, as for every message.
    """

    model_config = ConfigDict(extra="forbid")

    workspace_id: UUID
    lead_id: UUID
    type: CoachType


class PlannedMessage(BaseModel):
    """The message is on its way; its id comes once it is written."""

    nudge_id: UUID
    type: str
    due_at: datetime


class SampleLead(BaseModel):
    """Somebody made up, who is coached and has agreed to be written to; what is null is the studio's."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(max_length=200)] | None = "Anna"
    language: Language | None = None
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None
    time_zone: TimeZone | None = None
    motivation_style: Literal["encouraging", "challenging", "supportive"] | None = None
    window_open: bool = Field(True, description="they have written within 24 hours")


class CoachTest(BaseModel):
    """What is to be tried: a type of message to a lead, or to a sample. A model is asked only where that is said."""

    model_config = ConfigDict(extra="forbid")

    type: CoachType
    lead_id: UUID | None = None
    sample: SampleLead | None = None
    ask_model: bool = False

    @model_validator(mode="after")
    def _is_about_one(self) -> CoachTest:
        if self.lead_id is not None and self.sample is not None:
            raise ValueError("name a lead as lead_id, or describe a sample: not both")
        return self


class ReasonItem(BaseModel):
    """What speaks against it: a code for programs, a sentence for people."""

    code: str
    sentence: str


class VerdictItem(BaseModel):
    """Whether and how it would go; `until` is when what is kept back would be looked at again."""

    action: str
    form: str | None
    channel: str
    until: datetime | None
    reasons: list[ReasonItem]


class TriedMessage(BaseModel):
    """What would become of it now. Nothing was sent, and nothing of it is kept.

    `skipped` tells why no message would be made at all; `not_by_model` why no model would write it, or has.
    """

    type: str
    language: str
    skipped: list[ReasonItem]
    text: str
    written_by: str
    buttons: list[str]
    template: str
    parameters: list[str]
    would_ask_model: bool
    not_by_model: str | None
    tokens: int | None
    verdict: VerdictItem


def new_coach_message(app: System, wanted: NewCoachMessage) -> PlannedMessage:
    """Have a coaching message written to a lead now."""
    kind = wanted.type.removeprefix(PREFIX)
    with app.database.transaction(Scope.fleet()) as connection:
        nudge = asked.write_now(connection, app.clocks, wanted.workspace_id, wanted.lead_id, kind)
    return PlannedMessage(nudge_id=nudge.id, type=wanted.type, due_at=nudge.due_at)


def try_coach_message(app: System, workspace_id: UUID, wanted: CoachTest) -> TriedMessage:
    """What a coaching message would say to a lead or a sample now, and whether it would go; sends nothing."""
    made_up = wanted.sample or SampleLead()
    sample = Sample(
        country=made_up.country,
        time_zone=made_up.time_zone,
        name=made_up.name,
        language=made_up.language,
        style=made_up.motivation_style,
        window_open=made_up.window_open,
    )
    kind = wanted.type.removeprefix(PREFIX)
    tried = app.rehearsal.of(workspace_id, kind, wanted.lead_id or sample, ask_model=wanted.ask_model)
    return TriedMessage(
        type=wanted.type,
        language=tried.language,
        skipped=[ReasonItem(code=code, sentence=sentence) for code, sentence in tried.skipped.items()],
        text=tried.draft.text,
        written_by=tried.draft.written_by,
        buttons=[one.title for one in tried.draft.buttons],
        template=tried.draft.template,
        parameters=list(tried.draft.parameters),
        would_ask_model=tried.would_ask_model,
        not_by_model=tried.not_by_model,
        tokens=tried.tokens,
        verdict=VerdictItem(
            action=tried.verdict.action,
            form=tried.verdict.form,
            channel=tried.verdict.channel,
            until=tried.verdict.until or tried.verdict.real_until,
            reasons=[ReasonItem(code=one.code, sentence=one.sentence) for one in tried.verdict.reasons],
        ),
    )

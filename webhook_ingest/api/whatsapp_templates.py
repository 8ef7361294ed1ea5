"""A studio's templates and follow-ups, for programs. What belongs here: the shape of the answers; the rooms act."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from pilar.database.engine import Scope
from pilar.followups.overview import followups_of
from pilar.messaging.template_overview import templates_of
from pilar.provisioning import template_manager
from webhook_ingest.deps import Asked, System


class UsageItem(BaseModel):
    """What came of a template in the last thirty days.

    `blocked`: of those that failed, what the lead or WhatsApp for them took none of; `refused`: our own verdict's no.
    """

    sent: int
    delivered: int
    read: int
    answered: int
    opted_out: int
    refused: int
    failed: int
    blocked: int


class TemplateItem(BaseModel):
    """A template; `preview` is what a lead would read, `stands_in` what is sent while it can't be."""

    name: str
    language: str
    category: str
    state: str
    reason: str | None
    body: str
    preview: str
    purpose: str
    stands_in: str | None
    adopted: bool
    unusable: str | None
    quality: str | None
    retired: bool
    again: bool = Field(description="Its text can be submitted once more, since no other is left for its purpose.")
    followups: list[str]
    seen_at: datetime | None
    usage: UsageItem


class TemplateList(BaseModel):
    """A studio's templates, those that are retired last."""

    items: list[TemplateItem]


class TemplateText(BaseModel):
    """What a template says; {{1}} stands for the lead's first name, {{2}} for the studio's."""

    model_config = ConfigDict(extra="forbid")

    category: Literal["marketing", "utility"]
    body: Annotated[str, Field(max_length=10_000)]


class Written(BaseModel):
    """The version of the studio's configuration that the text is part of."""

    version: int


class Again(BaseModel):
    """What a template is called that was submitted once more."""

    name: str


class AskedFor(BaseModel):
    """It is under way, as a job."""

    asked_for: bool


class FollowupItem(BaseModel):
    """A follow-up, and what came of it in the last thirty days."""

    name: str
    template: str
    after_minutes: int
    time_of_day: str | None
    at_most: int
    active: bool
    waiting: int
    next_due_at: datetime | None
    planned: int
    sent: int
    read: int
    answered: int
    booked: int
    refused: int
    failed: int
    stopped: int


class ComingItem(BaseModel):
    """A follow-up that is to come; `due_at` is business time."""

    lead_id: UUID
    lead_name: str | None
    name: str
    number: int
    due_at: datetime


class WhyItem(BaseModel):
    """Why so many were called off."""

    name: str
    reason: str
    sentence: str
    steps: int


class FollowupList(BaseModel):
    """A studio's follow-ups, those of leads that come next, and why others did not."""

    followups: list[FollowupItem]
    coming: list[ComingItem]
    stopped: list[WhyItem]


def list_templates(app: System, workspace_id: UUID) -> TemplateList:
    """A studio's templates with state, quality and use."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        found = templates_of(connection, app.clocks, workspace_id)
    return TemplateList(items=[TemplateItem.model_validate(one, from_attributes=True) for one in found])


def write_template(
    app: System, caller: Asked, workspace_id: UUID, name: str, language: str, text: TemplateText
) -> Written:
    """Write a template, which is then reviewed by WhatsApp."""
    with app.database.transaction(Scope.fleet()) as connection:
        version = template_manager.write(
            connection,
            app.defaults,
            workspace_id,
            name=name,
            language=language,
            category=text.category,
            body=text.body,
            actor=caller.principal.actor,
        )
    return Written(version=version)


def submit_again(app: System, caller: Asked, workspace_id: UUID, name: str) -> Again:
    """Have the text of a template that is gone reviewed once more, as the next version."""
    with app.database.transaction(Scope.fleet()) as connection:
        following = template_manager.submit_again(
            connection, app.defaults, workspace_id, name=name, actor=caller.principal.actor
        )
    return Again(name=following)


def sync_templates(app: System, workspace_id: UUID) -> AskedFor:
    """Have drafts submitted and all templates read at WhatsApp, now."""
    with app.database.transaction(Scope.fleet()) as connection:
        template_manager.ask_for_review(connection, app.clocks, workspace_id)
    return AskedFor(asked_for=True)


def list_followups(app: System, workspace_id: UUID) -> FollowupList:
    """A studio's follow-ups."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        return FollowupList.model_validate(followups_of(connection, app.clocks, workspace_id), from_attributes=True)

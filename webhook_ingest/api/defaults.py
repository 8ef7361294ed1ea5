"""What studios start with, for their owners and the founder.

What belongs here: the shape of what comes and goes; what is valid and what a change does is provisioning's.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from pilar.database.engine import Scope
from pilar.provisioning.defaults import StudioDefaults
from pilar.provisioning.defaults_document import PARTS, DefaultsChange, Part, WorkspaceDefaults
from pilar.provisioning.defaults_template import Updated, update_studios, write_template
from webhook_ingest.deps import Asked, System

Note = Annotated[str, Field(min_length=1, max_length=300)]


class StudioDefaultsItem(BaseModel):
    """A studio's agent, coaching, follow-ups and calendar as they stand; a part that it has not got yet is null."""

    workspace_id: UUID
    version: int
    defaults: DefaultsChange
    template_versions: dict[Part, int | None]
    """Of the founder's template that a part is from; null: the studio's own."""


class DefaultsRequest(BaseModel):
    """Other parts; with a version they are put in force only where that is still the newest."""

    model_config = ConfigDict(extra="forbid")

    defaults: DefaultsChange
    version: int | None = None
    note: Note = "the owner's change"


class RollBackRequest(BaseModel):
    """Which version to go back to."""

    model_config = ConfigDict(extra="forbid")

    to: Annotated[int, Field(ge=1)]
    version: int | None = None


class VersionItem(BaseModel):
    """A version of the configuration; `created_at` is business time."""

    version: int
    changed_by: str
    note: str
    created_at: datetime


class History(BaseModel):
    """The newest versions of a studio's configuration, the newest first."""

    items: list[VersionItem]


class TemplateItem(BaseModel):
    """A version of the default template; 0 is the one that is built in."""

    version: int
    defaults: WorkspaceDefaults


class TemplateRequest(BaseModel):
    """Another version; its task says `{studio}` where a studio's name goes."""

    model_config = ConfigDict(extra="forbid")

    defaults: WorkspaceDefaults
    version: int | None = None
    note: Note


class UpdateRequest(BaseModel):
    """Whom to bring up to date, and of what; `apply` false only tells what would be another."""

    model_config = ConfigDict(extra="forbid")

    apply: bool = False
    workspace_ids: Annotated[list[UUID], Field(min_length=1, max_length=100)]
    parts: list[Part] = list(PARTS)


class DifferenceItem(BaseModel):
    """A leaf that differs; null: nothing."""

    path: str
    before: Any
    after: Any


class OfferItem(BaseModel):
    """What is another in a studio, by part."""

    workspace_id: UUID
    changes: dict[Part, list[DifferenceItem]]


class UpdateAnswer(BaseModel):
    """What came of it; `own` counts parts that studios have changed and keep."""

    template_version: int
    applied: bool
    looked_at: int
    up_to_date: int
    offered: int
    own: dict[str, int]
    offers: list[OfferItem]
    failed: dict[UUID, str]


def studio_defaults(app: System, workspace_id: UUID) -> StudioDefaultsItem:
    """A studio's parts as they stand, and which of them are still as they were given."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        return _item(workspace_id, app.defaults.read(connection, workspace_id))


def change_studio_defaults(
    app: System, caller: Asked, workspace_id: UUID, wanted: DefaultsRequest
) -> StudioDefaultsItem:
    """Put other parts in force, all or none; what is not valid leaves everything as it is."""
    # Templates are submitted and nudges planned anew by the queue, which is the fleet's: who may was checked before.
    with app.database.transaction(Scope.fleet()) as connection:
        app.defaults.change(
            connection,
            workspace_id,
            wanted.defaults.parts(),
            expected_version=wanted.version,
            actor=caller.principal.actor,
            note=wanted.note,
        )
        return _item(workspace_id, app.defaults.read(connection, workspace_id))


def studio_defaults_history(app: System, workspace_id: UUID) -> History:
    """The versions of a studio's configuration: who made each, and what for."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        rows = app.defaults.history(connection, workspace_id)
    return History(items=[VersionItem.model_validate(row, from_attributes=True) for row in rows])


def roll_back_studio_defaults(
    app: System, caller: Asked, workspace_id: UUID, wanted: RollBackRequest
) -> StudioDefaultsItem:
    """Put the parts of an earlier version in force again, as a new version."""
    with app.database.transaction(Scope.fleet()) as connection:
        app.defaults.roll_back(
            connection, workspace_id, wanted.to, expected_version=wanted.version, actor=caller.principal.actor
        )
        return _item(workspace_id, app.defaults.read(connection, workspace_id))


def default_template(app: System, version: int | None = None) -> TemplateItem:
    """The founder's default template: what new studios get."""
    with app.database.transaction(Scope.fleet()) as connection:
        number, document = app.defaults.template(connection, version)
    return TemplateItem(version=number, defaults=document)


def change_default_template(app: System, caller: Asked, wanted: TemplateRequest) -> TemplateItem:
    """Write another version of the default template; studios that are there stay as they are until it is offered."""
    with app.database.transaction(Scope.fleet()) as connection:
        number = write_template(
            connection,
            app.clocks,
            app.defaults,
            wanted.defaults,
            expected_version=wanted.version,
            actor=caller.principal.actor,
            note=wanted.note,
        )
    return TemplateItem(version=number, defaults=wanted.defaults)


def update_from_template(app: System, caller: Asked, wanted: UpdateRequest) -> UpdateAnswer:
    """Look at, or bring up to date, what these studios have not changed of the template."""
    done = update_studios(
        app.database,
        app.clocks,
        app.defaults,
        studios=wanted.workspace_ids,
        parts=wanted.parts,
        apply=wanted.apply,
        actor=caller.principal.actor,
    )
    return _answer(done)


def _answer(done: Updated) -> UpdateAnswer:
    offers = [
        OfferItem(
            workspace_id=offer.workspace_id,
            changes={
                part: [DifferenceItem(path=path, before=before, after=after) for path, before, after in changes]
                for part, changes in offer.changes.items()
            },
        )
        for offer in done.offers
    ]
    told = {name: getattr(done, name) for name in UpdateAnswer.model_fields if name != "offers"}
    return UpdateAnswer(**told, offers=offers)


def _item(workspace_id: UUID, found: StudioDefaults) -> StudioDefaultsItem:
    return StudioDefaultsItem(
        workspace_id=workspace_id,
        version=found.version,
        defaults=DefaultsChange.model_validate(dict(found.parts)),
        template_versions={part: found.given.get(part) for part in PARTS},
    )

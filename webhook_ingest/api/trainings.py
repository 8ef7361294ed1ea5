"""Trainings of leads, for programs: told one by one, or brought in a file. What belongs here: their shape."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import unquote
from uuid import UUID

from fastapi import Body, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response as Plain

from pilar.coach import training_import, trainings
from pilar.database.engine import Scope
from webhook_ingest.api.leads import ImportItem, Imports, import_of, imports_of, refusals_of
from webhook_ingest.deps import Asked, System


class TrainingItem(BaseModel):
    """A training of a lead: name them by id or by number."""

    model_config = ConfigDict(extra="forbid")

    trained_at: AwareDatetime
    lead_id: UUID | None = None
    phone: Annotated[str, StringConstraints(pattern=r"^\+[1-9]\d{6,14}$")] | None = None
    booking_id: UUID | None = None
    state: trainings.State = Field("done", description="planned: it is still to come")
    kind: Annotated[str, StringConstraints(min_length=1, max_length=trainings.LONGEST_KIND)] | None = Field(
        None, description="what is trained, as the studio calls it"
    )


class TrainingItems(BaseModel):
    """Trainings; all are taken in, or none."""

    model_config = ConfigDict(extra="forbid")

    trainings: list[TrainingItem] = Field(min_length=1, max_length=trainings.MOST)


class TakenIn(BaseModel):
    """How many trainings tell something new; the others were known."""

    recorded: int
    known: int


def record_trainings(app: System, caller: Asked, told: TrainingItems, workspace_id: UUID | None = None) -> TakenIn:
    """Take in trainings that leads did, missed or plan."""
    studio = caller.acts_for_studio(workspace_id)
    told_of = [trainings.Training(**dict(one)) for one in told.trainings]
    with app.database.transaction(Scope.workspace(studio)) as connection:
        recorded = trainings.record(connection, app.clocks, studio, told_of, "api")
    return TakenIn(recorded=recorded, known=len(told_of) - recorded)


def new_training_import(
    app: System,
    caller: Asked,
    response: Response,
    content: Annotated[bytes, Body(media_type="text/csv", description="The file, in UTF-8.")],
    file_name: Annotated[str, Query(max_length=200)] = "trainings.csv",
    workspace_id: UUID | None = None,
) -> ImportItem:
    """Take a file of trainings: it is worked through as a job. 202 where it is new, 200 where it came before."""
    studio = caller.acts_for_studio(workspace_id)
    with app.database.transaction(Scope.fleet()) as connection:
        taken = training_import.take_file(
            connection, app.clocks, studio, unquote(file_name), content, actor=caller.principal.actor
        )
    response.status_code = 202 if taken.is_new else 200
    return ImportItem.model_validate(taken.row, from_attributes=True)


def list_training_imports(app: System, workspace_id: UUID) -> Imports:
    """A studio's files of trainings."""
    return imports_of(app, workspace_id, "trainings")


def get_training_import(app: System, workspace_id: UUID, import_id: UUID) -> ImportItem:
    """One file of trainings: how far it is, and how many rows came of it."""
    return import_of(app, workspace_id, import_id, "trainings")


def refused_training_rows(app: System, workspace_id: UUID, import_id: UUID) -> Plain:
    """The rows that could not be used, as a file: line and reason."""
    return refusals_of(app, workspace_id, import_id, "trainings")

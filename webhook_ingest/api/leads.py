"""Bringing leads in a file. What belongs here: taking it, how far it is, and the report of refused rows."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import Annotated
from urllib.parse import unquote
from uuid import UUID

from fastapi import Body, Query, Response
from pydantic import BaseModel
from starlette.responses import Response as Plain

from pilar.app import App
from pilar.database.engine import Scope
from pilar.messaging import lead_import_store as store
from pilar.messaging.lead_import import take_file
from webhook_ingest.deps import Asked, System

SHOWN = 50


class ImportItem(BaseModel):
    """A file that a studio brought and how far it is; times are real time."""

    id: UUID
    workspace_id: UUID
    file_name: str
    bytes: int
    state: str
    rows_read: int
    added: int
    known: int
    refused: int
    error: str | None
    created_at: datetime
    finished_at: datetime | None


class Imports(BaseModel):
    """A studio's files, the newest first."""

    items: list[ImportItem]


def new_import(
    app: System,
    caller: Asked,
    response: Response,
    content: Annotated[bytes, Body(media_type="text/csv", description="The file, in UTF-8.")],
    file_name: Annotated[str, Query(max_length=200)] = "leads.csv",
    workspace_id: UUID | None = None,
) -> ImportItem:
    """Take a file of leads: it is worked through as a job. 202 where it is new, 200 where it was brought before."""
    studio = caller.acts_for_studio(workspace_id)
    with app.database.transaction(Scope.fleet()) as connection:
        taken = take_file(connection, app.clocks, studio, unquote(file_name), content, actor=caller.principal.actor)
    response.status_code = 202 if taken.is_new else 200
    return ImportItem.model_validate(taken.row, from_attributes=True)


def list_imports(app: System, workspace_id: UUID) -> Imports:
    """A studio's files of leads."""
    return imports_of(app, workspace_id, "leads")


def get_import(app: System, workspace_id: UUID, import_id: UUID) -> ImportItem:
    """One file of leads: how far it is, and how many rows came of it."""
    return import_of(app, workspace_id, import_id, "leads")


def refused_rows(app: System, workspace_id: UUID, import_id: UUID) -> Plain:
    """The rows that could not be used, as a file: line and reason."""
    return refusals_of(app, workspace_id, import_id, "leads")


def imports_of(app: App, workspace_id: UUID, holds: str) -> Imports:
    """A studio's files of what they hold."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        rows = store.imports_of(connection, workspace_id, SHOWN, holds=holds)
    return Imports(items=[ImportItem.model_validate(row, from_attributes=True) for row in rows])


def import_of(app: App, workspace_id: UUID, import_id: UUID, holds: str) -> ImportItem:
    """One of them; raise `NotFound` where there is none."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        row = store.get_import(connection, workspace_id, import_id, holds=holds)
    return ImportItem.model_validate(row, from_attributes=True)


def refusals_of(app: App, workspace_id: UUID, import_id: UUID, holds: str) -> Plain:
    """The rows of one of them that could not be used, as a file; raise `NotFound` where there is none."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        store.get_import(connection, workspace_id, import_id, holds=holds)
        rows = store.refusals_of(connection, workspace_id, import_id)
    written = io.StringIO()
    out = csv.writer(written)
    out.writerow(("line", "reason"))
    out.writerows((row.line, row.reason) for row in rows)
    headers = {"content-disposition": f'attachment; filename="refused-{import_id}.csv"'}
    return Plain(written.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)

"""Files of leads and of their trainings. What belongs here: the page with the files of a studio, and taking another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import File, Request, UploadFile
from sqlalchemy import Connection
from starlette.responses import Response

from pilar.app import App
from pilar.coach import training_import
from pilar.coach.trainings import STATES
from pilar.database.engine import Scope
from pilar.errors import PilarError
from pilar.messaging import lead_import
from pilar.messaging import lead_import_store as store
from pilar.messaging.file_import import LARGEST, Taken
from pilar.workspaces.store import get_workspace
from webhook_ingest.api.leads import SHOWN
from webhook_ingest.dashboards import forms
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System
from webhook_ingest.problems import status_of


def imports(request: Request, app: System, workspace_id: UUID) -> Response:
    """The files that a studio has brought, and forms for another."""
    return _page(request, app, workspace_id)


def bring(
    request: Request, app: System, caller: Asked, workspace_id: UUID, file: Annotated[UploadFile, File()]
) -> Response:
    """Take a file of leads; the page tells how far it is."""
    content, name, actor = file.file.read(), file.filename or "", caller.principal.actor
    return _take(
        request, app, workspace_id, "leads",
        lambda connection: lead_import.take_file(connection, app.clocks, workspace_id, name, content, actor=actor),
    )  # fmt: skip


def bring_trainings(
    request: Request, app: System, caller: Asked, workspace_id: UUID, file: Annotated[UploadFile, File()]
) -> Response:
    """Take a file of trainings; the page tells how far it is."""
    content, name, actor = file.file.read(), file.filename or "", caller.principal.actor
    return _take(
        request, app, workspace_id, "trainings",
        lambda connection: training_import.take_file(connection, app.clocks, workspace_id, name, content, actor=actor),
    )  # fmt: skip


def _take(request: Request, app: App, workspace_id: UUID, holds: str, take: Callable[[Connection], Taken]) -> Response:
    def taken(connection: Connection) -> str:
        notice = "file-taken" if take(connection).is_new else "file-taken-before"
        return f"/studios/{workspace_id}/leads?notice={notice}"

    return forms.done(app, taken, lambda error: _page(request, app, workspace_id, error, holds))


def _page(request: Request, app: App, workspace_id: UUID, error: PilarError | None = None, wrong: str = "") -> Response:
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        studio = get_workspace(connection, workspace_id)
        rows = store.imports_of(connection, workspace_id, SHOWN)
    return render(
        request,
        "leads.html",
        status_code=status_of(error) if error else 200,
        workspace_id=workspace_id,
        studio=studio.name,
        zone=studio.time_zone,
        imports=rows,
        leads=lead_import.LEADS,
        trainings=training_import.TRAININGS,
        states=STATES,
        megabytes=LARGEST // 1024**2,
        error=error.message if error else None,
        wrong=wrong,
    )

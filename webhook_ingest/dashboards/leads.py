"""Bringing leads by hand. What belongs here: the page with the files of a studio, and taking another."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import File, Request, UploadFile
from starlette.responses import RedirectResponse, Response

from pilar.database.engine import Scope
from pilar.messaging import lead_import_store as store
from pilar.messaging.lead_import import LARGEST, take_file
from pilar.messaging.lead_import_rows import COLUMNS, NEEDED
from pilar.workspaces.store import get_workspace
from webhook_ingest.api.leads import SHOWN
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System


def imports(request: Request, app: System, workspace_id: UUID) -> Response:
    """The files of leads that a studio has brought, and a form for another."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        studio = get_workspace(connection, workspace_id)
        rows = store.imports_of(connection, workspace_id, SHOWN)
    return render(
        request,
        "leads.html",
        workspace_id=workspace_id,
        studio=studio.name,
        zone=studio.time_zone,
        imports=rows,
        columns=COLUMNS,
        needed=NEEDED,
        megabytes=LARGEST // 1024**2,
    )


def bring(app: System, caller: Asked, workspace_id: UUID, file: Annotated[UploadFile, File()]) -> Response:
    """Take a file of leads; the page tells how far it is."""
    content = file.file.read()
    with app.database.transaction(Scope.fleet()) as connection:
        taken = take_file(
            connection, app.clocks, workspace_id, file.filename or "", content, actor=caller.principal.actor
        )
    notice = "leads-taken" if taken.is_new else "leads-taken-before"
    return RedirectResponse(f"/studios/{workspace_id}/leads?notice={notice}", 303)

"""The overview of all studios, and one studio's page. What belongs here: what these pages show and their one button."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from pilar.backplane import heartbeat
from pilar.database.engine import Scope
from pilar.health.incidents import count_open, list_incidents
from pilar.provisioning.retry import retry
from webhook_ingest import cursors
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System

_PER_PAGE = 50
_INCIDENTS = 8


def overview(request: Request, app: System, cursor: Annotated[str | None, Query(max_length=100)] = None) -> Response:
    """All studios: how many are how far, who waits on whom, what is the matter."""
    with app.database.transaction(Scope.fleet()) as connection:
        totals = app.overview.totals(connection)
        studios = app.overview.list_studios(connection, after=cursors.after_id(cursor), limit=_PER_PAGE + 1)
        incidents = list_incidents(connection, limit=_INCIDENTS, open_only=True)
        open_incidents = count_open(connection)
        workers = heartbeat.live_workers(connection, app.clocks.real.now())
    more = cursors.encode(studios[_PER_PAGE - 1].workspace_id) if len(studios) > _PER_PAGE else None
    return render(
        request,
        "overview.html",
        totals={
            "active": totals.get("active", 0),
            "running": totals.get("running", 0),
            "waiting": totals.get("waiting", 0),
            "failed": totals.get("failed", 0),
        },
        studios=studios[:_PER_PAGE],
        incidents=incidents,
        open_incidents=open_incidents,
        workers=workers,
        more=more,
        business_now=app.clocks.business.now(),
    )


def studio(request: Request, app: System, caller: Asked, workspace_id: UUID) -> Response:
    """One studio: its steps, what it is made of, what happened."""
    leads = caller.leads(workspace_id)
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        detail = app.overview.studio_detail(connection, workspace_id, with_links=leads)
    return render(request, "studio.html", detail=detail, leads=leads, business_now=app.clocks.business.now())


def retry_studio(app: System, caller: Asked, workspace_id: UUID) -> Response:
    """Have provisioning tried again."""
    with app.database.transaction(Scope.fleet()) as connection:
        retry(connection, app.clocks, workspace_id, caller.principal.actor)
    return RedirectResponse(f"/studios/{workspace_id}?notice=retried", 303)

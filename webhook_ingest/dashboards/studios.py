"""The overview of all studios, and one studio's page. What belongs here: what these pages show and do.

They read schema `analytics` alone: the overview as an analyst, to whom the database shows nothing else. Three things
are no data of theirs. The pulse is what the public health endpoint says at that moment, since rows that somebody keeps
can't tell that their keeper has died. The set-up link is a secret, read when somebody follows it. What WhatsApp still
wants of a studio is read where provisioning keeps it.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from pilar.database.engine import Scope
from pilar.operator import overview as pages
from pilar.operator.projection import refresh_studios
from pilar.provisioning.prerequisite_store import prerequisites_of
from pilar.provisioning.retry import retry
from webhook_ingest import cursors
from webhook_ingest.api.health import pulse
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System

_PER_PAGE = 50
_INCIDENTS = 8


def overview(request: Request, app: System, cursor: Annotated[str | None, Query(max_length=100)] = None) -> Response:
    """All studios: how many are how far, who waits on whom, what is the matter."""
    with app.database.transaction(Scope.analyst()) as connection:
        totals = pages.totals(connection)
        studios = pages.list_studios(connection, after=cursors.after_id(cursor), limit=_PER_PAGE + 1)
        incidents, open_incidents = pages.open_incidents(connection, limit=_INCIDENTS)
        looked_over_at = pages.looked_over_at(connection)
    more = cursors.encode(studios[_PER_PAGE - 1].workspace_id) if len(studios) > _PER_PAGE else None
    return render(
        request,
        "overview.html",
        totals=totals,
        studios=studios[:_PER_PAGE],
        incidents=incidents,
        open_incidents=open_incidents,
        workers=pulse(request).workers_alive,
        looked_over_at=looked_over_at,
        more=more,
        business_now=app.clocks.business.now(),
    )


def studio(request: Request, app: System, caller: Asked, workspace_id: UUID) -> Response:
    """One studio: its steps, what it is made of, what happened."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        page = pages.studio_page(connection, workspace_id)
        wanted = prerequisites_of(connection, workspace_id)
    return render(
        request,
        "studio.html",
        page=page,
        wanted=wanted,
        leads=caller.leads(workspace_id),
        business_now=app.clocks.business.now(),
    )


def set_up_studio(app: System, workspace_id: UUID) -> Response:
    """On to what the studio's owner has to do."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        link = app.setup.link_of(connection, workspace_id)
    return RedirectResponse(link, 303, {"cache-control": "no-store"})


def retry_studio(app: System, caller: Asked, workspace_id: UUID) -> Response:
    """Have provisioning tried again."""
    with app.database.transaction(Scope.fleet()) as connection:
        retry(connection, app.clocks, workspace_id, caller.principal.actor)
        refresh_studios(connection, app.clocks, [workspace_id])  # the page that follows shows what was just done
    return RedirectResponse(f"/studios/{workspace_id}?notice=retried", 303)

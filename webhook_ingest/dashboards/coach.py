"""A studio's coaching. What belongs here: what the page shows; how a lead is coached is changed on theirs."""

from __future__ import annotations

from datetime import UTC
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from pilar.coach.overview import activity_of, schedule_of
from pilar.coach.results import results_of
from pilar.coach.standing import in_words
from pilar.database.engine import Scope
from pilar.workspaces.store import get_workspace
from webhook_ingest.dashboards import charts
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System


def coach(request: Request, app: System, caller: Asked, workspace_id: UUID) -> Response:
    """Who is coached and what comes next for them; what came of it, in the figures of schema `analytics`."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        studio = get_workspace(connection, workspace_id)
        schedule = schedule_of(connection, workspace_id)
        activity = activity_of(connection, app.clocks, workspace_id)
        results = results_of(connection, app.clocks, workspace_id)
    now = app.clocks.business.now()
    days = results.by_day(now.astimezone(UTC).date())
    scores = results.engagement.distribution if results.engagement else ()
    return render(
        request,
        "coach.html",
        workspace_id=workspace_id,
        studio=studio.name,
        schedule=schedule,
        activity=activity,
        results=results,
        days=days,
        sent_chart=charts.bars([(sent, answered) for _, sent, answered in days]),
        scores_chart=charts.stacks([(float(leads),) for leads in scores]),
        in_words=in_words,
        leads=caller.leads(workspace_id),
        business_now=now,
    )

"""A studio's coaching. What belongs here: what the page shows, and its one form."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from starlette.responses import RedirectResponse, Response

from pilar.coach import enrolment
from pilar.coach.overview import activity_of, schedule_of
from pilar.coach.results import results_of
from pilar.coach.schedule import EVERY
from pilar.coach.standing import in_words
from pilar.database.engine import Scope
from pilar.workspaces.store import get_workspace
from webhook_ingest.dashboards import charts
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System

_Field = Annotated[str, Form(max_length=100)]


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
        frequencies=tuple(EVERY),
        leads=caller.leads(workspace_id),
        business_now=now,
    )


def change_coaching(
    app: System,
    caller: Asked,
    workspace_id: UUID,
    lead_id: UUID,
    frequency: _Field,
    time_of_day: _Field = "",
    time_zone: _Field = "",
) -> Response:
    """Keep how a lead wants to be coached."""
    wishes = enrolment.Wishes(frequency, time_of_day.strip() or None, time_zone.strip() or None)
    # The queue is the fleet's: who may do this for the studio was checked before.
    with app.database.transaction(Scope.fleet()) as connection:
        enrolment.change(connection, app.clocks, workspace_id, lead_id, wishes, actor=caller.principal.actor)
    return RedirectResponse(f"/studios/{workspace_id}/coach?notice=coaching-changed", 303)

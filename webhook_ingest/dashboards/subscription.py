"""A studio's subscription. What belongs here: its page, the form for another plan, and the founder's that gives time.

It reads what Stripe said last and not schema `analytics`: whoever has just paid looks here.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from starlette.responses import RedirectResponse, Response

from pilar.database.engine import Scope
from pilar.operator.projection import refresh_studios
from pilar.provisioning import grace
from pilar.provisioning.plan_change import ask_for_plan
from pilar.security.members import people_of
from pilar.workspaces.plans import GRANTS, Plan
from pilar.workspaces.store import get_workspace
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System


def subscription(request: Request, app: System, caller: Asked, workspace_id: UUID) -> Response:
    """How it stands, until when, what the plan grants and how much of it is used."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        studio = get_workspace(connection, workspace_id)
        page = grace.subscription_of(connection, workspace_id)
    with app.database.transaction(Scope.fleet()) as connection:
        people = people_of(connection, workspace_id)
    return render(
        request, "subscription.html", studio=studio, page=page, people=people, leads=caller.leads(workspace_id),
        smaller=GRANTS[Plan.BASIC].members, business_now=app.clocks.business.now(),
    )  # fmt: skip


def move_to_plan(app: System, caller: Asked, workspace_id: UUID, plan: Annotated[Plan, Form()]) -> Response:
    """Move a studio to another plan."""
    with app.database.transaction(Scope.fleet()) as connection:
        ask_for_plan(connection, app.clocks, workspace_id, plan, actor=caller.principal.actor)
    return RedirectResponse(f"/studios/{workspace_id}/subscription?notice=plan-asked-for", 303)


def extend_grace(
    app: System,
    caller: Asked,
    workspace_id: UUID,
    days: Annotated[int, Form(ge=1, le=grace.LONGEST.days)],
    reason: Annotated[str, Form(min_length=1, max_length=300)],
) -> Response:
    """Give a studio so many days from now to pay."""
    with app.database.transaction(Scope.fleet()) as connection:
        until = app.clocks.business.now() + timedelta(days=days)
        grace.extend_grace(
            connection, app.clocks, app.subscriptions, workspace_id, until=until, reason=reason,
            actor=caller.principal.actor,
        )  # fmt: skip
        refresh_studios(connection, app.clocks, [workspace_id])
    return RedirectResponse(f"/studios/{workspace_id}/subscription?notice=grace-extended", 303)

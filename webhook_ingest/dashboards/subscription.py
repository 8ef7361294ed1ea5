"""A studio's subscription. What belongs here: its page, and the founder's form that gives time to pay.

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
from pilar.workspaces.store import get_workspace
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System


def subscription(request: Request, app: System, workspace_id: UUID) -> Response:
    """How it stands, until when, and what the plan grants."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        studio = get_workspace(connection, workspace_id)
        page = grace.subscription_of(connection, workspace_id)
    return render(request, "subscription.html", studio=studio, page=page, business_now=app.clocks.business.now())


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
            connection, app.clocks, app.settings, workspace_id, until=until, reason=reason,
            actor=caller.principal.actor,
        )  # fmt: skip
        refresh_studios(connection, app.clocks, [workspace_id])
    return RedirectResponse(f"/studios/{workspace_id}/subscription?notice=grace-extended", 303)

"""A studio's rules. What belongs here: what the page shows, and its one kind of button."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from starlette.responses import RedirectResponse, Response

from pilar.agents.catalogue import set_active
from pilar.agents.overview import list_rules
from pilar.database.engine import Scope
from pilar.workspaces.store import get_workspace
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System


def rules(request: Request, app: System, caller: Asked, workspace_id: UUID) -> Response:
    """Which rule answers what, and what came of it."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        studio = get_workspace(connection, workspace_id)
        found = list_rules(connection, workspace_id)
    measured = [one.refreshed_at for rule in found for one in rule.performance]
    return render(
        request,
        "rules.html",
        workspace_id=workspace_id,
        studio=studio.name,
        rules=found,
        leads=caller.leads(workspace_id),
        refreshed_at=max(measured, default=None),
        business_now=app.clocks.business.now(),
    )


def set_rule_active(
    app: System, caller: Asked, workspace_id: UUID, rule_id: UUID, active: Annotated[bool, Form()]
) -> Response:
    """Put a rule in or out of force."""
    # The audit log is the fleet's to write; that the rule is the studio's is in the statement.
    with app.database.transaction(Scope.fleet()) as connection:
        set_active(connection, app.clocks, workspace_id, rule_id, active=active, actor=caller.principal.actor)
    return RedirectResponse(f"/studios/{workspace_id}/rules?notice=rule-{'on' if active else 'off'}", 303)

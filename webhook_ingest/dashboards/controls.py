"""The pause switch and the dry run, of fleet and studios. What belongs here: the founder's page and the forms."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Form, Request
from starlette.responses import RedirectResponse, Response

from pilar.database.engine import Scope
from pilar.messaging import controls
from pilar.messaging.controls import ControlKind
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System

_STUDIOS = 200
_NOTICES = {
    ("pause", "on"): "paused",
    ("pause", "off"): "resumed",
    ("dry_run", "on"): "dry-run-on",
    ("dry_run", "off"): "dry-run-off",
}

Kind = Annotated[ControlKind, Form()]
Turn = Annotated[Literal["on", "off"], Form()]
Word = Annotated[str, Form(max_length=1_000)]


def fleet_controls(request: Request, app: System) -> Response:
    """What is in force over the whole fleet and in single studios."""
    with app.database.transaction(Scope.fleet()) as connection:
        fleet = controls.in_force(connection, None)
        studios = controls.in_studios(connection, limit=_STUDIOS)
    return render(request, "fleet_controls.html", fleet=fleet, studios=studios)


def switch_fleet(app: System, caller: Asked, kind: Kind, turn: Turn, channel: Word = "", reason: Word = "") -> Response:
    """Turn a switch of the whole fleet."""
    _switch(app, caller, None, kind, turn, channel, reason)
    return RedirectResponse(f"/controls?notice={_NOTICES[kind, turn]}", 303)


def switch_studio(
    app: System, caller: Asked, workspace_id: UUID, kind: Kind, turn: Turn, channel: Word = "", reason: Word = ""
) -> Response:
    """Turn a switch of one studio."""
    _switch(app, caller, workspace_id, kind, turn, channel, reason)
    return RedirectResponse(f"/studios/{workspace_id}/messages?notice={_NOTICES[kind, turn]}#controls", 303)


def _switch(
    app: System, caller: Asked, workspace_id: UUID | None, kind: ControlKind, turn: str, channel: str, reason: str
) -> None:
    actor, scope = caller.principal.actor, channel or None
    with app.database.transaction(Scope.fleet()) as connection:
        if turn == "on":
            controls.begin(
                connection, app.clocks, kind, workspace_id=workspace_id, channel=scope, reason=reason, actor=actor
            )
        else:
            controls.end(connection, app.clocks, kind, workspace_id=workspace_id, channel=scope, actor=actor)

"""A studio's templates and follow-ups on a page. What belongs here: what it shows, and its forms; the rooms act."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from sqlalchemy import Connection
from starlette.responses import Response

from pilar.database.engine import Scope
from pilar.errors import PilarError
from pilar.followups.overview import followups_of
from pilar.messaging.template_overview import templates_of
from pilar.provisioning import template_manager
from pilar.workspaces.store import load_configuration
from webhook_ingest.dashboards import forms
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System
from webhook_ingest.problems import status_of


@dataclass(frozen=True)
class Typed:
    """What the form holds."""

    name: str = ""
    language: str = ""
    category: str = "utility"
    body: str = ""


def templates(request: Request, app: System, caller: Asked, workspace_id: UUID) -> Response:
    """Every template with state, reason, preview, quality and use; follow-ups with what comes next."""
    return _page(request, app, caller, workspace_id, Typed())


def write_template(
    request: Request,
    app: System,
    caller: Asked,
    workspace_id: UUID,
    name: Annotated[str, Form(max_length=200)],
    language: Annotated[str, Form(max_length=20)],
    category: Annotated[str, Form(max_length=20)],
    body: Annotated[str, Form(max_length=10_000)],
) -> Response:
    """Write a template; where that can't be, the page says why and keeps what was typed."""
    wanted = {"name": name.strip(), "language": language.strip(), "category": category}
    text = body.replace("\r\n", "\n")

    def write(connection: Connection) -> str:
        template_manager.write(
            connection, app.defaults, workspace_id, **wanted, body=text, actor=caller.principal.actor
        )
        return f"/studios/{workspace_id}/templates?notice=own-template-written"

    return forms.done(app, write, partial(_page, request, app, caller, workspace_id, Typed(**wanted, body=text)))


def submit_again(
    app: System, caller: Asked, workspace_id: UUID, name: Annotated[str, Form(max_length=200)]
) -> Response:
    """Have the text of a template that is gone reviewed once more."""
    with app.database.transaction(Scope.fleet()) as connection:
        template_manager.submit_again(connection, app.defaults, workspace_id, name=name, actor=caller.principal.actor)
    return forms.see(f"/studios/{workspace_id}/templates?notice=own-template-written")


def sync_templates(app: System, workspace_id: UUID) -> Response:
    """Have drafts submitted and all templates read at WhatsApp."""
    with app.database.transaction(Scope.fleet()) as connection:
        template_manager.ask_for_review(connection, app.clocks, workspace_id)
    return forms.see(f"/studios/{workspace_id}/templates?notice=templates-asked-for")


def _page(
    request: Request, app: System, caller: Asked, workspace_id: UUID, typed: Typed, error: PilarError | None = None
) -> Response:
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        document = load_configuration(connection, workspace_id)[1]
        found = templates_of(connection, app.clocks, workspace_id)
        followups = followups_of(connection, app.clocks, workspace_id)
    return render(
        request,
        "templates.html",
        status_code=status_of(error) if error else 200,
        workspace_id=workspace_id,
        studio=document.studio.name,
        language=typed.language or document.studio.language,
        templates=[one for one in found if not one.retired],
        retired=[one for one in found if one.retired],
        followups=followups,
        zone=document.studio.time_zone,
        most_a_day=document.operator.policies.followups.max_per_day,
        typed=typed,
        problem=error.message if error else None,
        leads=caller.leads(workspace_id),
        business_now=app.clocks.business.now(),
    )

"""A studio's team. What belongs here: the page, and its forms; the rules are `pilar/security/members.py`'s."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from sqlalchemy import Connection
from starlette.responses import Response

from pilar.database.engine import Scope
from pilar.errors import PilarError
from pilar.security import members
from pilar.workspaces.store import get_workspace
from webhook_ingest.dashboards import forms
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System
from webhook_ingest.problems import status_of

Word = Annotated[str, Form(max_length=1_000)]


def team(request: Request, app: System, workspace_id: UUID) -> Response:
    """Who works in a studio, and for how many more there is room."""
    return _page(request, app, workspace_id)


def add_person(request: Request, app: System, caller: Asked, workspace_id: UUID, email: Word, name: Word) -> Response:
    """Let somebody in; where that can't be, the page says why and keeps what was typed."""

    def let_in(connection: Connection) -> str:
        _, is_new = members.add_member(
            connection, app.clocks, workspace_id, email=email, name=name, actor=caller.principal.actor
        )
        return f"/studios/{workspace_id}/team?notice={'member-added' if is_new else 'member-known'}"

    return forms.done(app, let_in, partial(_page, request, app, workspace_id, email=email, name=name))


def take_out(app: System, caller: Asked, workspace_id: UUID, person_id: UUID) -> Response:
    """Let somebody in no more."""
    with app.database.transaction(Scope.fleet()) as connection:
        members.remove_member(connection, app.clocks, workspace_id, person_id, actor=caller.principal.actor)
    return forms.see(f"/studios/{workspace_id}/team?notice=member-removed")


def _page(
    request: Request, app: System, workspace_id: UUID, error: PilarError | None = None, *, email: str = "",
    name: str = "",
) -> Response:  # fmt: skip
    with app.database.transaction(Scope.fleet()) as connection:
        studio = get_workspace(connection, workspace_id)
        found = members.people_of(connection, workspace_id)
    return render(
        request, "team.html", status_code=status_of(error) if error else 200, studio=studio, people=found,
        error=error.message if error else None, email=email, name=name, has_mail=app.settings.smtp_url is not None,
        business_now=app.clocks.business.now(),
    )  # fmt: skip

"""Effects in doubt, for the founder: what is known of each, and deciding. What belongs here: what that page does."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Form, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from pilar.backplane.effects import Verdict, decide
from pilar.backplane.unknown_effects import unknown_effects
from pilar.database.engine import Scope
from pilar.errors import Invalid, PilarError
from pilar.workspaces.store import studio_names
from webhook_ingest import cursors
from webhook_ingest.dashboards import forms, words
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System
from webhook_ingest.problems import status_of

_PER_PAGE = 50


def effects(request: Request, app: System, cursor: Annotated[str | None, Query(max_length=100)] = None) -> Response:
    """What was asked of a provider and never answered, the newest first."""
    return _page(request, app, cursor)


def settle(
    request: Request,
    app: System,
    caller: Asked,
    effect_id: UUID,
    verdict: Annotated[Verdict | None, Form()] = None,
    note: Annotated[str, Form(max_length=2_000)] = "",
) -> Response:
    """Settle one by what somebody knows; where it can't be just now, the page says why."""
    if verdict is None or not note.strip():
        return _page(request, app, None, error=Invalid("Say whether it happened, and how you know."))

    def settled(connection: Connection) -> str:
        decide(connection, app.clocks, effect_id, verdict, caller.principal.actor, note.strip())
        return f"/effects?notice=settled-{verdict}"

    return forms.done(app, settled, partial(_page, request, app, None))


def _page(request: Request, app: System, cursor: str | None, error: PilarError | None = None) -> Response:
    with app.database.transaction(Scope.fleet()) as connection:
        found = unknown_effects(connection, before=cursors.after_id(cursor), limit=_PER_PAGE + 1)
        names = studio_names(connection, {one.workspace_id for one in found if one.workspace_id})
    shown = found[:_PER_PAGE]
    return render(
        request,
        "effects.html",
        status_code=status_of(error) if error else 200,
        effects=sorted(shown, key=lambda one: not one.needs_a_person),
        waiting=sum(one.needs_a_person for one in shown),
        names=names,
        in_words=words.effect,
        more=cursors.encode(shown[-1].id) if len(found) > _PER_PAGE else None,
        error=error.message if error else None,
    )

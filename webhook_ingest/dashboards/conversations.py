"""A studio's shared inbox: who waits, a conversation, and answering it.

What belongs here: what these pages show and their buttons. What does not: who answers and whether a message may go,
which are messaging's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Form, Query, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from pilar.clocks import Clocks
from pilar.database.engine import Scope
from pilar.errors import Conflict, Invalid, PilarError
from pilar.ids import new_id
from pilar.messaging import conversations, overview
from pilar.messaging.outbox import LONGEST_TEXT
from pilar.workspaces import store as workspaces
from webhook_ingest import cursors
from webhook_ingest.dashboards.authors import authors_of
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System
from webhook_ingest.problems import status_of

_PER_PAGE = 50
_MESSAGES = 100

Who = Literal["all", "person", "bot"]


def inbox(
    request: Request, app: System, workspace_id: UUID, who: Who = "all", cursor: cursors.Cursor = None
) -> Response:
    """A studio's conversations, those that wait for a person first."""
    now = app.clocks.business.now()
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        studio = workspaces.get_workspace(connection, workspace_id)
        counts = overview.count_conversations(connection, workspace_id)
        found = overview.list_conversations(
            connection,
            workspace_id,
            now,
            mode=None if who == "all" else who,
            after=cursors.after_place(cursor),
            limit=_PER_PAGE + 1,
        )
    more = cursors.place(*found[_PER_PAGE - 1].place) if len(found) > _PER_PAGE else None
    return render(
        request,
        "conversations.html",
        workspace_id=workspace_id,
        studio=studio.name,
        who=who,
        counts=counts,
        conversations=found[:_PER_PAGE],
        more=more,
        business_now=now,
    )


def thread(
    request: Request, app: System, workspace_id: UUID, lead_id: UUID, before: Annotated[UUID | None, Query()] = None
) -> Response:
    """A conversation, and the form to answer it."""
    return _thread(request, app, workspace_id, lead_id, before=before)


def answer(
    request: Request,
    app: System,
    caller: Asked,
    workspace_id: UUID,
    lead_id: UUID,
    form_id: Annotated[UUID, Form()],
    text: Annotated[str, Form()] = "",
) -> Response:
    """Take an answer; where it can't be sent, the page says why and keeps what was typed."""
    text = text.replace("\r\n", "\n")
    try:
        with app.database.transaction(Scope.fleet()) as connection:
            conversations.answer(
                connection, app.clocks, workspace_id, lead_id, text, caller.principal.actor, form_id=str(form_id)
            )
    except (Conflict, Invalid) as error:
        return _thread(request, app, workspace_id, lead_id, error=error, text=text, form_id=form_id)
    return _back(workspace_id, lead_id, "answered")


def take_over(app: System, caller: Asked, workspace_id: UUID, lead_id: UUID) -> Response:
    """Have a person answer from now on."""
    return _change(app, caller, workspace_id, lead_id, conversations.take_over, "taken-over")


def hand_back(app: System, caller: Asked, workspace_id: UUID, lead_id: UUID) -> Response:
    """Have the bot answer from now on."""
    return _change(app, caller, workspace_id, lead_id, conversations.hand_back, "handed-back")


def _thread(
    request: Request,
    app: System,
    workspace_id: UUID,
    lead_id: UUID,
    *,
    before: UUID | None = None,
    error: PilarError | None = None,
    text: str = "",
    form_id: UUID | None = None,
) -> Response:
    now = app.clocks.business.now()
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        studio = workspaces.get_workspace(connection, workspace_id)
        shown = overview.thread(connection, workspace_id, lead_id, now, older_than=before, limit=_MESSAGES)
    return render(
        request,
        "conversation.html",
        status_code=status_of(error) if error else 200,
        workspace_id=workspace_id,
        studio=studio.name,
        thread=shown,
        authors=authors_of(app, workspace_id, shown.messages),
        before=before,
        error=error.message if error else None,
        text=text,
        form_id=form_id or new_id(),
        longest=LONGEST_TEXT,
        business_now=now,
    )


def _change(
    app: System,
    caller: Asked,
    workspace_id: UUID,
    lead_id: UUID,
    change: Callable[[Connection, Clocks, UUID, UUID, str], bool],
    notice: str,
) -> Response:
    with app.database.transaction(Scope.fleet()) as connection:
        change(connection, app.clocks, workspace_id, lead_id, caller.principal.actor)
    return _back(workspace_id, lead_id, notice)


def _back(workspace_id: UUID, lead_id: UUID, notice: str) -> Response:
    return RedirectResponse(f"/studios/{workspace_id}/conversations/{lead_id}?notice={notice}#latest", 303)

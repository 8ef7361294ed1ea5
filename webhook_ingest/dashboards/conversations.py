"""A studio's shared inbox: who waits, a conversation, and answering it.

What belongs here: what these pages show and their buttons. What does not: who answers and whether a message may go,
which are messaging's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Form, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from pilar.app import App
from pilar.clocks import Clocks
from pilar.database.engine import Scope
from pilar.errors import Invalid, PilarError
from pilar.ids import new_id
from pilar.messaging import assigning, conversations, media, notes, overview, refusals
from pilar.messaging.outbox import LONGEST_TEXT
from pilar.workspaces import store as workspaces
from pilar.workspaces.store import members_of
from webhook_ingest import cursors
from webhook_ingest.dashboards import forms
from webhook_ingest.dashboards.authors import authors_of, note_author
from webhook_ingest.dashboards.refusal_words import refusal_in_words
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System
from webhook_ingest.problems import status_of

_PER_PAGE = 50
_MESSAGES = 100

Who = Literal["all", "person", "bot", "mine", "unassigned", "closing", "unclear"]


def inbox(
    request: Request, app: System, caller: Asked, workspace_id: UUID, who: Who = "all", cursor: cursors.Cursor = None
) -> Response:
    """A studio's conversations, those that wait for a person first."""
    now, me = app.clocks.business.now(), caller.principal.person_id
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        studio = workspaces.get_workspace(connection, workspace_id)
        counts = overview.count_conversations(connection, workspace_id)
        counts |= overview.count_assigned(connection, workspace_id, me)
        counts["closing"] = overview.count_closing(connection, workspace_id, now)
        counts["unclear"] = overview.count_unclear(connection, workspace_id)
        found = overview.list_conversations(
            connection,
            workspace_id,
            now,
            after=cursors.after_place(cursor),
            limit=_PER_PAGE + 1,
            **wanted(who, me),
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
        people=people_of(app, workspace_id),
        more=more,
        business_now=now,
    )


def wanted(who: Who, me: UUID | None) -> dict[str, Any]:
    """What a filter asks of the list of conversations; whoever is nobody in particular has none of their own."""
    if who == "mine":
        return {"mode": None, "assigned_to": me or UUID(int=0)}
    if who == "unassigned":
        return {"mode": "person", "is_unassigned": True}
    if who == "closing":
        return {"mode": None, "is_closing": True}
    if who == "unclear":
        return {"mode": None, "is_unclear": True}
    return {"mode": None if who == "all" else who}


def people_of(app: App, workspace_id: UUID) -> dict[UUID, str]:
    """Who works in a studio: people work in several, and only the fleet's scope sees them."""
    with app.database.transaction(Scope.fleet()) as connection:
        working = members_of(connection, workspace_id)
    return {one.id: one.name for one in sorted(working, key=lambda one: (one.name, one.id))}


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

    def send(connection: Connection) -> str:
        conversations.answer(
            connection, app.clocks, workspace_id, lead_id, text, caller.principal.actor, form_id=str(form_id)
        )
        return _to(workspace_id, lead_id, "answered")

    return forms.done(app, send, partial(_thread, request, app, workspace_id, lead_id, text=text, form_id=form_id))


def answer_by_template(
    request: Request,
    app: System,
    caller: Asked,
    workspace_id: UUID,
    lead_id: UUID,
    choice_id: Annotated[UUID, Form()],
    template: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Write by a template; where it can't be sent, the page says why."""

    def send(connection: Connection) -> str:
        conversations.answer_by_template(
            connection, app.clocks, workspace_id, lead_id, template, caller.principal.actor, form_id=str(choice_id)
        )
        return _to(workspace_id, lead_id, "answered")

    return forms.done(app, send, partial(_thread, request, app, workspace_id, lead_id))


def assign(
    request: Request,
    app: System,
    caller: Asked,
    workspace_id: UUID,
    lead_id: UUID,
    person: Annotated[str, Form(max_length=36)] = "",
) -> Response:
    """Have somebody see to a conversation, or nobody."""

    def assigned(connection: Connection) -> str:
        try:
            person_id = UUID(person) if person else None
        except ValueError as error:
            raise Invalid("Choose one of the studio's people.") from error
        assigning.assign(connection, app.clocks, workspace_id, lead_id, person_id, caller.principal.actor)
        return _to(workspace_id, lead_id, "assigned")

    return forms.done(app, assigned, partial(_thread, request, app, workspace_id, lead_id))


def add_note(
    request: Request,
    app: System,
    caller: Asked,
    workspace_id: UUID,
    lead_id: UUID,
    note_id: Annotated[UUID, Form()],
    note: Annotated[str, Form()] = "",
) -> Response:
    """Keep a note for the staff."""

    def keep(connection: Connection) -> str:
        notes.add(
            connection, app.clocks, workspace_id, lead_id, note.replace("\r\n", "\n"),
            actor=caller.principal.actor, form_id=str(note_id),
        )  # fmt: skip
        return _to(workspace_id, lead_id, "noted")

    return forms.done(app, keep, partial(_thread, request, app, workspace_id, lead_id, note=note))


def tell_refusal(
    request: Request,
    app: System,
    caller: Asked,
    workspace_id: UUID,
    lead_id: UUID,
    message_id: UUID,
    refuses: Annotated[Literal["yes", "no"], Form()],
) -> Response:
    """Tell whether what a lead wrote refuses to be written to."""

    def tell(connection: Connection) -> str:
        refusals.answer(
            connection, app.clocks, workspace_id, lead_id, message_id, caller.principal.actor, app.people,
            refuses=refuses == "yes",
        )  # fmt: skip
        return _to(workspace_id, lead_id, "told-refusal" if refuses == "yes" else "told-no-refusal")

    return forms.done(app, tell, partial(_thread, request, app, workspace_id, lead_id))


def file(app: System, workspace_id: UUID, lead_id: UUID, message_id: UUID) -> Response:
    """A picture, sound or file that a lead sent; what a browser might run is only ever saved."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        found = media.read(connection, workspace_id, lead_id, message_id)
    kind = found.mime_type if found.is_shown else "application/octet-stream"
    how = "inline" if found.is_shown else "attachment"
    headers = {"content-disposition": f'{how}; filename="{message_id}"', "cache-control": "private, max-age=3600"}
    return Response(found.content, media_type=kind, headers=headers)


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
    error: PilarError | None = None,
    *,
    before: UUID | None = None,
    text: str = "",
    note: str = "",
    form_id: UUID | None = None,
) -> Response:
    now = app.clocks.business.now()
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        studio = workspaces.get_workspace(connection, workspace_id)
        shown = overview.thread(connection, workspace_id, lead_id, now, older_than=before, limit=_MESSAGES)
        noted = overview.notes(connection, workspace_id, lead_id)
        templates = overview.template_choices(connection, workspace_id, lead_id)
    people = people_of(app, workspace_id)
    return render(
        request,
        "conversation.html",
        status_code=status_of(error) if error else 200,
        workspace_id=workspace_id,
        studio=studio.name,
        thread=shown,
        notes=[(one, note_author(one.author, people)) for one in noted],
        templates=templates,
        people=people,
        note=note,
        note_id=new_id(),
        choice_id=new_id(),
        longest_note=notes.LONGEST_NOTE,
        authors=authors_of(app, workspace_id, shown.messages),
        refusals={one.message_id: (one, refusal_in_words(one, people)) for one in shown.refusals},
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
    return forms.see(_to(workspace_id, lead_id, notice))


def _to(workspace_id: UUID, lead_id: UUID, notice: str) -> str:
    return f"/studios/{workspace_id}/conversations/{lead_id}?notice={notice}#latest"

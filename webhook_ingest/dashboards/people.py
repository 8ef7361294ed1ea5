"""A studio's leads: the list, and one with what happened. What belongs here: these pages and their buttons."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Form, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from pilar.backplane.facts import Cause
from pilar.coach import goals
from pilar.coach.chart import chart_of, painted
from pilar.database.engine import Scope
from pilar.errors import Conflict, Invalid, NotFound, PilarError
from pilar.messaging import erasing, leads, merging, notes, people_store, store
from pilar.messaging.consent import ConsentScope
from pilar.messaging.leads import LIFECYCLES, Changes
from pilar.workspaces.store import get_workspace
from webhook_ingest import cursors
from webhook_ingest.dashboards import forms
from webhook_ingest.dashboards.person_page import address_of, show, shown_again
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System
from webhook_ingest.problems import status_of

_PER_PAGE = 50
_PAIRS = 10
_TOLD: dict[str, tuple[ConsentScope, bool]] = {
    "agreed": ("marketing", True),
    "agreed-to-email": ("email", True),
    "no-marketing": ("marketing", False),
    "no-email": ("email", False),
    "nothing": ("all", False),
    "nothing-anywhere": ("founder", False),
}
"""What a lead may have told, by the form's word: which scope it is about, and whether they agreed."""
_CONFIRMED = "erase"
"""What has to be typed: nobody erases a person by a slip of the hand."""


def people(
    request: Request,
    app: System,
    workspace_id: UUID,
    search: Annotated[str, Query(max_length=100)] = "",
    tag: Annotated[str, Query(max_length=60)] = "",
    lifecycle: Annotated[str, Query(max_length=20)] = "",
    cursor: cursors.Cursor = None,
) -> Response:
    """A studio's leads, found by name or number, tag and lifecycle."""
    return _list(request, app, workspace_id, search=search, tag=tag, lifecycle=lifecycle, cursor=cursor)


def add(
    request: Request,
    app: System,
    caller: Asked,
    workspace_id: UUID,
    phone: Annotated[str, Form()] = "",
    name: Annotated[str, Form()] = "",
    email: Annotated[str, Form()] = "",
    consent_proof: Annotated[str, Form()] = "",
    email_consent_proof: Annotated[str, Form()] = "",
) -> Response:
    """Bring a lead by their number."""

    def bring(connection: Connection) -> str:
        lead = leads.add(
            connection,
            app.clocks,
            app.people,
            workspace_id,
            Changes(name=name or None, phone=phone, email=email or None),
            actor=caller.principal.actor,
            consent_proof=consent_proof,
            email_consent_proof=email_consent_proof,
        )
        return address_of(workspace_id, lead.id, "lead-saved")

    typed = {
        "phone": phone, "name": name, "email": email, "consent_proof": consent_proof,
        "email_consent_proof": email_consent_proof,
    }  # fmt: skip
    return forms.done(app, bring, partial(_list, request, app, workspace_id, typed=typed))


def person(request: Request, app: System, caller: Asked, workspace_id: UUID, lead_id: UUID) -> Response:
    """A lead, what they allowed and what happened; an id that was merged leads to who stayed."""
    return show(request, app, caller, workspace_id, lead_id)


def goal_picture(app: System, workspace_id: UUID, lead_id: UUID, goal_id: UUID) -> Response:
    """The picture of a lead's goal, as their report shows it, painted anew."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        studio = get_workspace(connection, workspace_id)
        lead = store.get_lead(connection, workspace_id, lead_id)
        found = [one for one in goals.goals_of(connection, workspace_id, lead.id) if one.row.id == goal_id]
    if not found:
        raise NotFound("This lead has no such goal.")
    content = painted(chart_of(found[0], studio.name, lead.language))
    return Response(content, media_type="image/png", headers={"Cache-Control": "private, no-store"})


def change(
    request: Request,
    app: System,
    caller: Asked,
    workspace_id: UUID,
    lead_id: UUID,
    name: Annotated[str, Form()] = "",
    phone: Annotated[str, Form()] = "",
    email: Annotated[str, Form()] = "",
    language: Annotated[str, Form()] = "",
    time_zone: Annotated[str, Form()] = "",
    tags: Annotated[str, Form()] = "",
    lifecycle: Annotated[str, Form()] = "",
) -> Response:
    """Change what is known of a lead."""
    wanted = Changes(
        name=name,
        phone=phone or None,
        email=email,
        language=language or None,
        time_zone=time_zone,
        tags=tags.split(","),
        lifecycle=lifecycle or None,
    )

    def save(connection: Connection) -> str:
        leads.change(connection, app.clocks, app.people, workspace_id, lead_id, wanted, actor=caller.principal.actor)
        return address_of(workspace_id, lead_id, "lead-saved")

    typed = {
        "name": name, "phone": phone, "email": email, "language": language, "time_zone": time_zone, "tags": tags,
    }  # fmt: skip
    again = shown_again(request, app, caller, workspace_id, lead_id, "about", {**typed, "lifecycle": lifecycle})
    return forms.done(app, save, again)


def note(
    request: Request,
    app: System,
    caller: Asked,
    workspace_id: UUID,
    lead_id: UUID,
    note_id: Annotated[UUID, Form()],
    text: Annotated[str, Form()] = "",
) -> Response:
    """Keep a note about a lead."""

    def keep(connection: Connection) -> str:
        notes.add(
            connection, app.clocks, workspace_id, lead_id, text.replace("\r\n", "\n"),
            actor=caller.principal.actor, form_id=str(note_id),
        )  # fmt: skip
        return address_of(workspace_id, lead_id, "lead-noted")

    return forms.done(app, keep, shown_again(request, app, caller, workspace_id, lead_id, "note", {"text": text}))


def allow(
    request: Request,
    app: System,
    caller: Asked,
    workspace_id: UUID,
    lead_id: UUID,
    told: Annotated[
        Literal["agreed", "agreed-to-email", "no-marketing", "no-email", "nothing", "nothing-anywhere"], Form()
    ],
    proof: Annotated[str, Form()] = "",
) -> Response:
    """Keep what a lead told the staff about being written to."""
    scope, granted = _TOLD[told]

    def keep(connection: Connection) -> str:
        leads.allow(
            connection,
            app.clocks,
            app.people,
            workspace_id,
            lead_id,
            scope,
            granted,
            proof,
            actor=caller.principal.actor,
        )
        return address_of(workspace_id, lead_id, "lead-consent")

    typed = {"told": told, "proof": proof}
    return forms.done(app, keep, shown_again(request, app, caller, workspace_id, lead_id, "consent", typed))


def merge(
    request: Request,
    app: System,
    caller: Asked,
    workspace_id: UUID,
    lead_id: UUID,
    other_id: Annotated[str, Form(max_length=300)],
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Put another lead into this one."""

    def put_together(connection: Connection) -> str:
        try:
            other = UUID(other_id.strip().rpartition("/")[2])
        except ValueError as error:
            raise Invalid("That is no lead's id: copy the address of their page.") from error
        actor, why = caller.principal.actor, reason.strip() or "Staff told that they are one person."
        merging.merge(connection, app.clocks, app.people, workspace_id, lead_id, other, actor, why, Cause.new())
        return address_of(workspace_id, lead_id, "lead-merged")

    again = shown_again(request, app, caller, workspace_id, lead_id, "merge", {"other_id": other_id})
    return forms.done(app, put_together, again, kinds=(Conflict, Invalid, NotFound))


def erase(
    request: Request,
    app: System,
    caller: Asked,
    workspace_id: UUID,
    lead_id: UUID,
    confirmed: Annotated[str, Form()] = "",
) -> Response:
    """Have a lead erased, where that was typed."""

    def erased(connection: Connection) -> str:
        if confirmed.strip().lower() != _CONFIRMED:
            raise Invalid(f"Type {_CONFIRMED.upper()} to say that you mean it: it can't be taken back.")
        erasing.ask(connection, app.clocks, workspace_id, lead_id, actor=caller.principal.actor)
        return address_of(workspace_id, lead_id, "lead-erasure")

    return forms.done(app, erased, shown_again(request, app, caller, workspace_id, lead_id, "erase", {}))


def _list(
    request: Request,
    app: System,
    workspace_id: UUID,
    error: PilarError | None = None,
    *,
    search: str = "",
    tag: str = "",
    lifecycle: str = "",
    cursor: str | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        studio = get_workspace(connection, workspace_id)
        rows = leads.list_leads(
            connection,
            workspace_id,
            search=search,
            tag=tag,
            lifecycle=lifecycle,
            before=cursors.after_id(cursor),
            limit=_PER_PAGE + 1,
        )
        tags = people_store.tags_of(connection, workspace_id)
        pairs = people_store.likely_pairs(connection, workspace_id, None, _PAIRS)
    return render(
        request,
        "people.html",
        status_code=status_of(error) if error else 200,
        workspace_id=workspace_id,
        studio=studio.name,
        zone=studio.time_zone,
        leads=rows[:_PER_PAGE],
        more=cursors.encode(rows[_PER_PAGE - 1].id) if len(rows) > _PER_PAGE else None,
        search=search,
        tag=tag,
        lifecycle=lifecycle,
        lifecycles=(*LIFECYCLES, "staff", "erased"),
        tags=tags,
        pairs=pairs,
        typed=typed or dict.fromkeys(("phone", "name", "email", "consent_proof", "email_consent_proof"), ""),
        error=error.message if error else None,
    )

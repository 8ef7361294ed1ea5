"""A studio's leads: the list, and one with what happened. What belongs here: these pages and their buttons."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Form, Query, Request
from starlette.responses import RedirectResponse, Response

from pilar.backplane.facts import Cause
from pilar.coach import goals, lead_state, trainings
from pilar.coach.chart import chart_of, painted
from pilar.database.engine import Scope
from pilar.errors import Conflict, Invalid, NotFound, PilarError
from pilar.ids import new_id
from pilar.messaging import erasing, leads, merging, notes, people_store, store
from pilar.messaging.consent import ConsentScope
from pilar.messaging.facts import opted_out_scope, window_closes_at
from pilar.messaging.leads import LIFECYCLES, Changes
from pilar.workspaces.store import get_workspace
from webhook_ingest import cursors
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System
from webhook_ingest.problems import status_of

_PER_PAGE = 50
_MOMENTS = 100
_PAIRS = 10
_TRAININGS = 10
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
    consent_proof: Annotated[str, Form()] = "",
) -> Response:
    """Bring a lead by their number."""
    try:
        with app.database.transaction(Scope.fleet()) as connection:
            lead = leads.add(
                connection,
                app.clocks,
                app.people,
                workspace_id,
                Changes(name=name or None, phone=phone),
                actor=caller.principal.actor,
                consent_proof=consent_proof,
            )
    except (Conflict, Invalid) as error:
        return _list(request, app, workspace_id, error=error)
    return _to(workspace_id, lead.id, "lead-saved")


def person(request: Request, app: System, caller: Asked, workspace_id: UUID, lead_id: UUID) -> Response:
    """A lead, what they allowed and what happened; an id that was merged leads to who stayed."""
    return _person(request, app, caller, workspace_id, lead_id)


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
    language: Annotated[str, Form()] = "",
    time_zone: Annotated[str, Form()] = "",
    tags: Annotated[str, Form()] = "",
    lifecycle: Annotated[str, Form()] = "",
) -> Response:
    """Change what is known of a lead."""
    wanted = Changes(
        name=name,
        phone=phone or None,
        language=language or None,
        time_zone=time_zone,
        tags=tags.split(","),
        lifecycle=lifecycle or None,
    )
    try:
        with app.database.transaction(Scope.fleet()) as connection:
            leads.change(
                connection, app.clocks, app.people, workspace_id, lead_id, wanted, actor=caller.principal.actor
            )
    except (Conflict, Invalid) as error:
        return _person(request, app, caller, workspace_id, lead_id, error=error)
    return _to(workspace_id, lead_id, "lead-saved")


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
    try:
        with app.database.transaction(Scope.fleet()) as connection:
            notes.add(
                connection, app.clocks, workspace_id, lead_id, text.replace("\r\n", "\n"),
                actor=caller.principal.actor, form_id=str(note_id),
            )  # fmt: skip
    except (Conflict, Invalid) as error:
        return _person(request, app, caller, workspace_id, lead_id, error=error)
    return _to(workspace_id, lead_id, "lead-noted")


def allow(
    request: Request,
    app: System,
    caller: Asked,
    workspace_id: UUID,
    lead_id: UUID,
    told: Annotated[Literal["agreed", "no-marketing", "nothing", "nothing-anywhere"], Form()],
    proof: Annotated[str, Form()] = "",
) -> Response:
    """Keep what a lead told the staff about being written to."""
    scope: ConsentScope = "marketing"
    if told.startswith("nothing"):
        scope = "founder" if told == "nothing-anywhere" else "all"
    try:
        with app.database.transaction(Scope.fleet()) as connection:
            leads.allow(
                connection,
                app.clocks,
                app.people,
                workspace_id,
                lead_id,
                scope,
                told == "agreed",
                proof,
                actor=caller.principal.actor,
            )
    except (Conflict, Invalid) as error:
        return _person(request, app, caller, workspace_id, lead_id, error=error)
    return _to(workspace_id, lead_id, "lead-consent")


def merge(
    request: Request,
    app: System,
    caller: Asked,
    workspace_id: UUID,
    lead_id: UUID,
    other_id: Annotated[UUID, Form()],
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Put another lead into this one."""
    try:
        with app.database.transaction(Scope.fleet()) as connection:
            actor, why = caller.principal.actor, reason.strip() or "Staff told that they are one person."
            merging.merge(connection, app.clocks, app.people, workspace_id, lead_id, other_id, actor, why, Cause.new())
    except (Conflict, NotFound) as error:
        return _person(request, app, caller, workspace_id, lead_id, error=error)
    return _to(workspace_id, lead_id, "lead-merged")


def erase(
    request: Request,
    app: System,
    caller: Asked,
    workspace_id: UUID,
    lead_id: UUID,
    confirmed: Annotated[str, Form()] = "",
) -> Response:
    """Have a lead erased, where that was typed."""
    if confirmed.strip().lower() != _CONFIRMED:
        slip = Invalid(f"Type {_CONFIRMED.upper()} to say that you mean it: it can't be taken back.")
        return _person(request, app, caller, workspace_id, lead_id, error=slip)
    try:
        with app.database.transaction(Scope.fleet()) as connection:
            erasing.ask(connection, app.clocks, workspace_id, lead_id, actor=caller.principal.actor)
    except Conflict as error:
        return _person(request, app, caller, workspace_id, lead_id, error=error)
    return _to(workspace_id, lead_id, "lead-erasure")


def _list(
    request: Request,
    app: System,
    workspace_id: UUID,
    *,
    search: str = "",
    tag: str = "",
    lifecycle: str = "",
    cursor: str | None = None,
    error: PilarError | None = None,
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
        error=error.message if error else None,
    )


def _person(
    request: Request,
    app: System,
    caller: Asked,
    workspace_id: UUID,
    lead_id: UUID,
    *,
    error: PilarError | None = None,
) -> Response:
    now = app.clocks.business.now()
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        studio = get_workspace(connection, workspace_id)
        lead = store.get_lead(connection, workspace_id, lead_id)
        if lead.id != lead_id:
            return _to(workspace_id, lead.id, "lead-merged")
        consents = store.consents(connection, workspace_id, lead.id)
        thread = store.find_conversation(connection, workspace_id, lead.id)
        moments = leads.timeline(connection, app.clocks, app.people, workspace_id, lead.id, _MOMENTS)
        coaching = lead_state.state_of(connection, app.clocks, workspace_id, lead.id)
        trained = trainings.newest(connection, workspace_id, lead.id, _TRAININGS)
        pairs = people_store.likely_pairs(connection, workspace_id, lead.id, _PAIRS)
        erasure = people_store.find_erasure(connection, workspace_id, lead.id)
    closes = window_closes_at(thread)
    return render(
        request,
        "person.html",
        status_code=status_of(error) if error else 200,
        workspace_id=workspace_id,
        studio=studio.name,
        zone=studio.time_zone,
        lead=lead,
        opted_out=opted_out_scope(consents),
        opted_in=consents.get("marketing") is True,
        has_thread=thread is not None,
        window_closes_at=closes if closes and closes > now else None,
        moments=moments,
        others=[(one.second_id if one.first_id == lead.id else one.first_id, one.reason) for one in pairs],
        coaching=coaching,
        trainings=trained,
        note_id=new_id(),
        longest_note=notes.LONGEST_NOTE,
        erasure=erasure,
        lifecycles=LIFECYCLES,
        leads_studio=caller.leads(workspace_id),
        error=error.message if error else None,
        business_now=now,
    )


def _to(workspace_id: UUID, lead_id: UUID, notice: str) -> Response:
    return RedirectResponse(f"/studios/{workspace_id}/people/{lead_id}?notice={notice}", 303)

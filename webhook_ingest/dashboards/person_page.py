"""A lead's page. What belongs here: what it shows, also after a form of it was refused; its forms are elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from pilar.app import App
from pilar.coach import goals, lead_state, training_store
from pilar.coach.schedule import EVERY
from pilar.coach.texts import STYLES
from pilar.database.engine import Scope
from pilar.errors import PilarError
from pilar.ids import new_id
from pilar.messaging import leads, notes, people_store, store
from pilar.messaging.facts import opted_out_scope, window_closes_at
from pilar.messaging.leads import LIFECYCLES
from pilar.workspaces.store import get_workspace
from webhook_ingest.dashboards import forms
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Caller
from webhook_ingest.problems import status_of

_MOMENTS = 100
_PAIRS = 10
_TRAININGS = 10


def address_of(workspace_id: UUID, lead_id: UUID, notice: str, at: str = "") -> str:
    """Where a lead's page is, with what it is to say.

    Args:
        workspace_id: the studio.
        lead_id: who.
        notice: a name of `NOTICES`.
        at: the part of the page that is to be seen, by its id; empty: its head.
    """
    return f"/studios/{workspace_id}/people/{lead_id}?notice={notice}{'#' if at else ''}{at}"


def shown_again(
    request: Request, app: App, caller: Caller, workspace_id: UUID, lead_id: UUID, at: str, values: Mapping[str, str]
) -> Callable[[PilarError], Response]:
    """The page as it is shown to who filled in a form that is refused.

    Args:
        request: theirs.
        app: the system.
        caller: who they are.
        workspace_id: the studio.
        lead_id: whose page.
        at: which form.
        values: what was typed, by field.
    """

    def again(error: PilarError) -> Response:
        typed = forms.Typed(at, values, error.message)
        return show(request, app, caller, workspace_id, lead_id, typed, status_of(error))

    return again


def show(
    request: Request,
    app: App,
    caller: Caller,
    workspace_id: UUID,
    lead_id: UUID,
    typed: forms.Typed | None = None,
    status_code: int = 200,
) -> Response:
    """A lead's page; an id that was merged leads to who stayed.

    Args:
        request: whose answer it is.
        app: the system.
        caller: who looks.
        workspace_id: the studio.
        lead_id: who.
        typed: what a form holds that was refused; None: none was.
        status_code: of HTTP.
    """
    now = app.clocks.business.now()
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        studio = get_workspace(connection, workspace_id)
        lead = store.get_lead(connection, workspace_id, lead_id)
        if lead.id != lead_id:
            return forms.see(address_of(workspace_id, lead.id, "lead-merged"))
        consents = store.consents(connection, workspace_id, lead.id)
        thread = store.find_conversation(connection, workspace_id, lead.id)
        moments = leads.timeline(connection, app.clocks, app.people, workspace_id, lead.id, _MOMENTS)
        coaching = lead_state.state_of(connection, app.clocks, workspace_id, lead.id)
        trained = training_store.latest(connection, workspace_id, lead.id, _TRAININGS)
        pairs = people_store.likely_pairs(connection, workspace_id, lead.id, _PAIRS)
        erasure = people_store.find_erasure(connection, workspace_id, lead.id)
    closes = window_closes_at(thread)
    return render(
        request,
        "person.html",
        status_code=status_code,
        workspace_id=workspace_id,
        studio=studio.name,
        zone=studio.time_zone,
        lead=lead,
        opted_out=opted_out_scope(consents),
        opted_in=consents.get("marketing") is True,
        mail_allowed=consents.get("email"),
        has_thread=thread is not None,
        window_closes_at=closes if closes and closes > now else None,
        moments=moments,
        others=[(one.second_id if one.first_id == lead.id else one.first_id, one.reason) for one in pairs],
        coaching=coaching,
        frequencies=tuple(EVERY),
        styles=STYLES,
        trained=trained,
        goal_types=goals.GOAL_TYPES,
        new_id=new_id,
        longest_note=notes.LONGEST_NOTE,
        erasure=erasure,
        lifecycles=LIFECYCLES,
        leads_studio=caller.leads(workspace_id),
        typed=typed or forms.Typed(),
        business_now=now,
    )

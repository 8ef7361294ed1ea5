"""A studio's calendar. What belongs here: what is booked, calling one off, and who follows it from elsewhere."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from starlette.responses import RedirectResponse, Response

from pilar.backplane import audit
from pilar.backplane.facts import Cause
from pilar.bookings import feeds
from pilar.bookings.bookings import cancel
from pilar.bookings.overview import upcoming
from pilar.database.engine import Scope
from pilar.messaging.store import lead_names
from pilar.workspaces.store import get_workspace
from webhook_ingest.api.calendar import address_of
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System

_SHOWN = 100


def calendar(request: Request, app: System, caller: Asked, workspace_id: UUID) -> Response:
    """What is booked from now on, in the studio's own time."""
    return _page(request, app, caller, workspace_id)


def add_feed(
    request: Request, app: System, caller: Asked, workspace_id: UUID, name: Annotated[str, Form()] = ""
) -> Response:
    """Make a secret address; the page that answers is the only one to show it, and no cache keeps it."""
    with app.database.transaction(Scope.fleet()) as connection:
        _, token = feeds.make(connection, app.clocks, workspace_id, name, caller.principal.actor)
    response = _page(request, app, caller, workspace_id, address_of(app.settings.public_url, token))
    response.headers["cache-control"] = "no-store"
    return response


def end_feed(app: System, caller: Asked, workspace_id: UUID, feed_id: UUID) -> Response:
    """Have a secret address show nothing any more."""
    with app.database.transaction(Scope.fleet()) as connection:
        feeds.revoke(connection, app.clocks, workspace_id, feed_id, caller.principal.actor)
    return RedirectResponse(f"/studios/{workspace_id}/calendar?notice=feed-revoked", 303)


def _page(request: Request, app: System, caller: Asked, workspace_id: UUID, address: str | None = None) -> Response:
    now = app.clocks.business.now()
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        studio = get_workspace(connection, workspace_id)
        bookings = upcoming(connection, workspace_id, now, _SHOWN)
        names = lead_names(connection, workspace_id, [one.lead_id for one in bookings])
        followed = feeds.feeds_of(connection, workspace_id)
    return render(
        request,
        "calendar.html",
        workspace_id=workspace_id,
        studio=studio.name,
        zone=studio.time_zone,
        bookings=bookings,
        names=names,
        feeds=[one for one in followed if one.revoked_at is None],
        address=address,
        may_share=caller.leads(workspace_id),
    )


def cancel_booking(app: System, caller: Asked, workspace_id: UUID, booking_id: UUID) -> Response:
    """Call a booking off; its time is free again."""
    # Events and the audit log are the fleet's to write; that the booking is the studio's is in the statement.
    with app.database.transaction(Scope.fleet()) as connection:
        cancel(connection, app.clocks, workspace_id, booking_id, story=Cause.new())
        audit.record(
            connection,
            actor=caller.principal.actor,
            action="bookings.cancelled",
            subject=f"booking:{booking_id}",
            now=app.clocks.real.now(),
            workspace_id=workspace_id,
        )
    return RedirectResponse(f"/studios/{workspace_id}/calendar?notice=booking-cancelled", 303)

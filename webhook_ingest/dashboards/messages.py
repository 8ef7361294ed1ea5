"""A studio's messages by day, its switches and its test message. What belongs here: what that page shows and does."""

from __future__ import annotations

import math
from datetime import UTC
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from sqlalchemy import Connection
from starlette.responses import Response

from pilar.database.engine import Scope
from pilar.errors import Conflict, NotFound, PilarError, TooManyRequests
from pilar.ids import new_id
from pilar.messaging import controls, costs, fall_backs, number_test, overview
from pilar.messaging.fall_backs import FallBacks
from pilar.provisioning import channel_overview
from pilar.workspaces import store as workspaces
from webhook_ingest.dashboards import charts, forms
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System
from webhook_ingest.problems import status_of

_DAYS = 14


def messages(request: Request, app: System, caller: Asked, workspace_id: UUID) -> Response:
    """What a studio sent and received lately, what keeps its messages back, and a test of its number."""
    return _page(request, app, caller, workspace_id)


def send_test(
    request: Request, app: System, caller: Asked, workspace_id: UUID, form_id: Annotated[UUID, Form()]
) -> Response:
    """Have a test message sent to the owner; where it can't be, the page says why."""

    def ask(connection: Connection) -> str:
        number_test.ask_for_test(
            connection, app.clocks, workspace_id, occasion=f"form:{form_id}", actor=caller.principal.actor
        )
        return f"/studios/{workspace_id}/messages?notice=tested#test"

    refused = partial(_page, request, app, caller, workspace_id)
    return forms.done(app, ask, refused, kinds=(Conflict, TooManyRequests))


def choose_channels(
    request: Request,
    app: System,
    caller: Asked,
    workspace_id: UUID,
    sms: Annotated[bool, Form()] = False,
    email: Annotated[bool, Form()] = False,
    reply_to: Annotated[str, Form(max_length=254)] = "",
    postal_address: Annotated[str, Form(max_length=400)] = "",
) -> Response:
    """Choose by what else the studio writes; what can't be stays in the form, with the reason."""
    wanted = FallBacks(sms, email, reply_to, postal_address)

    def choose(connection: Connection) -> str:
        fall_backs.choose(connection, app.clocks, workspace_id, wanted, actor=caller.principal.actor)
        return f"/studios/{workspace_id}/messages?notice=channels-chosen#channels"

    return forms.done(app, choose, partial(_page, request, app, caller, workspace_id, channels=wanted))


def _page(
    request: Request,
    app: System,
    caller: Asked,
    workspace_id: UUID,
    error: PilarError | None = None,
    *,
    channels: FallBacks | None = None,
) -> Response:
    is_of_channels = channels is not None
    now = app.clocks.business.now()
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        studio = workspaces.get_workspace(connection, workspace_id)
        own = controls.in_force(connection, workspace_id)
        spent = costs.costs_of_month(connection, workspace_id, now.astimezone(UTC).date())
        number = channel_overview.seen(connection, app.clocks, workspace_id)
        channels = channels if is_of_channels else _chosen(connection, workspace_id)
        days = overview.last_days(connection, workspace_id, now.astimezone(UTC).date(), days=_DAYS)
    # The owner is a person, and people are seen in the fleet's scope alone.
    with app.database.transaction(Scope.fleet()) as connection:
        last_test = number_test.last_test(connection, workspace_id)
    page = render(
        request,
        "messages.html",
        status_code=status_of(error) if error else 200,
        workspace_id=workspace_id,
        studio=studio.name,
        number=number,
        days=days,
        spent=spent,
        chart=charts.bars([(day.messages_in, day.messages_out) for day in days]),
        counted_at=max((day.refreshed_at for day in days if day.refreshed_at), default=None),
        controls=own,
        channels=channels,
        channels_error=error.message if error and is_of_channels else None,
        leads=caller.leads(workspace_id),
        last_test=last_test,
        per_hour=number_test.PER_STUDIO.amount,
        error=error.message if error and not is_of_channels else None,
        form_id=new_id(),
        business_now=now,
    )
    if isinstance(error, TooManyRequests) and error.retry_after:
        page.headers["retry-after"] = str(max(1, math.ceil(error.retry_after.total_seconds())))
    return page


def _chosen(connection: Connection, workspace_id: UUID) -> FallBacks | None:
    """What the studio has chosen; None while it has no configuration yet."""
    try:
        return fall_backs.chosen(connection, workspace_id)
    except NotFound:
        return None

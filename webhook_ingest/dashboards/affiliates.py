"""Affiliates, for the founder and for themselves. What belongs here: their pages; reading is `pilar/affiliates`'.

An affiliate's own page is read in the affiliate's scope, in which studios have no names.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Form, Query, Request
from starlette.responses import RedirectResponse, Response

from pilar.affiliates.links import create_link, link_url
from pilar.affiliates.overview import ledger_of, list_affiliates
from pilar.affiliates.registration import register
from pilar.database.engine import Scope
from webhook_ingest import cursors
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System

Field = Annotated[str, Form(max_length=1_000)]
_PER_PAGE = 50


def affiliates(request: Request, app: System, cursor: Annotated[str | None, Query(max_length=100)] = None) -> Response:
    """All affiliates: what their links have brought, what they are owed, and a form to add one."""
    with app.database.transaction(Scope.fleet()) as connection:
        found = list_affiliates(connection, after=cursors.after_id(cursor), limit=_PER_PAGE + 1)
    more = cursors.encode(found[_PER_PAGE - 1].affiliate_id) if len(found) > _PER_PAGE else None
    return render(request, "affiliates.html", affiliates=found[:_PER_PAGE], more=more)


def add_affiliate(app: System, caller: Asked, name: Field = "", email: Field = "") -> Response:
    """Make somebody an affiliate; who is one already is shown."""
    with app.database.transaction(Scope.fleet()) as connection:
        affiliate_id = register(connection, app.clocks, name=name, email=email, actor=caller.principal.actor)
    return RedirectResponse(f"/affiliates/{affiliate_id}?notice=affiliate-added", 303)


def affiliate(
    request: Request,
    app: System,
    caller: Asked,
    affiliate_id: UUID,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """One affiliate: balances, the ledger, links."""
    with app.database.transaction(caller.scope_of_affiliate(affiliate_id)) as connection:
        view = ledger_of(connection, affiliate_id, after=cursors.after_id(cursor), limit=_PER_PAGE + 1)
    entries = view.entries[:_PER_PAGE]
    return render(
        request,
        "affiliate.html",
        affiliate=view.affiliate,
        entries=entries,
        links=[(link, link_url(app.settings.public_url, link.code)) for link in view.links],
        more=cursors.encode(entries[-1].id) if len(view.entries) > _PER_PAGE else None,
    )


def add_link(app: System, caller: Asked, affiliate_id: UUID, campaign: Field = "", target: Field = "/") -> Response:
    """Make a link."""
    # Links are made by the system: who may do this for the affiliate was checked before.
    with app.database.transaction(Scope.fleet()) as connection:
        create_link(
            connection, app.clocks, affiliate_id, actor=caller.principal.actor, campaign=campaign, target=target or "/"
        )
    return RedirectResponse(f"/affiliates/{affiliate_id}?notice=link-added", 303)

"""An affiliate's link as a visitor meets it. What belongs here: the click and the way on; the rules are affiliates'."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from pilar.affiliates.links import Visit, record_click, visitor_key
from pilar.database.engine import Scope
from webhook_ingest.deps import Asked, System

COOKIE = "pilar_click"
_A_DAY = 86_400


def follow_link(request: Request, app: System, caller: Asked, code: str) -> Response:
    """Keep the click and lead on; the checkout gets the click's id by the address or, later, by the cookie."""
    visit = Visit(caller.ip, request.headers.get("user-agent", ""), request.headers.get("referer", ""))
    with app.database.transaction(Scope.fleet()) as connection:
        click = record_click(connection, app.clocks, code, visit, visitor_key(app.settings))
    response = RedirectResponse(click.location, 303, {"cache-control": "no-store"})
    response.set_cookie(
        COOKIE,
        str(click.id),
        max_age=click.cookie_days * _A_DAY,
        secure=app.settings.public_url.startswith("https://"),
        httponly=True,
        samesite="lax",
    )
    return response

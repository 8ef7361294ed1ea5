"""Signing in and out. What belongs here: the forms and the cookie; the rules are `pilar/security/sessions.py`'s."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Form, Request
from starlette.responses import RedirectResponse, Response

from pilar.database.engine import Scope
from pilar.errors import TooManyRequests, Unauthenticated
from pilar.security import sessions
from pilar.security.principals import Kind
from pilar.security.sessions import NewSession
from pilar.workspaces.store import get_workspace
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System
from webhook_ingest.guard import session_cookie

Field = Annotated[str, Form(max_length=1_000)]


def home(request: Request, app: System, caller: Asked) -> Response:
    """The first page: the overview, one's studio or a choice of them, one's affiliate's; for strangers, the sign-in."""
    principal = caller.principal
    if caller.session is None:
        return RedirectResponse("/sign-in", 303)
    if principal.kind is Kind.ADMIN:
        return RedirectResponse("/overview", 303)
    if principal.kind is Kind.AFFILIATE:
        return RedirectResponse(f"/affiliates/{principal.affiliate_id}", 303)
    if len(principal.roles) == 1:
        return RedirectResponse(f"/studios/{next(iter(principal.roles))}", 303)
    studios = []
    for workspace_id, role in principal.roles.items():
        with app.database.transaction(Scope.workspace(workspace_id)) as connection:
            studios.append((get_workspace(connection, workspace_id).name, workspace_id, role))
    return render(request, "home.html", studios=sorted(studios))


def sign_in_page(request: Request, caller: Asked, next: str = "/") -> Response:  # noqa: A002 - the parameter's name
    """The form."""
    if caller.session is not None:
        return RedirectResponse(_local(next), 303)
    return render(request, "sign_in.html", error=None, address="", next=_local(next))


def sign_in(
    request: Request,
    app: System,
    caller: Asked,
    email: Field = "",
    password: Field = "",
    next: Field = "/",  # noqa: A002 - the field's name
) -> Response:
    """Take address and password."""
    now = app.clocks.real.now()
    try:
        with app.database.transaction(Scope.fleet()) as connection:
            session = sessions.sign_in_by_password(connection, address=email, password=password, ip=caller.ip, now=now)
    except TooManyRequests as error:
        sentence = "Too many attempts. Wait a quarter of an hour, or use a sign-in link."
        page = render(request, "sign_in.html", status_code=429, error=sentence, address=email, next=_local(next))
        seconds = error.retry_after.total_seconds() if error.retry_after else 900
        page.headers["retry-after"] = str(max(1, round(seconds)))
        return page
    if session is None:
        sentence = "Address and password don't belong together."
        return render(request, "sign_in.html", status_code=401, error=sentence, address=email, next=_local(next))
    return _signed_in(app, session, _local(next))


def link_page(request: Request, app: System, token: str) -> Response:
    """The page behind a one-time link. Looking does not use it up: programs that preview links look too."""
    with app.database.transaction(Scope.fleet()) as connection:
        is_open = sessions.link_is_open(connection, token, app.clocks.real.now())
    return render(request, "sign_in_link.html", status_code=200 if is_open else 410, is_open=is_open, token=token)


def use_link(request: Request, app: System, token: str) -> Response:
    """Use a one-time link up."""
    try:
        with app.database.transaction(Scope.fleet()) as connection:
            session = sessions.sign_in_by_link(connection, token, app.clocks.real.now())
    except Unauthenticated:
        return render(request, "sign_in_link.html", status_code=410, is_open=False, token="")
    return _signed_in(app, session, "/")


def sign_out(app: System, caller: Asked) -> Response:
    """End the session."""
    if caller.session is not None:
        with app.database.transaction(Scope.fleet()) as connection:
            sessions.sign_out(connection, caller.session, app.clocks.real.now())
    response = RedirectResponse("/sign-in?notice=signed-out", 303)
    name = session_cookie(app.settings.public_url)
    response.delete_cookie(name, secure=_https(app), httponly=True, samesite="lax")
    response.headers["clear-site-data"] = '"cache"'
    return response


def _signed_in(app: System, session: NewSession, target: str) -> Response:
    response = RedirectResponse(target, 303)
    response.set_cookie(
        session_cookie(app.settings.public_url),
        session.token,
        expires=session.expires_at,
        secure=_https(app),
        httponly=True,
        samesite="lax",
    )
    return response


def _https(app: System) -> bool:
    return app.settings.public_url.startswith("https://")


def _local(target: str) -> str:
    """A path of ours, or the first page for anything that might lead elsewhere."""
    plain = target.isprintable() and "\\" not in target
    if plain and target.startswith("/") and not target.startswith("//") and not urlsplit(target).netloc:
        return target
    return "/"

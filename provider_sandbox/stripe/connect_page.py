"""The page on which a connected account's holder tells Stripe who they are. What belongs here: it, and the way back."""

from __future__ import annotations

import re

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from provider_sandbox.pages import form_fields, render
from provider_sandbox.state import Body, State
from provider_sandbox.stripe import accounts
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.tasks import TaskQueue

IBAN = re.compile("[A-Z]{2}[0-9]{2}[A-Z0-9]{8,30}")
SEED = 1


def connect_pages(state: State, deliveries: TaskQueue) -> APIRouter:
    """The page of each account link; a link that is used or too old leads to where another can be had."""
    router = APIRouter()

    @router.get("/connect/{token}")
    async def show(token: str) -> Response:
        with state.transaction() as tx:
            desk = Desk(tx, deliveries)
            found = accounts.link_target(desk, token)
            return _page(found[1]) if found else _elsewhere(desk, token)

    @router.post("/connect/{token}")
    async def submit(request: Request, token: str) -> Response:
        typed = await form_fields(request)
        with state.transaction() as tx:
            desk = Desk(tx, deliveries)
            found = accounts.link_target(desk, token)
            if found is None:
                return _elsewhere(desk, token)
            link, account = found
            if typed.get("decision") != "later":
                iban = "".join(typed.get("iban", "").split()).upper()
                name = typed.get("name", "").strip()
                if not name or not IBAN.fullmatch(iban):
                    return _page(account, "Your name and a bank account as an IBAN are needed.", typed)
                accounts.submit(desk, account, name=name, iban=iban)
                desk.send(SEED)
            desk.save(link | {"used": True}, owner=account["id"])
        return RedirectResponse(link["return_url"], 303)

    return router


def _elsewhere(desk: Desk, token: str) -> Response:
    link = desk.tx.get("stripe.account_link", token)
    if link is None:
        return HTMLResponse(render("problem.html", problem="There is no such link."), 404)
    return RedirectResponse(link["refresh_url"], 303)


def _page(account: Body, problem: str = "", typed: dict[str, str] | None = None) -> Response:
    page = render("connect.html", account=account, problem=problem, typed=typed or {})
    return HTMLResponse(page, 400 if problem else 200)

"""The hosted checkout page. What belongs here: showing it, reading what a visitor typed, and the way back."""

from __future__ import annotations

import re
from html import unescape

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from provider_sandbox.pages import form_fields, render
from provider_sandbox.state import Body, State
from provider_sandbox.stripe import cards, catalog, checkout, objects, payments, store
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.stripe.errors import StripeError
from provider_sandbox.tasks import TaskQueue

COUNTRY = re.compile("[A-Z]{2}")
SEED = 1


class _Mistyped(ValueError):
    """What was typed can't be taken; the message is for the visitor."""


def checkout_pages(state: State, deliveries: TaskQueue) -> APIRouter:
    """The page of each open session; no key is asked for, as whoever has the link may pay."""
    router = APIRouter()

    @router.get("/checkout/{identity}")
    async def show(identity: str) -> Response:
        with state.transaction() as tx:
            return _page(Desk(tx, deliveries), identity)

    @router.post("/checkout/{identity}")
    async def pay(request: Request, identity: str) -> Response:
        typed = {name: value.strip() for name, value in (await form_fields(request)).items()}
        with state.transaction() as tx:
            desk = Desk(tx, deliveries)
            session = tx.get("stripe.checkout.session", identity)
            if session is None or session["status"] != "open":
                return _page(desk, identity)
            tx.run("savepoint payment")
            try:
                _paid(desk, session, typed)
            except (_Mistyped, StripeError) as problem:
                # A page that was declined can be tried again: nothing of the attempt has to stay for that.
                tx.run("rollback to payment")
                return _page(Desk(tx, deliveries), identity, str(problem), typed)
            desk.send(SEED)
        target = str(session["success_url"] or "")
        return RedirectResponse(target.replace(checkout.SESSION_ID, identity), 303)

    return router


def _paid(desk: Desk, session: Body, typed: dict[str, str]) -> None:
    card = cards.read(typed.get("card", ""))
    if card is None:
        raise _Mistyped("Your card number is not one of Stripe's test cards, such as 4242 4242 4242 4242.")
    for field in session["custom_fields"]:
        if not field["optional"] and not typed.get(field["key"]):
            raise _Mistyped(f"{field['label']['custom']} is missing.")
    if session["customer"]:
        payer = desk.payer(session["customer"])
    else:
        if "@" not in typed.get("email", ""):
            raise _Mistyped("Your email is incomplete.")
        country = typed.get("country", "").upper()
        if not COUNTRY.fullmatch(country):
            raise _Mistyped("Country is a code of two letters, such as NL.")
        payer = catalog.new_customer(
            desk,
            email=typed["email"],
            name=typed.get("name") or None,
            phone=typed.get("phone") or None,
            address=dict(objects.NO_ADDRESS) | {"country": country},
            currency=session["currency"],
        )
    method = payments.attach(desk, payments.new_card(desk, card), payer["id"])
    checkout.complete(desk, session, payer, method, typed)


def _page(desk: Desk, identity: str, problem: str = "", typed: dict[str, str] | None = None) -> Response:
    session = desk.tx.get("stripe.checkout.session", identity)
    if session is None:
        return HTMLResponse(render("problem.html", problem="There is no such checkout."), 404)
    if session["status"] != "open":
        told = "This checkout is paid already." if session["status"] == "complete" else "This checkout has expired."
        return HTMLResponse(render("problem.html", problem=told), 410)
    page = render(
        "checkout.html",
        session=session,
        items=store.line_items(desk.tx, session)["data"],
        trial_days=session[f"{checkout.HIDDEN}subscription"]["trial_days"],
        problem=unescape(problem),
        typed=typed or {"email": session["customer_email"] or ""},
    )
    return HTMLResponse(page, 402 if problem else 200)

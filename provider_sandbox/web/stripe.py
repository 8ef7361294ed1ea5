"""Stripe as pages. What belongs here: money and who owes it as it stands; what happens to it goes by `/act`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from provider_sandbox.state import Body, State, Transaction
from provider_sandbox.stripe import billing, checkout, ledger, money
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.stripe.errors import StripeError
from provider_sandbox.tasks import TaskQueue
from provider_sandbox.web.frame import page
from provider_sandbox.web.newest import newest

NEWEST = 100
"""So many customers are listed."""


def stripe_pages(state: State, deliveries: TaskQueue) -> APIRouter:
    """`/stripe-dashboard`, and each customer and Connect account."""
    router = APIRouter()

    @router.get("/stripe-dashboard")
    async def dashboard(request: Request) -> Response:
        """The balance, the newest customers, and who is paid by Connect."""
        with state.transaction() as tx:
            customers, total = newest(tx, "stripe.customer", NEWEST)
            values: dict[str, Any] = {
                "balance": ledger.balance(tx, None),
                "customers": [_customer(tx, body) for body in customers],
                "total": total,
                "accounts": [_account(tx, body) for body in reversed(tx.find("stripe.account"))],
                "after_last": tx.setting(billing.AFTER_LAST_ATTEMPT) or "canceled",
            }
        return page(request, "stripe", **values)

    @router.get("/stripe-dashboard/customers/{identity}")
    async def customer(request: Request, identity: str) -> Response:
        """A customer with subscriptions, invoices, payments and disputes."""
        with state.transaction() as tx:
            body = tx.get("stripe.customer", identity)
            if body is None:
                raise HTTPException(404, "There is no such customer.")
            values = _customer(tx, body)
            invoices = [
                _invoice(Desk(tx, deliveries), one) for one in reversed(tx.find("stripe.invoice", owner=identity))
            ]
        return page(request, "customer", invoices=invoices, ended=billing.ENDED, **values)

    @router.get("/stripe-dashboard/accounts/{identity}")
    async def account(request: Request, identity: str) -> Response:
        """A connected account with what it was sent and paid out."""
        with state.transaction() as tx:
            body = tx.get("stripe.account", identity)
            if body is None:
                raise HTTPException(404, "There is no such account.")
            values = _account(tx, body)
            values["transfers"] = tx.find("stripe.transfer", owner=identity)[::-1]
            values["payouts"] = tx.find("stripe.payout", owner=identity)[::-1]
        return page(request, "account", **values)

    return router


def _customer(tx: Transaction, body: Body) -> dict[str, Any]:
    fields = [field for one in tx.find("stripe.checkout.session", owner=body["id"]) for field in one["custom_fields"]]
    names = [field["text"]["value"] for field in fields if field["key"] == checkout.studio_name_field()["key"]]
    subscriptions = tx.find("stripe.subscription", owner=body["id"])
    return {"customer": body, "studio": next(iter(names), None), "subscriptions": subscriptions}


def _account(tx: Transaction, body: Body) -> dict[str, Any]:
    return {"account": body, "balance": ledger.balance(tx, body["id"])}


def _invoice(desk: Desk, invoice: Body) -> dict[str, Any]:
    """An invoice with the charge that paid it, and what became of that."""
    try:
        charge = desk.existing("charge", money.charge_of(desk, invoice["id"]))
    except StripeError:
        # An invoice that is free or not paid has no charge, and that is all there is to tell.
        return {"invoice": invoice, "charge": None, "disputes": []}
    return {"invoice": invoice, "charge": charge, "disputes": desk.tx.find("stripe.dispute", owner=charge["id"])}

"""What happens to a studio's payments without the product's doing. What belongs here: the control API's part of it."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field, model_validator

from provider_sandbox.state import State, Transaction
from provider_sandbox.stripe import money
from provider_sandbox.stripe.errors import StripeError
from provider_sandbox.tasks import TaskQueue


class About(BaseModel):
    """Which payment: that of an invoice, or of a subscription's latest invoice."""

    model_config = ConfigDict(extra="forbid")

    invoice: str | None = None
    subscription: str | None = None
    seed: int = 1

    @model_validator(mode="after")
    def _one_of_both(self) -> About:
        if (self.invoice is None) == (self.subscription is None):
            raise ValueError("name an invoice or a subscription")
        return self

    def charge(self, tx: Transaction) -> str:
        """The charge that it was paid with."""
        invoice = self.invoice or money.existing(tx, "subscription", str(self.subscription))["latest_invoice"]
        return money.charge_of(tx, invoice)


class Refund(About):
    """A refund made in Stripe's dashboard; without an amount, of all that is left."""

    amount: int | None = Field(default=None, ge=1)


class Dispute(About):
    """A payer's dispute, opened or settled."""

    amount: int | None = Field(default=None, ge=1)
    status: Literal["needs_response", "under_review", "won", "lost"] = "needs_response"


class Renewal(BaseModel):
    """A subscription's next month."""

    model_config = ConfigDict(extra="forbid")

    subscription: str
    seed: int = 1


def money_router(state: State, deliveries: TaskQueue) -> APIRouter:
    """The control API about payments; webhooks follow in the seed's disorder."""
    router = APIRouter()

    @router.post("/control/stripe/refunds", status_code=201)
    async def refund(wanted: Refund) -> dict[str, Any]:
        """Somebody gives money back in Stripe's dashboard."""
        try:
            with state.transaction() as tx:
                charge = wanted.charge(tx)
                gone, events = money.refund(tx, deliveries, charge, amount=wanted.amount, seed=wanted.seed)
        except StripeError as error:
            raise HTTPException(error.status, error.body["error"]["message"]) from error
        return {"refund": gone["id"], "charge": charge, "amount": gone["amount"], "events": events}

    @router.post("/control/stripe/disputes", status_code=201)
    async def dispute(wanted: Dispute) -> dict[str, Any]:
        """A payer's bank takes money back, or the dispute about it is settled."""
        try:
            with state.transaction() as tx:
                charge = wanted.charge(tx)
                about, events = money.dispute(
                    tx, deliveries, charge, status=wanted.status, amount=wanted.amount, seed=wanted.seed
                )
        except StripeError as error:
            raise HTTPException(error.status, error.body["error"]["message"]) from error
        return {"dispute": about["id"], "charge": charge, "amount": about["amount"], "events": events}

    @router.post("/control/stripe/renew", status_code=201)
    async def renew(wanted: Renewal) -> dict[str, Any]:
        """A subscription's next month begins, and is paid."""
        try:
            with state.transaction() as tx:
                return money.renew(tx, deliveries, wanted.subscription, wanted.seed)
        except StripeError as error:
            raise HTTPException(error.status, error.body["error"]["message"]) from error

    return router

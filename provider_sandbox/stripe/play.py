"""What happens to a studio's payments without the product's doing. What belongs here: the control API's part of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field, model_validator

from provider_sandbox.state import State
from provider_sandbox.stripe import (
    accounts,
    billing,
    cards,
    invoices,
    money,
    objects,
    payments,
    subscriptions,
    transfers,
)
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.stripe.errors import StripeError
from provider_sandbox.tasks import TaskQueue


class Wanted(BaseModel):
    """A request body: an unknown field is a mistake. `seed` draws the disorder of the webhooks."""

    model_config = ConfigDict(extra="forbid")

    seed: int = 1


class About(Wanted):
    """Which payment: that of an invoice, or of a subscription's latest invoice that is paid."""

    invoice: str | None = None
    subscription: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> About:
        if (self.invoice is None) == (self.subscription is None):
            raise ValueError("name an invoice or a subscription")
        return self

    def charge(self, desk: Desk) -> str:
        """The charge that it was paid with."""
        if self.invoice:
            return money.charge_of(desk, self.invoice)
        bought = desk.existing("subscription", str(self.subscription))
        paid = [one["id"] for one in desk.tx.find("stripe.invoice", key=bought["id"]) if one["status"] == "paid"]
        return money.charge_of(desk, paid[-1] if paid else bought["latest_invoice"])


class Refund(About):
    """A refund made in Stripe's dashboard; without an amount, of all that is left."""

    amount: int | None = Field(default=None, ge=1)


class Dispute(About):
    """A payer's dispute, opened or settled."""

    amount: int | None = Field(default=None, ge=1)
    status: Literal["needs_response", "under_review", "won", "lost"] = "needs_response"


class OfSubscription(Wanted):
    """Something that happens to a subscription."""

    subscription: str


class Cancellation(OfSubscription):
    """The end of a subscription, now or with its period."""

    at_period_end: bool = False


class PlanChange(OfSubscription):
    """Another plan."""

    plan: Literal["BASIC", "PRO"]
    proration: Literal["create_prorations", "always_invoice", "none"] = "create_prorations"


class Paying(OfSubscription):
    """Whether a subscription's card works; once it does again, what is open is paid."""

    failing: bool


class OfAccount(Wanted):
    """Something that happens to a connected account."""

    account: str
    name: str = "Anna Sandbox"
    iban: str = Field("NL00SAND0123456789", pattern="^[A-Z]{2}[0-9]{2}[A-Z0-9]{8,30}$")


class Restriction(Wanted):
    """Stripe asks an account for more."""

    account: str
    due: list[str] = Field(default=["individual.id_number"], min_length=1)


class TopUp(Wanted):
    """Money of the platform's own."""

    amount: int = Field(ge=1)
    currency: str = Field(default=objects.CURRENCY, pattern="^[a-z]{3}$")


class FailedPayout(Wanted):
    """A payout that its bank sends back."""

    payout: str


class LastAttempt(Wanted):
    """What becomes of a subscription when its last attempt has failed."""

    status: Literal["canceled", "unpaid"]


def money_router(state: State, deliveries: TaskQueue) -> APIRouter:
    """The control API about payments; webhooks follow in the seed's disorder."""
    router = APIRouter(prefix="/control/stripe")

    @contextmanager
    def desk() -> Iterator[Desk]:
        try:
            with state.transaction() as tx:
                yield Desk(tx, deliveries)
        except StripeError as error:
            raise HTTPException(error.status, error.body["error"]["message"]) from error

    @router.post("/refunds", status_code=201)
    async def refund(wanted: Refund) -> dict[str, Any]:
        """Somebody gives money back in Stripe's dashboard."""
        with desk() as at:
            charge = wanted.charge(at)
            gone = money.refund(at, charge, amount=wanted.amount)
            told = at.send(wanted.seed)
            return {"refund": gone["id"], "charge": charge, "amount": gone["amount"], "events": told}

    @router.post("/disputes", status_code=201)
    async def dispute(wanted: Dispute) -> dict[str, Any]:
        """A payer's bank takes money back, or the dispute about it is settled."""
        with desk() as at:
            charge = wanted.charge(at)
            about = money.dispute(at, charge, status=wanted.status, amount=wanted.amount)
            told = at.send(wanted.seed)
            return {"dispute": about["id"], "charge": charge, "amount": about["amount"], "events": told}

    @router.post("/renew", status_code=201)
    async def renew(wanted: OfSubscription) -> dict[str, Any]:
        """A subscription's next month begins before its time, and is charged at once."""
        with desk() as at:
            bought = _living(at, wanted.subscription)
            payer = at.existing("customer", bought["customer"])
            invoice = invoices.finalize(at, billing.next_period(at, bought, payer))
            paid = billing.collect(at, invoice)
            charge = money.charge_of(at, invoice["id"]) if invoice["amount_due"] else None
            told = at.send(wanted.seed)
            return {"invoice": invoice["id"], "charge": charge, "paid": paid, "events": told}

    @router.post("/cancellations", status_code=201)
    async def cancel(wanted: Cancellation) -> dict[str, Any]:
        """The founder or the studio ends a subscription in Stripe's pages."""
        with desk() as at:
            bought = _living(at, wanted.subscription)
            if wanted.at_period_end:
                before = dict(bought)
                subscriptions.cancel_later(at, bought, None, at_period_end=True)
                at.change(bought)
                at.tell("customer.subscription.updated", bought, before=before)
            else:
                billing.end(at, bought, "cancellation_requested")
            return _told(at, bought, wanted.seed)

    @router.post("/plans", status_code=201)
    async def change_plan(wanted: PlanChange) -> dict[str, Any]:
        """A studio takes another plan in Stripe's pages."""
        with desk() as at:
            price = at.existing("price", objects.PRICES[wanted.plan][0])
            bought = subscriptions.switch(at, _living(at, wanted.subscription), price, wanted.proration)
            return _told(at, bought, wanted.seed)

    @router.post("/paying", status_code=201)
    async def set_paying(wanted: Paying) -> dict[str, Any]:
        """A card stops working, or another one takes its place and pays what is open."""
        with desk() as at:
            bought = _living(at, wanted.subscription)
            card = cards.FAILS_LATER if wanted.failing else cards.GOOD
            method = payments.attach(at, payments.new_card(at, card), bought["customer"])
            payments.make_default(at, bought["customer"], method["id"])
            billing.changed(at, bought, default_payment_method=method["id"])
            invoice = at.existing("invoice", bought["latest_invoice"])
            if not wanted.failing and invoice["status"] == "open":
                billing.collect(at, invoice)
            return _told(at, at.existing("subscription", bought["id"]), wanted.seed)

    @router.post("/trial-ends", status_code=201)
    async def end_trial(wanted: OfSubscription) -> dict[str, Any]:
        """A trial ends now, and its first month is charged at once."""
        with desk() as at:
            bought = at.existing("subscription", wanted.subscription)
            if bought["status"] != "trialing":
                raise HTTPException(409, f"{wanted.subscription} is {bought['status']}: only a trial can end.")
            billing.plan_trial(at, bought, at.at)
            payer = at.existing("customer", bought["customer"])
            billing.collect(at, invoices.finalize(at, billing.next_period(at, bought, payer)))
            return _told(at, at.existing("subscription", bought["id"]), wanted.seed)

    @router.put("/after-last-attempt")
    async def set_after_last_attempt(wanted: LastAttempt) -> dict[str, str]:
        """What becomes of a subscription when its last attempt has failed; `canceled` to begin with."""
        with desk() as at:
            at.tx.remember(billing.AFTER_LAST_ATTEMPT, wanted.status)
        return {"status": wanted.status}

    _connect(router, desk)
    return router


def _connect(router: APIRouter, desk: Any) -> None:
    @router.post("/onboarding", status_code=201)
    async def complete_onboarding(wanted: OfAccount) -> dict[str, Any]:
        """An affiliate tells Stripe everything, without the page."""
        with desk() as at:
            account = at.existing("account", wanted.account)
            accounts.submit(at, account, name=wanted.name, iban=wanted.iban)
            return {"account": account["id"], "events": at.send(wanted.seed)}

    @router.post("/restrictions", status_code=201)
    async def restrict(wanted: Restriction) -> dict[str, Any]:
        """Stripe asks an affiliate for more, and holds their money until it is told."""
        with desk() as at:
            account = at.existing("account", wanted.account)
            accounts.restrict(at, account, wanted.due)
            return {"account": account["id"], "events": at.send(wanted.seed)}

    @router.post("/top-ups", status_code=201)
    async def top_up(wanted: TopUp) -> dict[str, Any]:
        """The founder adds money to the platform's balance; it is available at once."""
        with desk() as at:
            return {"balance_transaction": transfers.top_up(at, wanted.amount, wanted.currency)["id"]}

    @router.post("/failed-payouts", status_code=201)
    async def fail_payout(wanted: FailedPayout) -> dict[str, Any]:
        """A bank sends a payout back."""
        with desk() as at:
            sent = at.existing("payout", wanted.payout)
            if sent["status"] == "failed":
                raise HTTPException(409, f"{wanted.payout} has failed already.")
            transfers.fail_payout(at, sent)
            return {"payout": sent["id"], "events": at.send(wanted.seed)}


def _living(desk: Desk, identity: str) -> dict[str, Any]:
    bought = desk.existing("subscription", identity)
    if bought["status"] in billing.ENDED:
        raise HTTPException(409, f"{identity} is {bought['status']}: nothing more happens to it.")
    return bought


def _told(desk: Desk, bought: dict[str, Any], seed: int) -> dict[str, Any]:
    return {
        "subscription": bought["id"],
        "status": bought["status"],
        "invoice": bought["latest_invoice"],
        "events": desk.send(seed),
    }

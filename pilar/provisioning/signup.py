"""From a payment to a provisioning job.

What belongs here: reading Stripe's deliveries as hints, asking Stripe for the truth, and beginning a job or keeping
the subscription's state. Driven by state and not by events, so their order and number don't matter.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.backplane.facts import Cause, Event, Job, emit, enqueue
from pilar.backplane.handlers import Delivery, Work
from pilar.backplane.notices import IncidentRequested, end_incidents, incident
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import Invalid
from pilar.ids import new_id
from pilar.providers.stripe.client import StripeGateway, StripeSubscription
from pilar.providers.stripe.events import subject_of
from pilar.providers.stripe.payments import StripeCharge
from pilar.provisioning import store
from pilar.provisioning.events import ProvisioningBegun, ReconcilePayment, ReconcileSubscription
from pilar.provisioning.runner import wake
from pilar.provisioning.steps import Step
from pilar.provisioning.subscription import SubscriptionKeeper, Told
from pilar.provisioning.undoing import undo
from pilar.tokens import new_token, token_hash
from pilar.workspaces.standing import ENDED, Standing
from pilar.workspaces.store import workspace_exists

PAID = frozenset({"active", "trialing"})
"""The states of a subscription that a studio is provisioned for."""

_OWING = frozenset({"past_due", "unpaid", "incomplete"})


def ask(stripe: StripeGateway, clocks: Clocks, subscription_id: str) -> Told:
    """Ask Stripe how a subscription stands, and what is owed for it where something is."""
    read_at = clocks.real.now()
    subscription = stripe.subscription(subscription_id)
    owed = stripe.owed(subscription_id) if subscription.status in _OWING else []
    return Told(subscription, owed, read_at)


class StripeInbox:
    """Reads Stripe's deliveries."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def on_delivery(self, connection: Connection, work: Work[Delivery]) -> dict[str, Any]:
        """Have the subscription that an event is about reconciled; an event about something else is counted."""
        try:
            event = json.loads(work.content.body)
        except ValueError as error:
            raise Invalid("The body is not JSON, though its signature is right.") from error
        subject = subject_of(event)
        if subject.subscription_id is None and subject.charge_id is not None:
            paid = Job(payload=ReconcilePayment(charge_id=subject.charge_id), key=f"charge:{subject.event_id}")
            enqueue(connection, self._clocks, [paid], work.cause)
            return {"type": subject.type, "charge": subject.charge_id}
        if subject.subscription_id is None:
            return {"type": subject.type, "skipped": "it is about no subscription"}
        job = Job(
            payload=ReconcileSubscription(subscription_id=subject.subscription_id),
            key=f"event:{subject.event_id}",
        )
        enqueue(connection, self._clocks, [job], work.cause)
        return {"type": subject.type, "subscription": subject.subscription_id}


class Signup:
    """Reconciles a subscription with what we have made of it."""

    def __init__(
        self,
        database: Database,
        clocks: Clocks,
        stripe: StripeGateway,
        box: SecretBox,
        steps: Sequence[Step],
        keeper: SubscriptionKeeper,
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._stripe = stripe
        self._box = box
        self._steps = steps
        self._keeper = keeper

    def reconcile(self, work: Work[ReconcileSubscription]) -> dict[str, Any]:
        """Ask Stripe how the subscription stands; begin its studio where it is paid and there is none."""
        told = ask(self._stripe, self._clocks, work.content.subscription_id)
        subscription = told.subscription
        with self._database.transaction(Scope.fleet()) as connection:
            job = store.job_of_subscription(connection, subscription.id)
            if job is not None:
                if subscription.status in ENDED:
                    end_incidents(
                        connection, self._clocks, [_refunded(job.workspace_id)], reason="The subscription has ended.",
                        cause=work.cause, workspace_id=job.workspace_id,
                    )  # fmt: skip
                standing = self._follow(connection, job, told, work)
                self._go_on(connection, job, subscription, standing, work)
                return {"status": subscription.status, "workspace": str(job.workspace_id), "standing": standing}
            if subscription.status not in PAID:
                return {"status": subscription.status, "begun": False}
            return self._begin(connection, subscription, work.cause)

    def reconcile_payment(self, work: Work[ReconcilePayment]) -> dict[str, Any]:
        """Find the subscription that a charge has paid for, and have it reconciled; a dispute is told to the founder.

        Money that goes back changes nothing by itself: a refund is a kindness as often as an end, and a dispute may be
        won. What Stripe makes of the subscription does. A payment that was refunded whole, while its subscription goes
        on, is told to the founder: one of the two was meant.
        """
        charge = self._stripe.charge(work.content.charge_id)
        invoice_id = self._stripe.invoice_of_payment(charge.payment_intent_id) if charge.payment_intent_id else None
        about = self._stripe.invoice(invoice_id).subscription_id if invoice_id else None
        if about is None:
            return {"skipped": "the charge has paid for no subscription"}
        is_refunded = charge.amount_refunded.minor >= charge.amount.minor > 0
        goes_on = is_refunded and self._stripe.subscription(about).status not in ENDED
        with self._database.transaction(Scope.fleet()) as connection:
            job = store.job_of_subscription(connection, about)
            if job is not None:
                self._tell_of_money(connection, job, charge, work.cause, goes_on=goes_on)
            again = Job(payload=ReconcileSubscription(subscription_id=about), key=f"payment:{work.id}")
            enqueue(connection, self._clocks, [again], work.cause)
        return {"subscription": about}

    def _tell_of_money(
        self, connection: Connection, job: Any, charge: StripeCharge, cause: Cause, *, goes_on: bool
    ) -> None:
        """Tell the founder what only a person can judge about money that went back.

        Args:
            connection: the transaction.
            job: of the studio that the charge has paid for.
            charge: as Stripe has it now.
            cause: the story.
            goes_on: the charge was refunded whole, and its subscription goes on all the same.
        """
        asked = []
        if charge.amount_disputed.minor > 0:
            disputed = IncidentRequested(
                dedupe_key=f"dispute:{charge.id}",
                title="A studio's payment is disputed",
                description=f"{charge.amount_disputed} of charge {charge.id}: answer it at Stripe.",
                severity="high",
                component="provisioning",
            )
            asked.append(incident(disputed, key=f"dispute:{charge.id}", workspace_id=job.workspace_id))
        if goes_on:
            refunded = IncidentRequested(
                dedupe_key=_refunded(job.workspace_id),
                title="A payment was given back in full, and the subscription goes on",
                description=f"{charge.amount_refunded} of charge {charge.id}. If that was a kindness, there is nothing"
                " to do: the studio is served. If it was meant as an end, cancel the subscription at Stripe.",
                severity="medium",
                component="provisioning",
            )
            asked.append(incident(refunded, key=f"refunded:{charge.id}", workspace_id=job.workspace_id))
        emit(connection, self._clocks, asked, cause)

    def _begin(self, connection: Connection, subscription: StripeSubscription, cause: Cause) -> dict[str, Any]:
        token = new_token("setup")
        new = store.NewJob(
            id=new_id(),
            workspace_id=new_id(),
            stripe_subscription_id=subscription.id,
            stripe_customer_id=subscription.customer.id,
            correlation_id=cause.correlation_id,
            setup_token_hash=token_hash(token),
            sealed_setup_token=self._box.seal(token),
        )
        begun = store.create_job(connection, new, self._steps, self._clocks.business.now())
        if begun:
            audit.record(
                connection,
                actor=audit.SYSTEM,
                action="provisioning.begun",
                subject=f"subscription:{subscription.id}",
                now=self._clocks.real.now(),
                workspace_id=new.workspace_id,
                correlation_id=cause.correlation_id,
            )
            wake(connection, self._clocks, new, cause="begin", correlation_id=cause.correlation_id)
            event = Event(
                payload=ProvisioningBegun(job_id=new.id),
                key=f"begun:{new.id}",
                aggregate=("provisioning_job", str(new.id)),
                workspace_id=new.workspace_id,
            )
            emit(connection, self._clocks, [event], cause)
        return {"status": subscription.status, "begun": begun}

    def _go_on(
        self, connection: Connection, job: Any, subscription: StripeSubscription, standing: str | None, work: Work[Any]
    ) -> None:
        """What the answer means for a studio that is not open yet: its wait is over, or its signup is taken back."""
        if job.state == "completed" or job.state in store.TAKEN_BACK:
            return
        if subscription.status in ENDED:
            self._take_back(connection, job, f"The subscription is {subscription.status} before the studio has opened.")
        elif standing == Standing.CLOSED:
            self._take_back(connection, job, "The studio was closed before it has opened: nothing was paid in time.")
        elif subscription.status in PAID and store.waits_on(connection, job.id, "stripe"):
            cause = f"subscription:{work.id}"
            wake(connection, self._clocks, job, cause=cause, correlation_id=job.correlation_id)

    def _take_back(self, connection: Connection, job: Any, reason: str) -> None:
        undo(connection, self._clocks, job.workspace_id, actor=audit.SYSTEM, reason=reason)

    def _follow(self, connection: Connection, job: Any, told: Told, work: Work[Any]) -> str | None:
        """Keep what Stripe said about a studio that exists, and return how it stands; one still to be made will ask."""
        if not workspace_exists(connection, job.workspace_id):
            return None
        return self._keeper.keep(connection, job.workspace_id, told, work.cause, str(work.id)).standing.value


def _refunded(workspace_id: UUID) -> str:
    return f"refunded:{workspace_id}"

"""From a payment to a provisioning job.

What belongs here: reading Stripe's deliveries as hints, asking Stripe for the truth, and beginning a job or keeping
the subscription's state. Driven by state and not by events, so their order and number don't matter.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.backplane.facts import Cause, Event, Job, emit, enqueue
from pilar.backplane.handlers import Delivery, Work
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import Invalid
from pilar.ids import new_id
from pilar.providers.stripe.client import StripeGateway, StripeSubscription
from pilar.providers.stripe.events import subject_of
from pilar.provisioning import store
from pilar.provisioning.events import ProvisioningBegun, ReconcileSubscription, SubscriptionRead
from pilar.provisioning.runner import wake
from pilar.provisioning.steps import Step
from pilar.settings import Settings
from pilar.tokens import new_token, token_hash
from pilar.workspaces.plans import Plan
from pilar.workspaces.store import upsert_subscription, workspace_exists

PAID = frozenset({"active", "trialing"})
"""The states of a subscription that a studio is provisioned for."""


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
        settings: Settings,
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._stripe = stripe
        self._box = box
        self._steps = steps
        self._settings = settings

    def reconcile(self, work: Work[ReconcileSubscription]) -> dict[str, Any]:
        """Ask Stripe how the subscription stands; begin its studio where it is paid and there is none."""
        read_at = self._clocks.real.now()
        subscription = self._stripe.subscription(work.content.subscription_id)
        with self._database.transaction(Scope.fleet()) as connection:
            job = store.job_of_subscription(connection, subscription.id)
            if job is not None:
                changed = self._follow(connection, job, subscription, read_at, work)
                return {"status": subscription.status, "workspace": str(job.workspace_id), "followed": changed}
            if subscription.status not in PAID:
                return {"status": subscription.status, "begun": False}
            return self._begin(connection, subscription, work.cause)

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

    def _follow(
        self,
        connection: Connection,
        job: Any,
        subscription: StripeSubscription,
        read_at: datetime,
        work: Work[ReconcileSubscription],
    ) -> bool:
        """Keep what Stripe said about a studio that exists; one that is still to be made will ask by itself."""
        if not workspace_exists(connection, job.workspace_id):
            return False
        keep_subscription(connection, job.workspace_id, subscription, plan_of(subscription, self._settings), read_at)
        event = Event(
            payload=SubscriptionRead(workspace_id=job.workspace_id),
            key=f"subscription:{work.id}",
            aggregate=("workspace", str(job.workspace_id)),
            workspace_id=job.workspace_id,
        )
        emit(connection, self._clocks, [event], work.cause)
        return True


def plan_of(subscription: StripeSubscription, settings: Settings) -> Plan:
    """The plan that a subscription's price stands for.

    Raises:
        Invalid: it is the price of no plan of ours.
    """
    plans = {settings.stripe_price_basic: Plan.BASIC, settings.stripe_price_pro: Plan.PRO}
    plans.pop("", None)
    plan = plans.get(subscription.price_id or "")
    if plan is None:
        raise Invalid(
            f"Price {subscription.price_id} belongs to no plan: set PILAR_STRIPE_PRICE_BASIC and"
            " PILAR_STRIPE_PRICE_PRO."
        )
    return plan


def keep_subscription(
    connection: Connection, workspace_id: UUID, subscription: StripeSubscription, plan: Plan, read_at: datetime
) -> None:
    """Keep what Stripe said about a studio's subscription at a moment of real time."""
    upsert_subscription(
        connection,
        workspace_id,
        {
            "stripe_subscription_id": subscription.id,
            "stripe_customer_id": subscription.customer.id,
            "status": subscription.status,
            "plan": plan.value,
            "amount_minor": subscription.amount.minor if subscription.amount else 0,
            "currency": subscription.amount.currency if subscription.amount else "EUR",
            "current_period_end": subscription.current_period_end,
            "cancel_at_period_end": subscription.cancel_at_period_end,
            "read_at": read_at,
        },
    )

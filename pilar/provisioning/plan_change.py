"""Moving a studio to another plan, as its owner asks. What belongs here: asking for it, and having Stripe sell it.

What does not: what follows from the plan (`subscription.py`): Stripe is read afterwards, as after any other change. The
job looks at the subscription's price before it changes it, so one that comes back changes nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.backplane.effects import Effect, EffectLedger
from pilar.backplane.facts import Cause, Job, enqueue
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import Conflict, Invalid, NotConfigured
from pilar.providers.stripe.client import StripeGateway
from pilar.provisioning.events import ChangePlan, ReconcileSubscription
from pilar.settings import Settings
from pilar.workspaces import standing_store
from pilar.workspaces import store as workspaces
from pilar.workspaces.plans import Plan
from pilar.workspaces.standing import ENDED

CHANGED_PLAN = "stripe.change_plan"


def ask_for_plan(connection: Connection, clocks: Clocks, workspace_id: UUID, plan: Plan, *, actor: str) -> None:
    """Have a studio moved to another plan: at once, and settled to the day by Stripe.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        workspace_id: the studio's.
        plan: the one that is wanted.
        actor: who, as in the audit log.

    Raises:
        NotFound: there is no such studio.
        Conflict: it has that plan, its subscription has ended, or it was never read.
    """
    studio = workspaces.hold_workspace(connection, workspace_id, alone=True)
    paid = standing_store.find_subscription(connection, workspace_id)
    if paid is None:
        raise Conflict("Stripe was not asked about this studio's subscription yet: try again in a minute.")
    if paid.status in ENDED or studio.state == "closed":
        raise Conflict("The subscription has ended: sign up anew to choose a plan.")
    if studio.plan == plan:
        raise Conflict(f"The studio has that plan already: {plan}.")
    cause = Cause.new()
    audit.record(
        connection, actor=actor, action="subscription.plan_asked_for", subject=f"workspace:{workspace_id}",
        now=clocks.real.now(), workspace_id=workspace_id, correlation_id=cause.correlation_id,
        details={"before": studio.plan, "wanted": plan.value},
    )  # fmt: skip
    job = Job(payload=ChangePlan(plan=plan.value), key=f"plan:{cause.correlation_id}", workspace_id=workspace_id)
    enqueue(connection, clocks, [job], cause)


class PlanChanger:
    """Has Stripe sell another plan."""

    def __init__(
        self, database: Database, clocks: Clocks, stripe: StripeGateway, ledger: EffectLedger, settings: Settings
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._stripe = stripe
        self._ledger = ledger
        self._settings = settings

    def change(self, work: Work[ChangePlan]) -> dict[str, Any]:
        """Put the wanted plan's price in force, unless it is; then have the subscription read.

        Raises:
            NotConfigured: no price is set for that plan.
            Transient: Stripe can't be asked now; the queue tries again.
        """
        workspace_id, plan = work.workspace_id, Plan(work.content.plan)
        if workspace_id is None:
            raise Invalid("A plan is a studio's, and this work names none.")
        prices = {Plan.BASIC: self._settings.stripe_price_basic, Plan.PRO: self._settings.stripe_price_pro}
        if not prices[plan]:
            raise NotConfigured(f"PILAR_STRIPE_PRICE_{plan} is not set.")
        with self._database.transaction(Scope.fleet()) as connection:
            paid = standing_store.find_subscription(connection, workspace_id)
        if paid is None:
            raise Invalid("The studio has no subscription that could be changed.")
        name = paid.stripe_subscription_id

        def sell() -> Mapping[str, Any]:
            known = self._stripe.subscription(name)
            if known.status in ENDED:
                raise Conflict("The subscription has ended meanwhile.")
            if known.price_id != prices[plan]:
                self._stripe.change_price(known, prices[plan], str(work.id), proration="create_prorations")
            return {"price": prices[plan]}

        self._ledger.perform(
            Effect(
                kind=CHANGED_PLAN, key=str(work.id), call=sell, workspace_id=workspace_id,
                correlation_id=work.correlation_id,
                is_budgeted=False,  # who has used up a budget wants the larger plan for that very reason
            )
        )  # fmt: skip
        with self._database.transaction(Scope.fleet()) as connection:
            read = Job(payload=ReconcileSubscription(subscription_id=name), key=f"plan:{work.id}")
            enqueue(connection, self._clocks, [read], work.cause)
        return {"plan": plan.value}

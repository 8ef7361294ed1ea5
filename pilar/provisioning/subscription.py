"""What a studio's subscription makes of it. What belongs here: keeping what Stripe said, and what follows from it.

What does not: the rule (`workspaces/standing.py`), asking Stripe (`signup.py`), and closing a studio (`closing.py`).
All of it is one transaction that holds the studio: whoever hands a message over holds it as well, so that nothing is
sent once a studio is suspended. The same answer of Stripe's, kept twice, changes nothing the second time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane import audit
from pilar.backplane.facts import Cause, Event, Job, emit, enqueue
from pilar.backplane.notices import IncidentRequested, incident
from pilar.clocks import Clocks
from pilar.errors import Invalid
from pilar.providers.stripe.client import StripeSubscription
from pilar.providers.stripe.payments import StripeInvoice
from pilar.provisioning.events import CloseStudio, OwnerNotice, ReconcileSubscription, SubscriptionRead
from pilar.settings import Settings
from pilar.workspaces import standing_store
from pilar.workspaces import store as workspaces
from pilar.workspaces.plans import GRANTS, Plan, apply_grants
from pilar.workspaces.standing import ENDED, SERVED, Judged, Paying, Standing, Terms, state_of

_TOLD = {
    Standing.TRIAL: "The trial has begun.",
    Standing.ACTIVE: "The subscription is paid.",
    Standing.PAST_DUE: "A payment has failed. Everything goes on until {grace_until:%d %B %Y}.",
    Standing.SUSPENDED: "The studio is suspended until it is paid: nothing is sent, what leads write is kept.",
    Standing.CANCELLED: "The subscription has ended: nothing is sent. The studio closes on {closes_at:%d %B %Y}.",
    Standing.CLOSED: "The studio is closed.",
}


@dataclass(frozen=True)
class Told:
    """What Stripe said about a subscription.

    Attributes:
        owed: its open invoices, the one that is owed the longest first.
        read_at: real time when it was asked.
    """

    subscription: StripeSubscription
    owed: Sequence[StripeInvoice]
    read_at: datetime


def terms_of(settings: Settings) -> Terms:
    """How long studios are waited for."""
    return Terms(timedelta(days=settings.grace_days), timedelta(days=settings.closes_after_days))


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


EndAccess = Callable[[Connection, UUID, Cause], None]
"""Takes the access of a closed studio's people and programs away: the room of security does, which this one does not
know."""


class SubscriptionKeeper:
    """Keeps how studios stand."""

    def __init__(self, clocks: Clocks, settings: Settings, end_access: EndAccess) -> None:
        self._clocks = clocks
        self._settings = settings
        self._end_access = end_access

    def keep(self, connection: Connection, workspace_id: UUID, told: Told, cause: Cause, occasion: str) -> Judged:
        """Keep what Stripe said, and have the studio stand by it; return how it stands.

        Args:
            connection: a transaction in the fleet's scope; the studio gets held.
            workspace_id: the studio's; it exists.
            told: what Stripe said.
            cause: the story it belongs to.
            occasion: names what was read, for the event that tells of it.
        """
        studio = workspaces.hold_workspace(connection, workspace_id, alone=True)
        kept = standing_store.find_standing(connection, workspace_id)
        plan = self._plan(connection, studio, told, cause)
        is_news = workspaces.upsert_subscription(connection, workspace_id, _as_row(told, plan))
        if not is_news and kept is not None:
            # Somebody has asked Stripe since, and has kept that answer.
            return self.judge(connection, workspace_id, _paying_in(kept, _status(connection, workspace_id)), cause)
        self._follow_plan(connection, studio, plan, cause)
        paying = _paying(told, kept, self._clocks.business.now())
        owed = told.owed[0].id if told.owed else None
        judged = self.judge(connection, workspace_id, paying, cause, owed_invoice=owed, studio=studio, kept=kept)
        if judged.standing in (Standing.PAST_DUE, Standing.SUSPENDED) and owed is not None:
            _notify(connection, self._clocks, workspace_id, "payment_failing", owed, cause)
        event = Event(
            payload=SubscriptionRead(workspace_id=workspace_id),
            key=f"subscription:{occasion}",
            aggregate=("workspace", str(workspace_id)),
            workspace_id=workspace_id,
        )
        emit(connection, self._clocks, [event], cause)
        return judged

    def judge(
        self,
        connection: Connection,
        workspace_id: UUID,
        paying: Paying,
        cause: Cause,
        *,
        owed_invoice: str | None = None,
        studio: Row[Any] | None = None,
        kept: Row[Any] | None = None,
    ) -> Judged:
        """Decide anew how a studio stands, and have it stand so. The studio's row is held by this transaction."""
        studio = studio or workspaces.hold_workspace(connection, workspace_id, alone=True)
        kept = kept or standing_store.find_standing(connection, workspace_id)
        # Read behind the lock: who holds the studio to send has read the clock before.
        now = self._clocks.business.now()
        judged = state_of(paying, now, terms_of(self._settings))
        is_new = kept is None or kept.standing != judged.standing
        values: dict[str, Any] = {
            "standing": judged.standing.value,
            "in_force_since": now if kept is None or is_new else kept.in_force_since,
            "since": judged.since,
            "begun_at": paying.begun_at,
            "owed_since": paying.owed_since,
            "owed_invoice": owed_invoice or (kept.owed_invoice if kept and paying.owed_since else None),
            "ended_at": paying.ended_at,
            "extended_until": paying.extended_until,
            "grace_until": judged.grace_until,
            "closes_at": judged.closes_at,
            "changes_at": judged.changes_at,
        }
        if judged.standing is Standing.CLOSED and paying.closed_at is None:
            values["closed_at"] = judged.since
        standing_store.keep_standing(connection, workspace_id, values)
        if is_new:
            self._follow(connection, studio, kept, judged, paying, now, cause)
        if judged.standing is Standing.CLOSED and paying.status not in ENDED:
            self._ask_about_payment(connection, workspace_id, paying, cause)
        if judged.changes_at is not None:
            self._look_again(connection, workspace_id, judged.changes_at, cause)
        return judged

    def _follow(
        self,
        connection: Connection,
        studio: Row[Any],
        kept: Row[Any] | None,
        judged: Judged,
        paying: Paying,
        now: datetime,
        cause: Cause,
    ) -> None:
        """What follows from a studio standing otherwise than before."""
        workspace_id, standing = studio.workspace_id, judged.standing
        state = _state(standing, is_open=studio.activated_at is not None)
        if state is not None and state != studio.state:
            workspaces.set_state(connection, workspace_id, state)
        audit.record(
            connection,
            actor=audit.SYSTEM,
            action=f"subscription.{standing}",
            subject=f"workspace:{workspace_id}",
            now=self._clocks.real.now(),
            workspace_id=workspace_id,
            correlation_id=cause.correlation_id,
            details={"before": kept.standing if kept else None, "status": paying.status},
        )
        if kept is not None or standing not in SERVED:
            text = _TOLD[standing].format(grace_until=judged.grace_until, closes_at=judged.closes_at)
            audit.tell(
                connection, workspace_id, key=f"standing:{standing}:{now.isoformat()}", type="subscription.changed",
                text=text, now=now,
            )  # fmt: skip
        since = judged.since.isoformat()
        if standing is Standing.SUSPENDED:
            _notify(connection, self._clocks, workspace_id, "suspended", since, cause)
        elif standing is Standing.CANCELLED:
            _notify(connection, self._clocks, workspace_id, "cancelled", since, cause)
        elif standing is Standing.CLOSED:
            job = Job(payload=CloseStudio(), key=f"close:{workspace_id}", workspace_id=workspace_id, max_attempts=20)
            enqueue(connection, self._clocks, [job], cause)
            self._end_access(connection, workspace_id, cause)

    def _look_again(self, connection: Connection, workspace_id: UUID, at: datetime, cause: Cause) -> None:
        """Have the subscription read when time alone makes something else of it."""
        known = standing_store.find_subscription(connection, workspace_id)
        if known is None:
            return
        job = Job(
            payload=ReconcileSubscription(subscription_id=known.stripe_subscription_id),
            key=f"due:{known.stripe_subscription_id}:{at.isoformat()}",
            due_at=at,
            business_time=True,
        )
        enqueue(connection, self._clocks, [job], cause)

    def _plan(self, connection: Connection, studio: Row[Any], told: Told, cause: Cause) -> Plan:
        """The plan that is paid for; a price that is none of ours leaves the studio the plan that it has."""
        try:
            return plan_of(told.subscription, self._settings)
        except Invalid as error:
            request = IncidentRequested(
                dedupe_key=f"price:{studio.workspace_id}",
                title="A studio pays a price that belongs to no plan",
                description=error.message,
                severity="high",
                component="provisioning",
            )
            key = f"price:{studio.workspace_id}:{told.subscription.price_id}"
            emit(connection, self._clocks, [incident(request, key=key, workspace_id=studio.workspace_id)], cause)
            return Plan(studio.plan)

    def _follow_plan(self, connection: Connection, studio: Row[Any], plan: Plan, cause: Cause) -> None:
        """Give the studio what its plan grants, at once: Stripe settles the rest of the period to the day."""
        if plan.value == studio.plan:
            return
        workspace_id, now = studio.workspace_id, self._clocks.business.now()
        workspaces.set_plan(connection, workspace_id, plan.value)
        version, document = workspaces.load_configuration(connection, workspace_id)
        saved = workspaces.save_configuration(
            connection,
            workspace_id,
            document.model_copy(update={"plan": plan}),
            changed_by=audit.SYSTEM,
            note=f"the plan is {plan} from now on",
            now=now,
            expected_version=version,
        )
        apply_grants(connection, workspace_id, plan, document.operator.overage)
        audit.record(
            connection, actor=audit.SYSTEM, action="subscription.plan_changed", subject=f"workspace:{workspace_id}",
            now=self._clocks.real.now(), workspace_id=workspace_id, correlation_id=cause.correlation_id,
            details={"before": studio.plan, "after": plan.value},
        )  # fmt: skip
        per_day = GRANTS[plan].budgets[("messages", "day")]
        audit.tell(
            connection, workspace_id, key=f"plan:{saved}", type="subscription.plan_changed",
            text=f"The plan is {plan} from now on: {per_day:,} messages a day.", now=now,
        )  # fmt: skip
        _notify(connection, self._clocks, workspace_id, "plan_changed", f"{saved}", cause)

    def _ask_about_payment(self, connection: Connection, workspace_id: UUID, paying: Paying, cause: Cause) -> None:
        if paying.status not in ("active", "trialing"):
            return
        request = IncidentRequested(
            dedupe_key=f"paid_but_closed:{workspace_id}",
            title="A closed studio is paid for",
            description="Its number is given back, so it can't be opened again: refund the payment and cancel the"
            " subscription at Stripe, or have the owner sign up anew.",
            severity="high",
            component="provisioning",
        )
        asked = incident(request, key=f"paid_but_closed:{workspace_id}", workspace_id=workspace_id)
        emit(connection, self._clocks, [asked], cause)


def notify_owner(
    connection: Connection, clocks: Clocks, workspace_id: UUID, kind: Any, occasion: str, cause: Cause
) -> None:
    """Have a studio's owner told by mail, once per kind and occasion."""
    _notify(connection, clocks, workspace_id, kind, occasion, cause)


def _notify(connection: Connection, clocks: Clocks, workspace_id: UUID, kind: Any, occasion: str, cause: Cause) -> None:
    notice = OwnerNotice(kind=kind, occasion=occasion)
    job = Job(payload=notice, key=f"notice:{kind}:{occasion}", workspace_id=workspace_id)
    enqueue(connection, clocks, [job], cause)


def stored_paying(connection: Connection, workspace_id: UUID) -> Paying | None:
    """A subscription as it was last told of; None where it never was."""
    kept = standing_store.find_standing(connection, workspace_id)
    return _paying_in(kept, _status(connection, workspace_id)) if kept is not None else None


def _state(standing: Standing, *, is_open: bool) -> str | None:
    """The state of a studio that stands so; None: as it is, since it is still to be opened."""
    if standing is Standing.CLOSED:
        return "closed"
    if not is_open:
        return None
    return "active" if standing in SERVED else "suspended"


def _paying(told: Told, kept: Row[Any] | None, now: datetime) -> Paying:
    subscription = told.subscription
    return Paying(
        status=subscription.status,
        begun_at=subscription.current_period_start or (kept.begun_at if kept else now),
        owed_since=told.owed[0].finalized_at if told.owed else None,
        ended_at=subscription.ended_at,
        extended_until=kept.extended_until if kept else None,
        closed_at=kept.closed_at if kept else None,
    )


def _paying_in(kept: Row[Any], status: str) -> Paying:
    return Paying(status, kept.begun_at, kept.owed_since, kept.ended_at, kept.extended_until, kept.closed_at)


def _status(connection: Connection, workspace_id: UUID) -> str:
    known = standing_store.find_subscription(connection, workspace_id)
    if known is None:
        raise Invalid("Stripe was never asked about this studio's subscription.")
    return str(known.status)


def _as_row(told: Told, plan: Plan) -> dict[str, Any]:
    subscription = told.subscription
    return {
        "stripe_subscription_id": subscription.id,
        "stripe_customer_id": subscription.customer.id,
        "status": subscription.status,
        "plan": plan.value,
        "amount_minor": subscription.amount.minor if subscription.amount else 0,
        "currency": subscription.amount.currency if subscription.amount else "EUR",
        "current_period_end": subscription.current_period_end,
        "cancel_at_period_end": subscription.cancel_at_period_end,
        "read_at": told.read_at,
    }

"""A studio's subscription as its pages show it, and more time to pay. What belongs here: both, for API and pages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.backplane.facts import Cause, Event, emit
from pilar.clocks import Clocks
from pilar.errors import Conflict, Invalid, NotFound
from pilar.provisioning.events import SubscriptionRead
from pilar.provisioning.subscription import SubscriptionKeeper, stored_paying
from pilar.workspaces import standing_store
from pilar.workspaces import store as workspaces
from pilar.workspaces.configuration import StudioConfiguration
from pilar.workspaces.features import Stand, stands
from pilar.workspaces.plans import GRANTS, Plan

LONGEST = timedelta(days=90)
"""The longest that a founder may have a studio go on without paying, from now on."""


@dataclass(frozen=True)
class SubscriptionView:
    """How a studio's subscription stands; times are business time.

    Attributes:
        standing: trial, active, past_due, suspended, cancelled or closed; None: Stripe was not asked yet.
        status: as Stripe has it.
        amount_minor: the price per period, in minor units of `currency`.
        budgets: what the plan grants, by `resource per period`.
        members: how many people may work in the studio besides the owner.
        features: what the plan grants, by name.
        stands: how each feature stands in the studio.
    """

    workspace_id: UUID
    standing: str | None
    since: datetime | None
    status: str | None
    plan: str
    amount_minor: int | None
    currency: str | None
    current_period_end: datetime | None
    cancel_at_period_end: bool
    grace_until: datetime | None
    extended_until: datetime | None
    closes_at: datetime | None
    closed_at: datetime | None
    erase_at: datetime | None
    erased_at: datetime | None
    budgets: dict[str, int]
    members: int
    features: tuple[str, ...]
    stands: tuple[Stand, ...]


def subscription_of(connection: Connection, workspace_id: UUID) -> SubscriptionView:
    """A studio's subscription; raise `NotFound` where this scope sees no such studio."""
    studio = workspaces.get_workspace(connection, workspace_id)
    paid = standing_store.find_subscription(connection, workspace_id)
    kept = standing_store.find_standing(connection, workspace_id)
    grant = GRANTS[Plan(studio.plan)]
    return SubscriptionView(
        workspace_id=workspace_id,
        standing=kept.standing if kept else None,
        since=kept.since if kept else None,
        status=paid.status if paid else None,
        plan=studio.plan,
        amount_minor=paid.amount_minor if paid else None,
        currency=paid.currency if paid else None,
        current_period_end=paid.current_period_end if paid else None,
        cancel_at_period_end=bool(paid and paid.cancel_at_period_end),
        grace_until=kept.grace_until if kept else None,
        extended_until=kept.extended_until if kept else None,
        closes_at=kept.closes_at if kept else None,
        closed_at=kept.closed_at if kept else None,
        erase_at=kept.erase_at if kept else None,
        erased_at=kept.erased_at if kept else None,
        budgets={f"{resource} per {period}": amount for (resource, period), amount in grant.budgets.items()},
        members=grant.members,
        features=tuple(sorted(grant.features)),
        stands=tuple(stands(document)) if (document := _document(connection, workspace_id)) else (),
    )


def _document(connection: Connection, workspace_id: UUID) -> StudioConfiguration | None:
    """A studio's configuration; None while it is still being made."""
    try:
        return workspaces.load_configuration(connection, workspace_id)[1]
    except NotFound:
        return None


def extend_grace(
    connection: Connection,
    clocks: Clocks,
    keeper: SubscriptionKeeper,
    workspace_id: UUID,
    *,
    until: datetime,
    reason: str,
    actor: str,
) -> SubscriptionView:
    """Give a studio time to pay until a moment; one that was suspended is worked for again at once.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        keeper: who keeps how studios stand.
        workspace_id: the studio's.
        until: business time, later than what it has.
        reason: why; kept in the audit log.
        actor: who, as in the audit log.

    Raises:
        NotFound: there is no such studio, or its subscription was never read.
        Conflict: it owes nothing, has ended, or is closed.
        Invalid: the moment is past, no later than what it has, or further away than `LONGEST`.
    """
    workspaces.hold_workspace(connection, workspace_id, alone=True)
    paying, kept = stored_paying(connection, workspace_id), standing_store.find_standing(connection, workspace_id)
    if paying is None or kept is None:
        raise NotFound("Stripe was not asked about this studio's subscription yet.")
    if kept.standing not in ("past_due", "suspended") or kept.grace_until is None:
        raise Conflict(f"This studio is {kept.standing}: there is no payment to give it time for.")
    now = clocks.business.now()
    if not reason.strip():
        raise Invalid("Say why: the reason is kept in the audit log.")
    if until <= max(now, kept.grace_until):
        raise Invalid(f"Name a moment after {max(now, kept.grace_until):%Y-%m-%d %H:%M} UTC: it has that long anyway.")
    if until > now + LONGEST:
        raise Invalid(f"A studio can be given {LONGEST.days} days at most: name a moment before that.")
    cause = Cause.new()
    audit.record(
        connection, actor=actor, action="subscription.grace_extended", subject=f"workspace:{workspace_id}",
        now=clocks.real.now(), workspace_id=workspace_id, correlation_id=cause.correlation_id,
        details={"until": until.isoformat(), "before": kept.grace_until.isoformat(), "reason": reason.strip()},
    )  # fmt: skip
    keeper.judge(connection, workspace_id, replace(paying, extended_until=until), cause)
    audit.tell(
        connection, workspace_id, key=f"grace:{until.isoformat()}", type="subscription.grace_extended", now=now,
        text=f"There is time to pay until {until:%d %B %Y}.",
    )  # fmt: skip
    event = Event(
        payload=SubscriptionRead(workspace_id=workspace_id),
        key=f"grace:{workspace_id}:{until.isoformat()}",
        aggregate=("workspace", str(workspace_id)),
        workspace_id=workspace_id,
    )
    emit(connection, clocks, [event], cause)
    return subscription_of(connection, workspace_id)

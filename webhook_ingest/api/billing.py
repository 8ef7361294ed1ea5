"""A studio's subscription: how it stands, and time to pay. What belongs here: the shape of requests and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from pilar.database.engine import Scope
from pilar.provisioning import grace
from pilar.provisioning.plan_change import ask_for_plan
from pilar.workspaces.plans import Plan
from webhook_ingest.deps import Asked, System

Stands = Literal["trial", "active", "past_due", "suspended", "cancelled", "closed"]


class Subscription(BaseModel):
    """How a studio's subscription stands; times are business time. `standing` is null until Stripe was asked."""

    workspace_id: UUID
    standing: Stands | None
    since: datetime | None
    status: Annotated[str | None, Field(description="As Stripe has it.")]
    plan: Literal["BASIC", "PRO"]
    amount_minor: Annotated[int | None, Field(description="Price per period, in minor units.")]
    currency: str | None
    current_period_end: datetime | None
    cancel_at_period_end: bool
    grace_until: Annotated[datetime | None, Field(description="Until when a payment that is owed is waited for.")]
    extended_until: Annotated[datetime | None, Field(description="Until when the founder gives time to pay.")]
    closes_at: Annotated[datetime | None, Field(description="When it is closed if nothing changes.")]
    closed_at: datetime | None
    erase_at: datetime | None
    erased_at: datetime | None
    budgets: Annotated[dict[str, int], Field(description="What the plan grants, by resource and period.")]
    members: Annotated[int, Field(description="How many people may work in the studio besides the owner.")]
    features: list[str]


class PlanRequest(BaseModel):
    """Which plan is wanted."""

    model_config = ConfigDict(extra="forbid")

    plan: Plan


class PlanAnswer(BaseModel):
    """The plan that was asked for; the subscription tells when it is in force."""

    wanted: Plan


class GraceRequest(BaseModel):
    """More time to pay."""

    model_config = ConfigDict(extra="forbid")

    until: Annotated[
        AwareDatetime, Field(description="Business time; later than what the studio has, 90 days at most.")
    ]
    reason: Annotated[str, Field(min_length=1, max_length=300, description="Kept in the audit log.")]


def get_subscription(app: System, workspace_id: UUID) -> Subscription:
    """How a studio's subscription stands, and what its plan grants."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        found = grace.subscription_of(connection, workspace_id)
    return Subscription.model_validate(found, from_attributes=True)


def change_plan(app: System, caller: Asked, workspace_id: UUID, wanted: PlanRequest) -> PlanAnswer:
    """Move a studio to another plan; Stripe settles what was paid to the day."""
    with app.database.transaction(Scope.fleet()) as connection:
        ask_for_plan(connection, app.clocks, workspace_id, wanted.plan, actor=caller.principal.actor)
    return PlanAnswer(wanted=wanted.plan)


def extend_grace(app: System, caller: Asked, workspace_id: UUID, wanted: GraceRequest) -> Subscription:
    """Give a studio more time to pay; one that was suspended is worked for again at once."""
    with app.database.transaction(Scope.fleet()) as connection:
        now = grace.extend_grace(
            connection, app.clocks, app.subscriptions, workspace_id, until=wanted.until, reason=wanted.reason,
            actor=caller.principal.actor,
        )  # fmt: skip
    return Subscription.model_validate(now, from_attributes=True)

"""Another limit for a studio, for a while. What belongs here: the shape of requests and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from pilar.backplane import budget_overrides
from pilar.database.engine import Scope
from webhook_ingest.deps import Asked, System

Resource = Literal["messages", "tokens", "api_calls", "money"]
Period = Literal["hour", "day"]


class OverrideRequest(BaseModel):
    """What may be used instead of what the plan grants, and until when."""

    model_config = ConfigDict(extra="forbid")

    workspace_id: UUID
    resource: Resource
    period: Period = "day"
    amount: Annotated[int, Field(ge=0, le=budget_overrides.LARGEST, description="Per period; money in minor units.")]
    until: Annotated[AwareDatetime, Field(description="Business time; it ends by itself then.")]
    reason: Annotated[str, Field(min_length=1, max_length=300, description="Kept in the audit log.")]


class OverrideItem(BaseModel):
    """An override; times are business time. `ended_at` is set where it was ended early or replaced."""

    id: UUID
    workspace_id: UUID
    resource: str
    period: Period
    amount: int
    starts_at: datetime
    until: datetime
    made_by: str
    reason: str
    ended_at: datetime | None
    ended_by: str | None


class OverrideList(BaseModel):
    """Overrides, the newest first."""

    items: list[OverrideItem]


def override_budget(app: System, caller: Asked, wanted: OverrideRequest) -> OverrideItem:
    """Have another amount stand in place of a limit for a while; an earlier override of it gives way."""
    with app.database.transaction(Scope.fleet()) as connection:
        made = budget_overrides.override(
            connection, app.clocks, wanted.workspace_id, wanted.resource, wanted.period, wanted.amount, wanted.until,
            caller.principal.actor, wanted.reason,
        )  # fmt: skip
    return OverrideItem.model_validate(made, from_attributes=True)


def list_budget_overrides(app: System, workspace_id: UUID | None = None, ended: bool = False) -> OverrideList:
    """Overrides in force; with `ended` those that are over as well."""
    with app.database.transaction(Scope.fleet()) as connection:
        found = budget_overrides.list_overrides(connection, app.clocks, workspace_id=workspace_id, in_force=not ended)
    return OverrideList(items=[OverrideItem.model_validate(one, from_attributes=True) for one in found])


def end_budget_override(app: System, caller: Asked, workspace_id: UUID, override_id: UUID) -> OverrideItem:
    """End an override before its time; 404 where it is over already."""
    with app.database.transaction(Scope.fleet()) as connection:
        ended = budget_overrides.end_override(
            connection, app.clocks, workspace_id, override_id, actor=caller.principal.actor
        )
    return OverrideItem.model_validate(ended, from_attributes=True)

"""Effects whose outcome is not known. What belongs here: the shape of requests and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from pilar.backplane import effects
from pilar.backplane.unknown_effects import unknown_effects
from pilar.database.engine import Scope
from webhook_ingest import cursors
from webhook_ingest.deps import Asked, System


class UnknownEffectItem(BaseModel):
    """An effect in doubt; texts are masked, times are real time.

    Nothing but a person settles one that `needs_a_person`; the others are still looked for.
    """

    id: UUID
    workspace_id: UUID | None
    kind: str
    key: str
    needs_a_person: bool
    attempts: int
    risks: int
    looks: int
    attempted_at: datetime
    given_up_at: datetime | None
    error: str | None
    request: dict[str, Any]
    correlation_id: UUID | None


class UnknownEffectPage(BaseModel):
    """A page of effects in doubt, the newest first."""

    items: list[UnknownEffectItem]
    next_cursor: str | None


class SettleRequest(BaseModel):
    """What somebody knows of an effect, and how they know it."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["happened", "did_not_happen"] = Field(
        description="What happened is not done again; what did not is free to be tried again."
    )
    note: str = Field(min_length=1, max_length=2_000, description="How you know; kept in the audit log, masked.")


class SettledEffect(BaseModel):
    """An effect that was settled."""

    id: UUID
    state: Literal["confirmed", "intent"]


def list_unknown_effects(app: System, limit: cursors.Limit = 50, cursor: cursors.Cursor = None) -> UnknownEffectPage:
    """Effects whose outcome is not known, the newest first."""
    with app.database.transaction(Scope.fleet()) as connection:
        found = unknown_effects(connection, before=cursors.after_id(cursor), limit=limit + 1)
    items = [UnknownEffectItem.model_validate(one, from_attributes=True) for one in found[:limit]]
    return UnknownEffectPage(items=items, next_cursor=cursors.encode(items[-1].id) if len(found) > limit else None)


def settle_effect(app: System, caller: Asked, effect_id: UUID, wanted: SettleRequest) -> SettledEffect:
    """Settle an effect by what somebody knows; what waits for it goes on."""
    with app.database.transaction(Scope.fleet()) as connection:
        effects.decide(connection, app.clocks, effect_id, wanted.verdict, caller.principal.actor, wanted.note)
    return SettledEffect(id=effect_id, state="confirmed" if wanted.verdict == "happened" else "intent")

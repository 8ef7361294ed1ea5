"""Pauses of work, by type, lane or studio. What belongs here: the shape of requests and answers.

Not to be mixed up with the pause switch (`operator.py`): that one has messages decided on and kept back, this one has
work not begun.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from pilar.backplane import pauses
from pilar.backplane.pauses import Dimension
from pilar.database.engine import Scope
from pilar.errors import NotFound
from webhook_ingest.deps import Asked, System


class NewPause(BaseModel):
    """What is not to be begun for now, and why."""

    model_config = ConfigDict(extra="forbid")

    dimension: Dimension
    subject: str = Field(min_length=1, max_length=100, description="The type's or the lane's name, or the studio's id.")
    reason: str = Field(min_length=1, max_length=300, description="For whoever finds the work waiting.")
    until: AwareDatetime | None = Field(None, description="When it ends by itself, real time; else when it is ended.")


class PauseItem(BaseModel):
    """A pause; times are real time."""

    dimension: Dimension
    subject: str
    paused_at: datetime
    paused_by: str
    reason: str
    until: datetime | None


class PauseList(BaseModel):
    """What is paused, the newest first."""

    items: list[PauseItem]


def list_pauses(app: System) -> PauseList:
    """What is paused."""
    with app.database.transaction(Scope.fleet()) as connection:
        found = pauses.list_pauses(connection, app.clocks.real.now())
    return PauseList(items=[PauseItem.model_validate(one, from_attributes=True) for one in found])


def pause_work(app: System, caller: Asked, wanted: NewPause) -> PauseItem:
    """Have no work begun of a type, in a lane or of a studio; what is under way is finished."""
    with app.database.transaction(Scope.fleet()) as connection:
        made = pauses.pause(
            connection, wanted.dimension, wanted.subject, actor=caller.principal.actor, reason=wanted.reason,
            until=wanted.until, now=app.clocks.real.now(),
        )  # fmt: skip
    return PauseItem.model_validate(made, from_attributes=True)


def resume_work(
    app: System, caller: Asked, dimension: Dimension, subject: Annotated[str, Path(max_length=100)]
) -> None:
    """End a pause: what it held back goes on in the order it had; 404 where there was none."""
    with app.database.transaction(Scope.fleet()) as connection:
        ended = pauses.resume(connection, dimension, subject, actor=caller.principal.actor, now=app.clocks.real.now())
    if not ended:
        raise NotFound("This is not paused.")

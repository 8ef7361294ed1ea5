"""Dead letters over the API. What belongs here: the shape of requests and answers, and going through them in batches.

What does not: the rules (`backplane/dead_letters.py`) and the page (`dashboards/dead_letters.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from pilar.app import App
from pilar.backplane import dead_letters
from pilar.backplane.dead_letters import DeadFilter, DeadLetter
from pilar.backplane.facts import Kind
from pilar.database.engine import Scope
from webhook_ingest import cursors
from webhook_ingest.deps import Asked, System

AT_ONCE = 1_000
"""In one transaction."""
AT_MOST = 20_000
"""In one request: it is answered within seconds, and says whether there are more."""

_A_MOMENT = timedelta(microseconds=1)

Of = Literal["delivery", "event", "job"]
Type = Annotated[str | None, Query(alias="type", max_length=100, description="Of one type.")]
Code = Annotated[str | None, Query(max_length=100, description="With one error code, as `unknown_type`.")]
Studio = Annotated[UUID | None, Query(description="A studio's; all zeros: the fleet's own.")]


class DeadLetterItem(BaseModel):
    """A piece of work that needs help; an event has one for each handler that could not. Texts are masked."""

    id: UUID
    kind: Of
    handler: str
    workspace_id: UUID | None
    type: str
    lane: str
    attempts: int
    max_attempts: int
    error_code: str
    error: str
    failed_at: datetime
    correlation_id: UUID


class DeadLetterPage(BaseModel):
    """A page of dead letters, those that died last first, and how many there are in all."""

    items: list[DeadLetterItem]
    count: int
    next_cursor: str | None


class DeadLetterFilter(BaseModel):
    """Which dead letters; what is left out does not matter."""

    model_config = ConfigDict(extra="forbid")

    type: str | None = Field(None, max_length=100)
    workspace_id: UUID | None = None
    error_code: str | None = Field(None, max_length=100)
    kind: Of | None = None
    since: AwareDatetime | None = Field(None, description="That died at this moment or later.")
    until: AwareDatetime | None = Field(None, description="That died before this moment.")


class DeadLettersRequest(BaseModel):
    """Some by id, all that match a filter, or all: one of these, so that nobody empties the list by an oversight."""

    model_config = ConfigDict(extra="forbid")

    ids: list[UUID] | None = Field(None, min_length=1, max_length=AT_ONCE)
    filter: DeadLetterFilter | None = None
    all: bool = False
    reason: str | None = Field(None, max_length=300, description="For the audit log.")

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        narrows = self.filter is not None and self.filter.model_dump(exclude_none=True) != {}
        if (self.ids is not None) + (self.filter is not None) + self.all != 1 or (self.filter and not narrows):
            raise ValueError("say which: `ids`, a `filter` that names something, or `all`")
        return self

    def chosen(self) -> DeadFilter:
        """Which they are."""
        given = (self.filter or DeadLetterFilter()).model_dump()
        kind = given.pop("kind")
        return DeadFilter(**given, kind=Kind[kind.upper()] if kind else None, ids=self.ids)


class DeadLettersAnswer(BaseModel):
    """How many it was done to; where it is not complete, there are more: send the request again, under another key."""

    count: int
    is_complete: bool


@dataclass(frozen=True)
class Acted:
    """How many it was done to, and whether none is left that was dead before."""

    count: int
    is_complete: bool


def list_dead_letters(
    app: System,
    type_name: Type = None,
    workspace_id: Studio = None,
    error_code: Code = None,
    kind: Of | None = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    limit: cursors.Limit = 50,
    cursor: cursors.Cursor = None,
) -> DeadLetterPage:
    """Dead letters, those that died last first."""
    wanted = DeadFilter(
        type=type_name, workspace_id=workspace_id, error_code=error_code, kind=Kind[kind.upper()] if kind else None,
        since=since, until=until,
    )  # fmt: skip
    before = cursors.after_death(cursor)
    with app.database.transaction(Scope.fleet()) as connection:
        found = dead_letters.list_dead(connection, wanted, before=before, limit=limit + 1)
        count = dead_letters.count_dead(connection, wanted)
    more = cursors.death(found[limit - 1].place) if len(found) > limit else None
    return DeadLetterPage(items=[_item(one) for one in found[:limit]], count=count, next_cursor=more)


def requeue_dead_letters(app: System, caller: Asked, wanted: DeadLettersRequest) -> DeadLettersAnswer:
    """Send dead letters back to work, as if nobody had tried yet."""
    acted = in_batches(app, dead_letters.requeue, wanted.chosen(), caller.principal.actor, wanted.reason)
    return DeadLettersAnswer(count=acted.count, is_complete=acted.is_complete)


def discard_dead_letters(app: System, caller: Asked, wanted: DeadLettersRequest) -> DeadLettersAnswer:
    """Let go of dead letters: they are logged as discarded, and what they were about stays."""
    acted = in_batches(app, dead_letters.discard, wanted.chosen(), caller.principal.actor, wanted.reason)
    return DeadLettersAnswer(count=acted.count, is_complete=acted.is_complete)


def in_batches(app: App, act: Callable[..., int], wanted: DeadFilter, actor: str, reason: str | None) -> Acted:
    """Do something to dead letters, a batch a transaction, so that whoever is killed half-way has done a part of it.

    What dies again meanwhile is left alone.
    """
    began, count = app.clocks.real.now(), 0
    # What died at this very moment was there when somebody asked for all: the end is exclusive.
    wanted = wanted if wanted.until and wanted.until <= began else replace(wanted, until=began + _A_MOMENT)
    while count < AT_MOST:
        with app.database.transaction(Scope.fleet()) as connection:
            done = act(connection, app.clocks, wanted, actor=actor, reason=reason, limit=AT_ONCE)
        count += done
        if done < AT_ONCE:
            return Acted(count, is_complete=True)
    return Acted(count, is_complete=False)


def _item(letter: DeadLetter) -> DeadLetterItem:
    told = {name: getattr(letter, name) for name in DeadLetterItem.model_fields if name != "kind"}
    return DeadLetterItem(**told, kind=letter.kind.name.lower())

"""Webhooks as they came in, over the API: found, read, worked on again. What belongs here: the shape of it.

What does not: the questions (`backplane/received.py`), having them worked on again (`backplane/working_again.py`) and
the page (`dashboards/inbox.py`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Connection

from pilar.app import App
from pilar.backplane import working_again
from pilar.backplane.received import DeliveryFilter, Place, ReceivedDelivery, count_deliveries, list_deliveries
from pilar.backplane.work import Status
from pilar.backplane.working_again import BATCH, GivenBack
from pilar.database.engine import Scope
from pilar.errors import Conflict, NotFound
from pilar.operator.delivery_story import DeliveryStory, names_of, tell
from pilar.workspaces.store import get_workspace
from webhook_ingest import cursors
from webhook_ingest.api.work import EventStateItem, HandlerItem, JobStateItem
from webhook_ingest.deps import Asked, System

AT_MOST = 20_000
"""Of one request: it is answered within seconds, and says where to go on."""
QUESTIONS = 50
"""The same for what has to be looked for: each question looks at some ten thousand."""

Provider = Annotated[str | None, Query(max_length=40, description="Who sent it: stripe, twilio or whatsapp.")]
Studio = Annotated[UUID | None, Query(description="That concern a studio: that name one of its accounts.")]
Since = Annotated[AwareDatetime | None, Query(description="That came at this moment or later.")]
Until = Annotated[AwareDatetime | None, Query(description="That came before this moment.")]
InStatus = Annotated[Status | None, Query(alias="status", description="In one status, as a whole.")]
Search = Annotated[
    str | None,
    Query(
        min_length=1, max_length=255,
        description="The provider's id of it, or an id, phone number or address that it names, once it was tried.",
    ),
]  # fmt: skip
Says = Annotated[str | None, Query(min_length=1, max_length=255, description="Whose body holds this, to the letter.")]


class DeliveryItem(BaseModel):
    """A webhook and what became of it; times are real time, texts are masked.

    `external_id` is the provider's id of it, or a hash of its body; `bytes` the body's length. A handler's `result`
    says what came of the delivery's parts, and which were passed over.
    """

    id: UUID
    provider: str
    external_id: str
    received_at: datetime
    bytes: int
    status: Status
    attempts: int
    started_at: datetime | None
    finished_at: datetime | None
    error_code: str | None
    error: str | None
    handlers: list[HandlerItem]


class DeliveryPage(BaseModel):
    """A page of webhooks, the newest first. It may have fewer than were asked for, or none, and more behind it."""

    items: list[DeliveryItem]
    next_cursor: str | None


class ReplayItem(BaseModel):
    """That somebody had it worked on again."""

    replayed_at: datetime
    replayed_by: str


class NamedMessageItem(BaseModel):
    """A message that a webhook brought, or that it tells something of; `occurred_at` is business time."""

    workspace_id: UUID
    id: UUID
    lead_id: UUID
    direction: str
    kind: str
    state: str
    origin: str
    occurred_at: datetime


class DeliveryDetail(DeliveryItem):
    """A webhook with its body, and what came of it: events, jobs and messages, at most a hundred of each."""

    headers: dict[str, Any]
    body: str
    is_masked: bool
    replays: list[ReplayItem]
    events: list[EventStateItem]
    jobs: list[JobStateItem]
    messages: list[NamedMessageItem]
    is_cut: bool


class InboxFilter(BaseModel):
    """Which webhooks; what is left out does not matter."""

    model_config = ConfigDict(extra="forbid")

    provider: str | None = Field(None, max_length=40)
    workspace_id: UUID | None = Field(None, description="That concern a studio.")
    since: AwareDatetime | None = Field(None, description="That came at this moment or later.")
    until: AwareDatetime | None = Field(None, description="That came before this moment.")
    status: Status | None = None
    search: str | None = Field(None, min_length=1, max_length=255)
    says: str | None = Field(None, min_length=1, max_length=255)


class ReplayRequest(BaseModel):
    """Some by id, or all that match a filter that names something: nobody has everything done again by an oversight."""

    model_config = ConfigDict(extra="forbid")

    ids: list[UUID] | None = Field(None, min_length=1, max_length=BATCH)
    filter: InboxFilter | None = None
    dry_run: bool = Field(False, description="Only say how many there are.")
    cursor: str | None = Field(None, max_length=200, description="`next_cursor` of the answer before.")
    reason: str | None = Field(None, max_length=300, description="For the audit log.")

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        narrows = self.filter is not None and self.filter.model_dump(exclude_none=True) != {}
        if (self.ids is not None) + (self.filter is not None) != 1 or (self.filter and not narrows):
            raise ValueError("say which: `ids`, or a `filter` that names something")
        return self


class ReplayReason(BaseModel):
    """Why it is worked on again."""

    model_config = ConfigDict(extra="forbid")

    reason: str | None = Field(None, max_length=300, description="For the audit log.")


class ReplayAnswer(BaseModel):
    """What became of it.

    `count` will be worked on again (in a dry run: match); `waiting` are at work or wait for it anyway; `too_old` are
    left alone, since it is not known any more what they caused; `unknown` are not there. Where it is not complete, send
    the request again with `next_cursor` as its cursor, under another key.
    """

    count: int
    waiting: int = 0
    too_old: int = 0
    unknown: int = 0
    is_complete: bool
    next_cursor: str | None = None


def list_inbox(
    app: System,
    provider: Provider = None,
    workspace_id: Studio = None,
    since: Since = None,
    until: Until = None,
    status: InStatus = None,
    search: Search = None,
    says: Says = None,
    limit: cursors.Limit = 50,
    cursor: cursors.Cursor = None,
) -> DeliveryPage:
    """Webhooks with what became of them, the newest first."""
    wanted = InboxFilter(
        provider=provider, workspace_id=workspace_id, since=since, until=until, status=status, search=search, says=says
    )
    below = cursors.after_received(cursor)
    with app.database.transaction(Scope.fleet()) as connection:
        page = list_deliveries(connection, meant(connection, wanted), below=below, limit=limit)
    more = cursors.received(page.below) if page.below else None
    return DeliveryPage(items=[_item(one) for one in page.items], next_cursor=more)


def get_delivery(
    app: System,
    caller: Asked,
    delivery_id: UUID,
    unmask: Annotated[bool, Query(description="Show personal data; the audit log says that you did.")] = False,
) -> DeliveryDetail:
    """One webhook: its body, and what came of it."""
    with app.database.transaction(Scope.fleet()) as connection:
        story = tell(connection, app.clocks, delivery_id, unmasked_for=caller.principal.actor if unmask else None)
    return _detail(story)


def replay_delivery(app: System, caller: Asked, delivery_id: UUID, wanted: ReplayReason | None = None) -> ReplayAnswer:
    """Have one webhook worked on again; what it caused before is not caused again."""
    reason = wanted.reason if wanted else None
    given = replay_by_id(app, [delivery_id], caller.principal.actor, reason)
    if given.unknown:
        raise NotFound("There is no webhook by that id (any more).")
    if given.waiting:
        raise Conflict("It is being worked on, or waits for it: there is nothing to replay.")
    if given.too_old:
        raise Conflict(
            "It is too old: what it caused is not known any more, and might be done twice."
            f" Idempotency keys are kept for {app.settings.keys_kept_days} days."
        )
    return ReplayAnswer(count=given.replayed, is_complete=True)


def replay_deliveries(app: System, caller: Asked, wanted: ReplayRequest) -> ReplayAnswer:
    """Have webhooks worked on again: what they caused before is not caused again."""
    below = cursors.after_received(wanted.cursor)
    with app.database.transaction(Scope.fleet()) as connection:
        chosen = DeliveryFilter(ids=wanted.ids) if wanted.filter is None else meant(connection, wanted.filter)
        if wanted.dry_run:
            count, below = count_deliveries(connection, chosen, most=AT_MOST, below=below, questions=QUESTIONS)
            return ReplayAnswer(count=count, **_whether_complete(below))
    if wanted.ids is not None:
        given, below = replay_by_id(app, wanted.ids, caller.principal.actor, wanted.reason), None
    else:
        given, below = replay_by_filter(app, chosen, caller.principal.actor, wanted.reason, below)
    return ReplayAnswer(
        count=given.replayed, waiting=given.waiting, too_old=given.too_old, unknown=given.unknown,
        **_whether_complete(below),
    )  # fmt: skip


def meant(connection: Connection, wanted: InboxFilter) -> DeliveryFilter:
    """The same for the backplane; raise `NotFound` where there is no such studio."""
    given = wanted.model_dump()
    studio = given.pop("workspace_id")
    if studio is None:
        return DeliveryFilter(**given)
    get_workspace(connection, studio)
    return DeliveryFilter(**given, named=names_of(connection, studio))


def replay_by_id(app: App, ids: list[UUID], actor: str, reason: str | None) -> GivenBack:
    """Have these worked on again."""
    with app.database.transaction(Scope.fleet()) as connection:
        return working_again.replay(
            connection, app.clocks, actor=actor, known_for=_known_for(app), ids=ids, reason=reason
        )


def replay_by_filter(
    app: App, wanted: DeliveryFilter, actor: str, reason: str | None, below: Place | None = None
) -> tuple[GivenBack, Place | None]:
    """Have those worked on again that match, and say where to go on."""
    return working_again.replay_matching(
        app.database, app.clocks, wanted,
        actor=actor, known_for=_known_for(app), reason=reason, below=below, most=AT_MOST, questions=QUESTIONS,
    )  # fmt: skip


def _whether_complete(below: Place | None) -> dict[str, Any]:
    return {"is_complete": below is None, "next_cursor": cursors.received(below) if below else None}


def _known_for(app: App) -> timedelta:
    return timedelta(days=app.settings.keys_kept_days)


def _item(one: ReceivedDelivery) -> DeliveryItem:
    return DeliveryItem.model_validate(one, from_attributes=True)


def _detail(story: DeliveryStory) -> DeliveryDetail:
    return DeliveryDetail(
        **_item(story.delivery).model_dump(),
        headers=dict(story.headers),
        body=story.body,
        is_masked=story.is_masked,
        replays=[ReplayItem.model_validate(one, from_attributes=True) for one in story.replays],
        events=[EventStateItem.model_validate(one, from_attributes=True) for one in story.events],
        jobs=[JobStateItem.model_validate(one, from_attributes=True) for one in story.jobs],
        messages=[NamedMessageItem.model_validate(one, from_attributes=True) for one in story.messages],
        is_cut=story.is_cut,
    )

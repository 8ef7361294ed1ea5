"""Webhooks as they came in, for the founder: found, read, worked on again. What belongs here: what these pages do."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Form, Query, Request
from pydantic import AwareDatetime
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from pilar.backplane.received import count_deliveries, known_providers, list_deliveries
from pilar.backplane.work import Status
from pilar.backplane.working_again import GivenBack
from pilar.database.engine import Scope
from pilar.errors import Invalid, NotFound
from pilar.operator.delivery_story import DeliveryStory, tell
from pilar.workspaces.store import studio_names
from webhook_ingest import cursors
from webhook_ingest.api.inbox import InboxFilter, meant, replay_by_filter, replay_by_id
from webhook_ingest.dashboards import words
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System
from webhook_ingest.problems import status_of

_PER_PAGE = 50
_COUNTED = 1_000
"""How far those that match are counted on the page."""
_A_MOMENT = timedelta(microseconds=1)

Text = Annotated[str, Query(max_length=255)]
Field = Annotated[str, Form(max_length=255)]
Age = Literal["", "hour", "day", "week", "month"]
_AGES: dict[str, tuple[str, timedelta]] = {
    "hour": ("The last hour", timedelta(hours=1)),
    "day": ("The last day", timedelta(days=1)),
    "week": ("The last week", timedelta(days=7)),
    "month": ("The last 30 days", timedelta(days=30)),
}
_STATUSES = (Status.COMPLETED, Status.FAILED, Status.PENDING, Status.IN_PROGRESS, Status.RETRYING, Status.DISCARDED)


@dataclass(frozen=True)
class Chosen:
    """What the page is narrowed down to; empty: not narrowed."""

    search: str = ""
    provider: str = ""
    status: str = ""
    age: str = ""
    says: str = ""
    studio: str = ""

    def filter(self, app: System, until: AwareDatetime | None = None) -> InboxFilter:
        """The same for the API, of those that had come by a moment; raise `Invalid` for what can't be one."""
        try:
            studio = UUID(self.studio) if self.studio else None
        except ValueError:
            raise Invalid("That is no studio's id.") from None
        if self.status and self.status not in set(Status):
            raise Invalid("There is no such status.")
        if self.age and self.age not in _AGES:
            raise Invalid("There is no such span of time.")
        return InboxFilter(
            search=self.search.strip() or None,
            provider=self.provider or None,
            status=Status(self.status) if self.status else None,
            since=app.clocks.real.now() - _AGES[self.age][1] if self.age else None,
            until=until + _A_MOMENT if until else None,
            says=self.says or None,
            workspace_id=studio,
        )

    @property
    def query(self) -> str:
        """The same as an address has it, ready to be gone on with."""
        return urlencode({name: value for name, value in vars(self).items() if value})


def inbox(
    request: Request,
    app: System,
    search: Text = "",
    provider: Text = "",
    status: Text = "",
    age: Text = "",
    says: Text = "",
    studio: Text = "",
    cursor: Annotated[str | None, Query(max_length=300)] = None,
) -> Response:
    """Webhooks, the newest first."""
    return _page(request, app, Chosen(search, provider, status, age, says, studio), cursor)


def replay_some(
    request: Request,
    app: System,
    caller: Asked,
    until: Annotated[AwareDatetime, Form()],
    act: Annotated[Literal["chosen", "all"] | None, Form()] = None,
    ids: Annotated[list[UUID] | None, Form(max_length=1_000)] = None,
    why: Annotated[str, Form(max_length=300)] = "",
    search: Field = "",
    provider: Field = "",
    status: Field = "",
    age: Field = "",
    says: Field = "",
    studio: Field = "",
) -> Response:
    """Have webhooks worked on again: those that were ticked, or all that the page was about."""
    chosen = Chosen(search, provider, status, age, says, studio)
    reason = why.strip() or None
    if act == "all":
        if chosen == Chosen():
            return _page(
                request, app, chosen, None, error=Invalid("Narrow them down first: all there are is too many.")
            )
        # Those that were there when the page was made: what has come since, nobody has seen.
        asked = chosen.filter(app, until)
        with app.database.transaction(Scope.fleet()) as connection:
            wanted = meant(connection, asked)
        given, below = replay_by_filter(app, wanted, caller.principal.actor, reason)
    elif act == "chosen" and ids:
        given, below = replay_by_id(app, ids, caller.principal.actor, reason), None
    else:
        return _page(request, app, chosen, None, error=Invalid("Tick those that you mean first."))
    query = chosen.query
    part = f"&cursor={cursors.received(below)}" if below else ""
    return RedirectResponse(
        f"/inbox?{query}{'&' if query else ''}notice={_notice(given)}{'-part' if below else ''}{part}", 303
    )


def delivery(request: Request, app: System, delivery_id: UUID) -> Response:
    """One webhook, its body masked."""
    with app.database.transaction(Scope.fleet()) as connection:
        story = tell(connection, app.clocks, delivery_id)
        names = _names(connection, story)
    return _one(request, story, names)


def unmask(request: Request, app: System, caller: Asked, delivery_id: UUID) -> Response:
    """One webhook as it came; the audit log says who looked."""
    with app.database.transaction(Scope.fleet()) as connection:
        story = tell(connection, app.clocks, delivery_id, unmasked_for=caller.principal.actor)
        names = _names(connection, story)
    return _one(request, story, names)


def replay_one(
    app: System, caller: Asked, delivery_id: UUID, why: Annotated[str, Form(max_length=300)] = ""
) -> Response:
    """Have one webhook worked on again."""
    given = replay_by_id(app, [delivery_id], caller.principal.actor, why.strip() or None)
    if given.unknown:
        raise NotFound("There is no webhook by that id (any more).")
    return RedirectResponse(f"/inbox/{delivery_id}?notice={_notice(given)}", 303)


def _notice(given: GivenBack) -> str:
    if given.replayed:
        return "replayed"
    return "replay-too-old" if given.too_old else "replay-waiting" if given.waiting else "none-left"


def _page(
    request: Request, app: System, chosen: Chosen, cursor: str | None, *, error: Invalid | None = None
) -> Response:
    below = cursors.after_received(cursor)
    asked = chosen.filter(app)
    with app.database.transaction(Scope.fleet()) as connection:
        page = list_deliveries(connection, meant(connection, asked), below=below, limit=_PER_PAGE)
        providers = known_providers(connection)
        count, uncounted = 0, None
        if chosen != Chosen():
            count, uncounted = count_deliveries(connection, meant(connection, asked), most=_COUNTED, questions=1)
        names = studio_names(connection, {asked.workspace_id}) if asked.workspace_id else {}
    return render(
        request,
        "inbox.html",
        status_code=status_of(error) if error else 200,
        deliveries=page.items,
        chosen=chosen,
        names_of_fields=[one.name for one in fields(Chosen)],
        is_narrowed=chosen != Chosen(),
        studio_name=names.get(asked.workspace_id, "A studio that is gone") if asked.workspace_id else None,
        providers=[(name, words.PROVIDERS.get(name, name)) for name in providers],
        statuses=[(str(status), words.delivery_status(status)) for status in _STATUSES],
        ages=[(name, title) for name, (title, _) in _AGES.items()],
        provider_name=words.PROVIDERS,
        in_words=words.delivery_status,
        came_of=words.came_of,
        count=f"{count:,}{'+' if uncounted else ''}",
        made_at=app.clocks.real.now(),
        more=cursors.received(page.below) if page.below else None,
        error=error.message if error else None,
    )


def _names(connection: Connection, story: DeliveryStory) -> dict[UUID, str]:
    studios = {one.workspace_id for one in story.events} | {one.workspace_id for one in story.jobs}
    studios |= {one.workspace_id for one in story.messages}
    return studio_names(connection, {studio for studio in studios if studio})


def _one(request: Request, story: DeliveryStory, names: dict[UUID, str]) -> Response:
    return render(
        request,
        "delivery.html",
        story=story,
        one=story.delivery,
        names=names,
        provider_name=words.PROVIDERS,
        in_words=words.delivery_status,
        came_of=words.came_of,
        reason_in_words=words.reason,
    )

"""Dead letters, for the founder: why each died, sending back, letting go. What belongs here: what that page does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Form, Query, Request
from pydantic import AwareDatetime
from starlette.responses import RedirectResponse, Response

from pilar.backplane import dead_letters as rules
from pilar.backplane.dead_letters import DeadFilter
from pilar.database.engine import Scope
from pilar.errors import Invalid
from pilar.ids import FLEET
from pilar.workspaces.store import studio_names
from webhook_ingest import cursors
from webhook_ingest.api.dead_letters import in_batches
from webhook_ingest.dashboards import words
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System
from webhook_ingest.problems import status_of

_PER_PAGE = 50
_A_MOMENT = timedelta(microseconds=1)

Act = Literal["requeue-chosen", "discard-chosen", "requeue-all", "discard-all"]
Word = Annotated[str, Form(max_length=300)]


@dataclass(frozen=True)
class Chosen:
    """What the page is narrowed down to; empty: not narrowed."""

    type: str = ""
    reason: str = ""
    studio: str = ""

    def filter(self) -> DeadFilter:
        """The same for the backplane; raise `Invalid` for what is no studio's id."""
        try:
            studio = UUID(self.studio) if self.studio else None
        except ValueError:
            raise Invalid("That is no studio's id.") from None
        return DeadFilter(type=self.type or None, error_code=self.reason or None, workspace_id=studio)

    @property
    def query(self) -> str:
        """The same as an address has it, ready to be gone on with."""
        given = {name: value for name, value in vars(self).items() if value}
        return urlencode(given)


def dead_letters(
    request: Request,
    app: System,
    type_name: Annotated[str, Query(alias="type", max_length=100)] = "",
    reason: Annotated[str, Query(max_length=100)] = "",
    studio: Annotated[str, Query(max_length=40)] = "",
    cursor: Annotated[str | None, Query(max_length=300)] = None,
) -> Response:
    """Work that can't be done without help, what died last first."""
    return _page(request, app, Chosen(type_name, reason, studio), cursor)


def deal_with(
    request: Request,
    app: System,
    caller: Asked,
    until: Annotated[AwareDatetime, Form()],
    act: Annotated[Act | None, Form()] = None,
    one: Annotated[UUID | None, Form()] = None,
    ids: Annotated[list[UUID] | None, Form()] = None,
    type_name: Annotated[str, Form(alias="type", max_length=100)] = "",
    reason: Annotated[str, Form(max_length=100)] = "",
    studio: Annotated[str, Form(max_length=40)] = "",
    why: Word = "",
) -> Response:
    """Send dead letters back to work or let go of them: one, those that were chosen, or all that the page was about."""
    chosen = Chosen(type_name, reason, studio)
    doing = "discard" if act is not None and act.startswith("discard") else "requeue"
    if one is not None:
        wanted = DeadFilter(ids=[one])
    elif act is None:
        return _page(request, app, chosen, None, error=Invalid("What is to be done with them?"))
    elif act.endswith("-all"):
        # Those that were there when the page was made: what has died since, nobody has seen.
        narrowed = chosen.filter()
        wanted = DeadFilter(
            type=narrowed.type, error_code=narrowed.error_code, workspace_id=narrowed.workspace_id,
            until=until + _A_MOMENT,
        )  # fmt: skip
    elif ids:
        wanted = DeadFilter(ids=ids)
    else:
        return _page(request, app, chosen, None, error=Invalid("Tick those that you mean first."))
    acted = in_batches(
        app, rules.discard if doing == "discard" else rules.requeue, wanted, caller.principal.actor, why.strip() or None
    )
    done = "discarded" if doing == "discard" else "requeued"
    notice = done if acted.count else "none-left"
    if not acted.is_complete:
        notice += "-part"
    query = chosen.query
    return RedirectResponse(f"/dead-letters?{query}{'&' if query else ''}notice={notice}", 303)


def _page(
    request: Request, app: System, chosen: Chosen, cursor: str | None, *, error: Invalid | None = None
) -> Response:
    before = cursors.after_death(cursor)
    now = app.clocks.real.now()
    everything, wanted = DeadFilter(), chosen.filter()
    with app.database.transaction(Scope.fleet()) as connection:
        found = rules.list_dead(connection, wanted, before=before, limit=_PER_PAGE + 1)
        count = rules.count_dead(connection, wanted)
        by_type, by_code, by_studio = (
            rules.count_dead_by(connection, everything, by) for by in ("type", "error_code", "workspace_id")
        )
        studios = {UUID(one.subject) for one in by_studio} | {one.workspace_id for one in found if one.workspace_id}
        names = {str(studio): name for studio, name in studio_names(connection, studios).items()}
    names[str(FLEET)] = "The fleet's own"
    return render(
        request,
        "dead_letters.html",
        status_code=status_of(error) if error else 200,
        letters=found[:_PER_PAGE],
        count=count,
        chosen=chosen,
        is_narrowed=chosen != Chosen(),
        types=[(one.subject, one.subject, one.count) for one in by_type],
        reasons=[(one.subject, words.reason(one.subject).why, one.count) for one in by_code],
        studios=[(one.subject, names.get(one.subject, "A studio that is gone"), one.count) for one in by_studio],
        names=names,
        in_words=words.reason,
        made_at=now,
        more=cursors.death(found[_PER_PAGE - 1].place) if len(found) > _PER_PAGE else None,
        error=error.message if error else None,
    )

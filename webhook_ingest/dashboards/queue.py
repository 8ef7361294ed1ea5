"""The queue, for the founder: lanes, workers, breakers, pauses. What belongs here: what that page shows and does.

What does not: how it is found out (`api/queue.py`, which tells programs the same), dead letters and effects in doubt,
which have pages of their own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Form, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from pilar.backplane import pauses
from pilar.backplane.breakers import State
from pilar.backplane.facts import Kind
from pilar.backplane.histograms import BOUNDS, Histogram
from pilar.backplane.lanes import LaneState
from pilar.backplane.pauses import Dimension, Pause
from pilar.backplane.unknown_effects import unknown_effects
from pilar.database.engine import Scope
from pilar.errors import Invalid, NotFound, PilarError
from pilar.workspaces.store import get_workspace, studio_names
from webhook_ingest.api.health import pulse
from webhook_ingest.api.queue import breakers, look
from webhook_ingest.dashboards import charts, forms, words
from webhook_ingest.dashboards.charts import Columns, Stacks
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System
from webhook_ingest.problems import status_of

SPANS = {"15m": ("15 minutes", 15, 10), "1h": ("hour", 60, 15), "1d": ("day", 1_440, 60)}
"""How far back figures go, by name: in words, in minutes, and after how many seconds the page looks again."""

LASTS = {"": None, "15": "15 minutes", "60": "an hour", "240": "4 hours", "1440": "a day"}
"""How long a pause lasts, in minutes; empty: until somebody ends it."""

_SLOTS = 60
_COUNTED = 100
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

Word = Annotated[str, Form(max_length=300)]


@dataclass(frozen=True)
class LaneCard:
    """A lane as the page shows it; the pictures are None where nothing ended."""

    title: str
    says: str
    state: LaneState
    oldest_seconds: float | None
    per_minute: float
    rates: Stacks | None
    wait: Columns | None
    run: Columns | None


def queue(request: Request, app: System, span: Annotated[Literal["15m", "1h", "1d"], Query()] = "1h") -> Response:
    """What waits in each lane, how it went lately, what is paused, who works."""
    return _page(request, app, span)


def pause_work(
    request: Request,
    app: System,
    caller: Asked,
    what: Word = "",
    studio: Word = "",
    reason: Word = "",
    lasts: Annotated[Literal["", "15", "60", "240", "1440"], Form()] = "",
) -> Response:
    """Have work not begun; where what was said is not enough, the page says so."""

    def pause(connection: Connection) -> str:
        dimension, subject = _paused(what, studio)
        if dimension == "workspace":
            get_workspace(connection, UUID(subject))
        now = app.clocks.real.now()
        pauses.pause(
            connection, dimension, subject, actor=caller.principal.actor, reason=reason,
            until=now + timedelta(minutes=int(lasts)) if lasts else None, now=now,
        )  # fmt: skip
        return "/queue?notice=work-paused#pauses-title"

    wanted = {"what": what, "studio": studio, "reason": reason}
    return forms.done(app, pause, partial(_page, request, app, "1h", wanted=wanted), kinds=(Invalid, NotFound))


def resume_work(app: System, caller: Asked, dimension: Annotated[Dimension, Form()], subject: Word) -> Response:
    """End a pause."""
    with app.database.transaction(Scope.fleet()) as connection:
        ended = pauses.resume(connection, dimension, subject, actor=caller.principal.actor, now=app.clocks.real.now())
    return forms.see(f"/queue?notice=work-{'resumed' if ended else 'not-paused'}#pauses-title")


def _paused(what: str, studio: str) -> tuple[Dimension, str]:
    """What the form names: `lane:…`, `type:…`, or a studio by its id or the address of its page."""
    dimension, _, subject = what.partition(":")
    if dimension == "lane" and subject:
        return "lane", subject
    if dimension == "type" and subject:
        return "type", subject
    if dimension != "workspace":
        raise Invalid("What is to be paused?")
    found = _ID.search(studio)
    if found is None:
        raise Invalid("Which studio? Copy the address of its page, or its id.")
    return "workspace", found.group()


def _page(
    request: Request, app: System, span: str, error: PilarError | None = None, *, wanted: dict[str, str] | None = None
) -> Response:
    says, minutes, every = SPANS[span]
    found = look(request, app, timedelta(minutes=minutes))
    health = pulse(request)
    with app.database.transaction(Scope.fleet()) as connection:
        doubts = len(unknown_effects(connection, limit=_COUNTED))
        names = studio_names(connection, [UUID(one.subject) for one in found.pauses if one.dimension == "workspace"])
    known = breakers(app, found.workers)
    axis = charts.decades(BOUNDS, [of.counts for lane in found.lanes for of in (lane.wait, lane.run)])
    return render(
        request,
        "queue.html",
        status_code=status_of(error) if error else 200,
        span=span,
        spans={name: told for name, (told, _, _) in SPANS.items()},
        span_says=says,
        every=every,
        cards=[_card(lane, found.at, minutes, axis) for lane in found.lanes],
        counted_ago=(found.at - found.counted_at).total_seconds(),
        waiting=sum(lane.waiting for lane in found.lanes),
        in_progress=sum(lane.in_progress for lane in found.lanes),
        dead=sum(lane.dead for lane in found.lanes),
        doubts=f"{doubts}{'+' if doubts == _COUNTED else ''}",
        pauses=[(one, _called(one, names)) for one in found.pauses],
        workers=found.workers,
        breakers=[(by, one) for by, one in known if one.state is not State.CLOSED],
        asked={one.name for _, one in known},
        inbox=health.inbox,
        lanes=[(lane.value, title) for lane, (title, _) in words.LANES.items()],
        types=sorted({name for kind, name in app.registry.handlers if kind is not Kind.DELIVERY}),
        lasts=LASTS,
        wanted=wanted or {"what": "", "studio": "", "reason": ""},
        error=error.message if error else None,
    )


def _card(lane: LaneState, now: datetime, minutes: int, axis: tuple[int, int]) -> LaneCard:
    title, says = words.LANES[lane.lane]
    return LaneCard(
        title=title,
        says=says,
        state=lane,
        oldest_seconds=max((now - lane.oldest).total_seconds(), 0.0) if lane.oldest else None,
        per_minute=lane.ended / minutes,
        rates=charts.stacks(_by_slot(lane, now, minutes)) if lane.ended else None,
        wait=_picture(lane.wait, axis),
        run=_picture(lane.run, axis),
    )


def _by_slot(lane: LaneState, now: datetime, minutes: int) -> Sequence[tuple[float, float, float]]:
    """What ended per minute, in at most sixty slots: done, put off, dead."""
    slots = min(minutes, _SLOTS)
    each = minutes / slots
    sums = [[0.0, 0.0, 0.0] for _ in range(slots)]
    begin = now - timedelta(minutes=minutes)
    for rate in lane.rates:
        # The first minute begins before the span does.
        slot = min(max(int((rate.minute - begin).total_seconds() / 60 / each), 0), slots - 1)
        for series, count in enumerate((rate.done, rate.put_off, rate.dead)):
            sums[slot][series] += count / each
    return [(done, put_off, dead) for done, put_off, dead in sums]


def _picture(of: Histogram, axis: tuple[int, int]) -> Columns | None:
    return charts.columns(BOUNDS, of.counts, axis, (of.p50, of.p95)) if of.count else None


def _called(pause: Pause, names: dict[UUID, str]) -> dict[str, Any]:
    """What is paused, in words, and where it leads."""
    if pause.dimension == "lane":
        found = next((title for lane, (title, _) in words.LANES.items() if lane == pause.subject), pause.subject)
        return {"what": f"Lane “{found}”", "href": None}
    if pause.dimension == "type":
        return {"what": f"Work of type {pause.subject}", "href": None}
    studio = UUID(pause.subject)
    return {"what": f"All work of {names.get(studio, 'a studio that is gone')}", "href": f"/studios/{studio}"}

"""How work stands: lanes, workers, breakers, pauses. What belongs here: the shape of it, as the status tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import Request
from pydantic import BaseModel

from pilar.app import App
from pilar.backplane import heartbeat, lanes, pauses
from pilar.backplane.breakers import Seen, State
from pilar.backplane.heartbeat import LiveWorker
from pilar.backplane.histograms import Histogram
from pilar.backplane.lanes import LaneState
from pilar.backplane.pauses import Pause
from pilar.database.engine import Scope
from webhook_ingest.api.depth import QueueDepth
from webhook_ingest.api.pauses import PauseItem

WEB = "this web service"
"""Who has seen a breaker, where it is no worker."""


class Percentiles(BaseModel):
    """Seconds that so large a part of the attempts did not exceed; `longest` is exact. Null where none ended."""

    p50: float | None
    p95: float | None
    p99: float | None
    longest: float | None


class LaneItem(BaseModel):
    """A lane: what is in it now, and how the attempts that ended within the span took.

    `waiting` is the depth: due, and held by nobody. `per_minute` is the mean over the span.
    """

    lane: str
    waiting: int
    oldest_seconds: float | None
    in_progress: int
    parked: int
    scheduled: int
    dead_letters: int
    ended: int
    per_minute: float
    wait_seconds: Percentiles
    run_seconds: Percentiles


class WorkerItem(BaseModel):
    """A worker that is alive; real time."""

    name: str
    started_at: datetime
    seen_at: datetime


class BreakerItem(BaseModel):
    """What one process knows of a provider: closed lets all calls through, open none, half-open one that finds out."""

    name: str
    seen_by: str
    state: State
    failures: int
    since: datetime | None
    retry_at: datetime | None


class Standing(BaseModel):
    """How work stands; `minutes` is the span that figures of what ended go back.

    Where much waits it is not counted for each who asks: what is in the lanes is of `counted_at`.
    """

    minutes: int
    counted_at: datetime
    lanes: list[LaneItem]
    workers: list[WorkerItem]
    breakers: list[BreakerItem]
    pauses: list[PauseItem]


@dataclass(frozen=True)
class Looked:
    """What was found of it, and when (real time); what is in the lanes may have been counted a little earlier."""

    at: datetime
    counted_at: datetime
    lanes: list[LaneState]
    workers: list[LiveWorker]
    pauses: list[Pause]


def look(request: Request, app: App, span: timedelta) -> Looked:
    """How work stands now.

    Args:
        request: to the service, which counts for all who ask.
        app: the system.
        span: how far back figures of what ended go.

    Raises:
        Transient: the database is away.
    """
    depth: QueueDepth = request.app.state.depth
    counted = depth.look()
    now = app.clocks.real.now()
    with app.database.transaction(Scope.fleet()) as connection:
        return Looked(
            now,
            counted.at,
            lanes.list_lanes(connection, counted, now, now - span),
            heartbeat.list_live(connection, now),
            pauses.list_pauses(connection, now),
        )


def breakers(app: App, workers: Sequence[LiveWorker]) -> list[tuple[str, Seen]]:
    """What each process knows of providers, by provider and whoever has seen it."""
    seen = [(WEB, one) for one in app.breakers.snapshot()]
    seen += [(worker.name, one) for worker in workers for one in worker.breakers]
    return sorted(seen, key=lambda pair: (pair[1].name, pair[0]))


def standing(request: Request, app: App, span: timedelta) -> Standing:
    """How work stands now, to be answered; raises as `look` does."""
    found, minutes = look(request, app, span), int(span.total_seconds() // 60)
    return Standing(
        minutes=minutes,
        counted_at=found.counted_at,
        lanes=[_lane(one, found.at, minutes) for one in found.lanes],
        workers=[WorkerItem(name=one.name, started_at=one.started_at, seen_at=one.seen_at) for one in found.workers],
        breakers=[BreakerItem(seen_by=by, **vars(one)) for by, one in breakers(app, found.workers)],
        pauses=[PauseItem.model_validate(one, from_attributes=True) for one in found.pauses],
    )


def _lane(lane: LaneState, now: datetime, minutes: int) -> LaneItem:
    return LaneItem(
        lane=lane.lane,
        waiting=lane.waiting,
        oldest_seconds=(now - lane.oldest).total_seconds() if lane.oldest else None,
        in_progress=lane.in_progress,
        parked=lane.parked,
        scheduled=lane.scheduled,
        dead_letters=lane.dead,
        ended=lane.ended,
        per_minute=round(lane.ended / minutes, 3),
        wait_seconds=_percentiles(lane.wait),
        run_seconds=_percentiles(lane.run),
    )


def _percentiles(of: Histogram) -> Percentiles:
    if not of.count:
        return Percentiles(p50=None, p95=None, p99=None, longest=None)
    return Percentiles(p50=of.p50, p95=of.p95, p99=of.p99, longest=of.longest)

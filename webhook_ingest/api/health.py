"""Whether the system is well. What belongs here: the answer for uptime monitors, and the list of incidents."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel

from pilar.app import App
from pilar.backplane import heartbeat
from pilar.backplane.facts import Lane
from pilar.backplane.inbox import DoorStatus, InboxWriter
from pilar.database.engine import Scope
from pilar.errors import Transient
from pilar.health.incidents import list_incidents
from webhook_ingest import cursors
from webhook_ingest.api.depth import QueueDepth
from webhook_ingest.deps import System

UNDRAINED = timedelta(minutes=1)
"""Without a worker Dagster drains, within seconds; what has waited for so long is waiting for nobody."""

_FRESH_SECONDS = 1.0
_PATIENCE_SECONDS = 1.5
_RETRY_SECONDS = 5


class WaitingWork(BaseModel):
    """Work of one lane that is due and not claimed."""

    lane: str
    count: int
    oldest_seconds: float


class InboxHealth(BaseModel):
    """How deliveries are kept by the process that answers.

    While the database is away they are spooled on its disk: that is degraded, and not down.
    """

    state: Literal["direct", "spooling", "refusing"]
    waiting: int
    oldest_seconds: float | None
    refused: int
    spooled: int
    replayed: int
    turned_away: int


class Health(BaseModel):
    """How the system is."""

    status: Literal["healthy", "degraded", "unhealthy"]
    database: Literal["reachable", "unreachable"]
    workers_alive: int
    waiting: list[WaitingWork]
    dead_letters: int
    refused_deliveries: dict[str, int]
    inbox: InboxHealth | None = None
    checked_at: datetime


class IncidentItem(BaseModel):
    """An incident."""

    id: UUID
    workspace_id: UUID | None
    title: str
    description: str
    severity: str
    status: str
    component: str
    occurrences: int
    detected_at: datetime
    last_seen_at: datetime


class IncidentPage(BaseModel):
    """A page of incidents, the newest first."""

    items: list[IncidentItem]
    next_cursor: str | None


class HealthCheck:
    """Looks at most once a second, however many ask: anybody may.

    The look has a thread of its own, so that a database that never answers is told as such.
    """

    def __init__(self, app: App, depth: QueueDepth) -> None:
        self._app = app
        self._depth = depth
        self._lock = threading.Lock()
        self._looked = float("-inf")
        self._look: Future[Health] | None = None

    def look(self, refused: dict[str, int], door: DoorStatus) -> Health:
        """How the system is, or was a moment ago.

        Args:
            refused: counts the deliveries that the doors refused.
            door: how those that it took are kept.
        """
        found = self._recent()
        inbox = _inbox(door, found)
        status = found.status
        if inbox.state == "refusing":
            status = "unhealthy"
        elif found.database == "unreachable" or (status == "healthy" and inbox.state == "spooling"):
            status = "degraded"
        return found.model_copy(update={"status": status, "refused_deliveries": refused, "inbox": inbox})

    def _recent(self) -> Health:
        with self._lock:
            age = time.monotonic() - self._looked
            if self._look is None or (self._look.done() and age > _FRESH_SECONDS):
                self._look, self._looked, age = Future(), time.monotonic(), 0.0
                threading.Thread(target=self._measure_for, args=(self._look,), name="health", daemon=True).start()
            look = self._look
        try:
            return look.result(max(_PATIENCE_SECONDS - age, 0.0))
        except TimeoutError:
            return self._away()

    def _measure_for(self, look: Future[Health]) -> None:
        try:
            look.set_result(self._measure())
        except Exception as error:
            look.set_exception(error)

    def _away(self) -> Health:
        return Health(
            status="unhealthy",
            database="unreachable",
            workers_alive=0,
            waiting=[],
            dead_letters=0,
            refused_deliveries={},
            checked_at=self._app.clocks.real.now(),
        )

    def _measure(self) -> Health:
        now = self._app.clocks.real.now()
        try:
            with self._app.database.transaction(Scope.fleet()) as connection:
                workers = heartbeat.live_workers(connection, now)
            counted = self._depth.look()
        except Transient:
            return self._away()
        waiting = [
            WaitingWork(lane=lane.value, count=found.count, oldest_seconds=(now - found.oldest).total_seconds())
            for lane in Lane
            if (found := counted.of(lane, "waiting")).oldest is not None
        ]
        is_drained = all(one.oldest_seconds < UNDRAINED.total_seconds() for one in waiting)
        return Health(
            status="healthy" if workers or is_drained else "unhealthy",
            database="reachable",
            workers_alive=workers,
            waiting=waiting,
            dead_letters=sum(counted.of(lane, "dead").count for lane in Lane),
            refused_deliveries={},
            checked_at=now,
        )


def _inbox(door: DoorStatus, found: Health) -> InboxHealth:
    spool, now = door.spool, found.checked_at
    is_needed = door.is_spooling or found.database == "unreachable"
    state: Literal["direct", "spooling", "refusing"] = "direct"
    if is_needed and (spool is None or not spool.takes_more):
        state = "refusing"
    elif door.is_spooling and spool and spool.waiting:
        state = "spooling"
    return InboxHealth(
        state=state,
        waiting=spool.waiting if spool else 0,
        oldest_seconds=max((now - spool.oldest).total_seconds(), 0.0) if spool and spool.oldest else None,
        refused=spool.refused if spool else 0,
        spooled=spool.spooled if spool else 0,
        replayed=spool.replayed if spool else 0,
        turned_away=spool.turned_away if spool else 0,
    )


def pulse(request: Request) -> Health:
    """How the system is at this moment, for the endpoint and for pages that say so."""
    check: HealthCheck = request.app.state.health
    writer: InboxWriter = request.app.state.writer
    return check.look(dict(request.app.state.entrance.refusals.counted), writer.status())


def autopilot_health(request: Request, response: Response) -> Health:
    """Whether the database is reachable, deliveries are kept and work is done; 503 where one of these is not.

    While the database is away and deliveries are kept on the disk it says `degraded`, with 200: who sent this service
    away then would lose them.
    """
    health = pulse(request)
    response.headers["cache-control"] = "no-store"
    if health.status == "unhealthy":
        response.status_code = 503
        response.headers["retry-after"] = str(_RETRY_SECONDS)
    return health


def incidents(app: System, limit: cursors.Limit = 50, cursor: cursors.Cursor = None) -> IncidentPage:
    """Incidents, the newest first."""
    with app.database.transaction(Scope.fleet()) as connection:
        found = list_incidents(connection, after=cursors.after_id(cursor), limit=limit + 1)
    items = [IncidentItem.model_validate(one, from_attributes=True) for one in found[:limit]]
    return IncidentPage(items=items, next_cursor=cursors.encode(items[-1].id) if len(found) > limit else None)

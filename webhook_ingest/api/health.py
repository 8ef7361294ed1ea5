"""Whether the system is well. What belongs here: the answer for uptime monitors, and the list of incidents."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel

from pilar.app import App
from pilar.backplane import backlog, heartbeat
from pilar.database.engine import Scope
from pilar.errors import Transient
from pilar.health.incidents import list_incidents
from webhook_ingest import cursors
from webhook_ingest.deps import System

UNDRAINED = timedelta(minutes=1)
"""Without a worker Dagster drains, within seconds; what has waited for so long is waiting for nobody."""

_FRESH_SECONDS = 1.0
_RETRY_SECONDS = 5


class WaitingWork(BaseModel):
    """Work of one lane that is due and not claimed."""

    lane: str
    count: int
    oldest_seconds: float


class Health(BaseModel):
    """How the system is."""

    status: Literal["healthy", "unhealthy"]
    database: Literal["reachable", "unreachable"]
    workers_alive: int
    waiting: list[WaitingWork]
    dead_letters: int
    refused_deliveries: dict[str, int]
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
    """Looks at most once a second, however many ask: anybody may."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._looked = float("-inf")
        self._found: Health | None = None

    def look(self, refused: dict[str, int]) -> Health:
        """How the system is, or was a moment ago; `refused` counts the deliveries that the doors refused."""
        with self._lock:
            if self._found is None or time.monotonic() - self._looked > _FRESH_SECONDS:
                self._found = self._measure()
                self._looked = time.monotonic()
            return self._found.model_copy(update={"refused_deliveries": refused})

    def _measure(self) -> Health:
        now = self._app.clocks.real.now()
        try:
            with self._app.database.transaction(Scope.fleet()) as connection:
                workers = heartbeat.live_workers(connection, now)
                waiting = backlog.waiting(connection, now)
                dead = backlog.dead_letters(connection)
        except Transient:
            return Health(
                status="unhealthy",
                database="unreachable",
                workers_alive=0,
                waiting=[],
                dead_letters=0,
                refused_deliveries={},
                checked_at=now,
            )
        return Health(
            status="healthy" if workers or all(now - one.oldest < UNDRAINED for one in waiting) else "unhealthy",
            database="reachable",
            workers_alive=workers,
            waiting=[
                WaitingWork(lane=one.lane, count=one.count, oldest_seconds=(now - one.oldest).total_seconds())
                for one in waiting
            ],
            dead_letters=dead,
            refused_deliveries={},
            checked_at=now,
        )


def pulse(request: Request) -> Health:
    """How the system is at this moment, for the endpoint and for pages that say so."""
    check: HealthCheck = request.app.state.health
    return check.look(dict(request.app.state.entrance.refused))


def autopilot_health(request: Request, response: Response) -> Health:
    """Whether the database is reachable and a worker is alive, and what waits; 503 where one of the two is not."""
    health = pulse(request)
    response.headers["cache-control"] = "no-store"
    if health.status != "healthy":
        response.status_code = 503
        response.headers["retry-after"] = str(_RETRY_SECONDS)
    return health


def incidents(app: System, limit: cursors.Limit = 50, cursor: cursors.Cursor = None) -> IncidentPage:
    """Incidents, the newest first."""
    with app.database.transaction(Scope.fleet()) as connection:
        found = list_incidents(connection, after=cursors.after_id(cursor), limit=limit + 1)
    items = [IncidentItem.model_validate(one, from_attributes=True) for one in found[:limit]]
    return IncidentPage(items=items, next_cursor=cursors.encode(items[-1].id) if len(found) > limit else None)

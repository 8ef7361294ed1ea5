"""The founder's overview and a studio's page, read from schema `analytics` and from nothing else.

What belongs here: what these pages are told. What does not: making the rows (`projection.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, func, select

from pilar.errors import NotFound
from pilar.operator.store import BEING_MADE, NEEDS_HELP
from pilar.operator.tables import fleet_overview, open_incident, studio_overview, studio_step


@dataclass(frozen=True)
class StudioLine:
    """A studio in a list.

    Attributes:
        state: the job's while the studio is being made (running, waiting, failed), then the studio's own.
        step: the step it is at, None when all are done; what follows with it is that step's.
    """

    workspace_id: UUID
    name: str
    state: str
    plan: str | None
    step: str | None
    step_title: str | None
    steps_done: int
    steps_total: int
    waits_on: str | None
    wait_reason: str | None
    wait_since: datetime | None
    step_error: str | None
    created_at: datetime
    activated_at: datetime | None


@dataclass(frozen=True)
class StepLine:
    """A step of a studio; times are real time."""

    name: str
    title: str
    status: str
    attempts: int
    started_at: datetime | None
    completed_at: datetime | None
    error: str | None
    waits_on: str | None
    wait_reason: str | None
    wait_since: datetime | None


@dataclass(frozen=True)
class StudioPage:
    """A studio on its own page.

    Attributes:
        integrations: the state of each account at a provider, by provider.
        activity: what the studio was told, with the business time, the newest first.
        refreshed_at: real time of which all this is.
    """

    studio: StudioLine
    steps: Sequence[StepLine]
    country: str | None
    time_zone: str | None
    phone_number: str | None
    subscription_status: str | None
    integrations: Mapping[str, str]
    activity: Sequence[tuple[datetime, str]]
    refreshed_at: datetime


@dataclass(frozen=True)
class OpenIncident:
    """Something that is the matter; times are business time."""

    id: UUID
    workspace_id: UUID | None
    studio_name: str | None
    title: str
    description: str
    severity: str
    occurrences: int
    detected_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True)
class Totals:
    """How many studios are in which state."""

    active: int
    running: int
    waiting: int
    failed: int


def list_studios(connection: Connection, *, after: UUID | None = None, limit: int = 50) -> list[StudioLine]:
    """Studios, the newest first (ids grow with time), from below the one given."""
    query = select(studio_overview).order_by(studio_overview.c.workspace_id.desc()).limit(limit)
    if after is not None:
        query = query.where(studio_overview.c.workspace_id < after)
    return [_as(StudioLine, row) for row in connection.execute(query)]


def studio_page(connection: Connection, workspace_id: UUID) -> StudioPage:
    """One studio with its steps; raise `NotFound` where this scope sees none."""
    row = connection.execute(select(studio_overview).filter_by(workspace_id=workspace_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such studio.")
    steps = (
        select(studio_step)
        .filter_by(workspace_id=workspace_id)
        .where(studio_step.c.status != "retired")
        .order_by(studio_step.c.ordinal)
    )
    return StudioPage(
        studio=_as(StudioLine, row),
        steps=[_as(StepLine, step) for step in connection.execute(steps)],
        country=row.country,
        time_zone=row.time_zone,
        phone_number=row.phone_number,
        subscription_status=row.subscription_status,
        integrations=row.integrations,
        activity=[(datetime.fromisoformat(told["at"]), told["text"]) for told in row.activity],
        refreshed_at=row.refreshed_at,
    )


def totals(connection: Connection) -> Totals:
    """How many studios are in which state, counted now: the fleet's figures are up to five minutes old."""
    query = select(studio_overview.c.state, func.count()).group_by(studio_overview.c.state)
    found = {row[0]: row[1] for row in connection.execute(query)}
    return Totals(
        active=found.get("active", 0),
        running=sum(found.get(state, 0) for state in BEING_MADE),
        waiting=found.get("waiting", 0),
        failed=sum(found.get(state, 0) for state in NEEDS_HELP),
    )


def open_incidents(connection: Connection, *, limit: int) -> tuple[list[OpenIncident], int]:
    """What is the matter, the newest first, and how many incidents that are in all."""
    query = select(open_incident).order_by(open_incident.c.id.desc()).limit(limit)
    found = [_as(OpenIncident, row) for row in connection.execute(query)]
    return found, connection.execute(select(func.count()).select_from(open_incident)).scalar_one()


def looked_over_at(connection: Connection) -> datetime | None:
    """The real time when the whole fleet was last looked over, None before the first time."""
    return connection.execute(select(fleet_overview.c.refreshed_at)).scalar_one_or_none()


Line = TypeVar("Line")


def _as(kind: type[Line], row: Any) -> Line:
    return kind(**{one.name: getattr(row, one.name) for one in fields(kind)})  # type: ignore[arg-type]

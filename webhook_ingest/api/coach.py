"""A studio's coaching, for programs. What belongs here: the shape of what comes and goes; the rules are the coach's."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from pilar.coach import training_logic
from pilar.coach.overview import activity_of
from pilar.coach.results import results_of
from pilar.database.engine import Scope
from pilar.workspaces.configuration import CoachingConfiguration
from pilar.workspaces.store import get_workspace, load_configuration
from webhook_ingest.deps import Asked, System


class CoachSchedules(BaseModel):
    """The coaching section of a studio's configuration, and the version that it is from."""

    workspace_id: UUID
    version: int
    coaching: CoachingConfiguration


class ScheduleChange(BaseModel):
    """Another coaching section; with a version it is put in force only where that is still the newest."""

    model_config = ConfigDict(extra="forbid")

    coaching: CoachingConfiguration
    version: int | None = None


class NextOfType(BaseModel):
    """When a type of message is due next, in UTC; nothing where it is turned off."""

    type: str
    due: list[datetime]


class NextCoaching(BaseModel):
    """When each type is due next for somebody in a zone who has named no hour of their own."""

    workspace_id: UUID
    time_zone: str
    types: list[NextOfType]


class RefusalItem(BaseModel):
    """Why nudges were not sent, and how many."""

    reason: str
    count: int


class TypeItem(BaseModel):
    """What became of a type of nudge; one that was refused may have several reasons."""

    type: str
    planned: int
    sent: int
    refused: int
    answered: int
    dry_run: int
    opted_out: int
    response_rate: float | None
    refusals: list[RefusalItem]


class DayItem(BaseModel):
    """What became of a day's nudges of a type; the day is the leads'."""

    day: date
    type: str
    planned: int
    sent: int
    answered: int
    refused: int
    opted_out: int


class EngagementItem(BaseModel):
    """How coached leads take part; the distribution counts them by score: 0 to 9, 10 to 19, …, 90 to 100."""

    leads: int
    slowed: int
    paused: int
    mean_score: float
    distribution: list[int]
    goals_active: int
    goals_reached: int
    goal_completion_rate: float | None
    refreshed_at: datetime


class CoachAnalytics(BaseModel):
    """What came of the coaching of the last days."""

    days: int
    types: list[TypeItem]
    by_day: list[DayItem]
    engagement: EngagementItem | None
    refreshed_at: datetime | None


def coach_schedule(app: System, workspace_id: UUID) -> CoachSchedules:
    """When which kind of coaching message is due."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        version, document = load_configuration(connection, workspace_id)
    return CoachSchedules(workspace_id=workspace_id, version=version, coaching=document.coaching)


def change_coach_schedule(app: System, caller: Asked, workspace_id: UUID, change: ScheduleChange) -> CoachSchedules:
    """Put another training logic in force; what is still to come is planned anew by it."""
    # The queue is the fleet's: who may do this for the studio was checked before.
    with app.database.transaction(Scope.fleet()) as connection:
        version = training_logic.change(
            connection,
            app.clocks,
            workspace_id,
            change.coaching,
            expected_version=change.version,
            actor=caller.principal.actor,
        )
    return CoachSchedules(workspace_id=workspace_id, version=version, coaching=change.coaching)


def next_coaching(
    app: System,
    workspace_id: UUID,
    time_zone: Annotated[str | None, Query(max_length=100, description="IANA name; none: the studio's")] = None,
    count: Annotated[int, Query(ge=1, le=20)] = 5,
) -> NextCoaching:
    """When each kind of coaching message is due next, by the training logic in force."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        home = get_workspace(connection, workspace_id).time_zone
        _, document = load_configuration(connection, workspace_id)
    zone, now = time_zone or home, app.clocks.business.now()
    found = training_logic.next_moments(document.coaching, zone, home, now, count)
    types = [NextOfType(type=kind, due=moments) for kind, moments in found.items()]
    return NextCoaching(workspace_id=workspace_id, time_zone=zone, types=types)


def coach_analytics(app: System, workspace_id: UUID) -> CoachAnalytics:
    """What came of the coaching of the last thirty days, by type of nudge and day, and how leads take part."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        found = activity_of(connection, app.clocks, workspace_id)
        results = results_of(connection, app.clocks, workspace_id)
    types = [
        TypeItem(
            **{name: getattr(one, name) for name in TypeItem.model_fields if name != "refusals"},
            refusals=[RefusalItem(reason=reason, count=count) for reason, count in one.refusals],
        )
        for one in found.types
    ]
    stands = results.engagement
    return CoachAnalytics(
        days=found.days,
        types=types,
        by_day=[DayItem(**{name: getattr(one, name) for name in DayItem.model_fields}) for one in results.days],
        engagement=stands and EngagementItem(**{name: getattr(stands, name) for name in EngagementItem.model_fields}),
        refreshed_at=found.refreshed_at,
    )

"""A lead's coaching, for programs: how it stands, and what they want.

What belongs here: the shape of what comes and goes; the rules are the coach's. A studio's schedules are in `coach.py`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from pilar.coach import checkin_store, enrolment
from pilar.coach.lead_state import LeadState, state_of
from pilar.database.engine import Scope
from pilar.messaging.store import get_lead
from pilar.workspaces.configuration import TimeOfDay, TimeZone
from webhook_ingest.api.goals import GoalItem, goal_item
from webhook_ingest.deps import Asked, System

Frequency = Literal["daily", "weekly", "bi-weekly"]
Style = Literal["encouraging", "challenging", "supportive"]
_CHECKINS = 100


class Preferences(BaseModel):
    """How a lead wants to be coached."""

    model_config = ConfigDict(extra="forbid")

    frequency: Frequency
    time_of_day: TimeOfDay | None = Field(None, description="HH:MM where the lead is; null: as the studio schedules it")
    time_zone: TimeZone | None = Field(None, description="IANA name; null: where the number may be")
    motivation_style: Style | None = Field(None, description="null: as it was")


class PreferencesInForce(BaseModel):
    """How a lead is coached; the zone is where they are thought to be."""

    frequency: str
    time_of_day: str | None
    time_zone: str
    motivation_style: str


class SessionWindow(BaseModel):
    """Whether free text is allowed."""

    is_active: bool
    expires_at: datetime | None
    last_inbound_message: datetime | None


class Metrics(BaseModel):
    """What came of it; null: nothing to tell yet."""

    total_nudges_sent: int
    response_rate: float | None
    goal_completion_rate: float | None
    engagement_score: int | None


class PaceDecision(BaseModel):
    """A decision about how often a lead is written to: slowed, raised, paused, resumed or chosen."""

    decided_at: datetime
    decision: str
    frequency: str
    reason: str


class Pace(BaseModel):
    """How often a lead is written to, which may be less than they chose; the newest decisions first."""

    frequency: str
    paused_since: datetime | None
    unanswered_in_a_row: int
    decisions: list[PaceDecision]


class LeadCoachingState(BaseModel):
    """How a lead's coaching stands; times are business time in UTC."""

    lead_id: UUID
    workspace_id: UUID
    enrolled: bool
    current_goals: list[GoalItem]
    last_training_date: datetime | None
    last_nudge_date: datetime | None
    last_response_date: datetime | None
    coaching_preferences: PreferencesInForce | None
    pace: Pace | None
    session_window: SessionWindow
    metrics: Metrics


class Checkin(BaseModel):
    """What a lead told about a week, as their words are understood; null: not told."""

    message_id: UUID
    trainings: int | None
    feeling: int | None = Field(description="1 (bad) to 5 (great)")
    answered_at: datetime


class Checkins(BaseModel):
    """What a lead told about their weeks, the newest first."""

    items: list[Checkin]


def lead_coaching(app: System, caller: Asked, lead_id: UUID, workspace_id: UUID | None = None) -> LeadCoachingState:
    """How a lead's coaching stands."""
    studio = caller.acts_for_studio(workspace_id)
    with app.database.transaction(Scope.workspace(studio)) as connection:
        state = state_of(connection, app.clocks, studio, lead_id)
    return _told(studio, state)


def change_preferences(
    app: System, caller: Asked, lead_id: UUID, wanted: Preferences, workspace_id: UUID | None = None
) -> LeadCoachingState:
    """Keep how a lead wants to be coached; what is still to come is planned anew."""
    studio = caller.acts_for_studio(workspace_id)
    wishes = enrolment.Wishes(wanted.frequency, wanted.time_of_day, wanted.time_zone, wanted.motivation_style)
    # The queue is the fleet's: who may do this for the studio was checked before.
    with app.database.transaction(Scope.fleet()) as connection:
        lead_id = get_lead(connection, studio, lead_id).id
        enrolment.change(connection, app.clocks, studio, lead_id, wishes, actor=caller.principal.actor)
        state = state_of(connection, app.clocks, studio, lead_id)
    return _told(studio, state)


def list_checkins(app: System, caller: Asked, lead_id: UUID, workspace_id: UUID | None = None) -> Checkins:
    """What a lead told about their weeks; the newest hundred."""
    studio = caller.acts_for_studio(workspace_id)
    with app.database.transaction(Scope.workspace(studio)) as connection:
        get_lead(connection, studio, lead_id)
        rows = checkin_store.latest(connection, studio, lead_id, _CHECKINS)
    return Checkins(items=[Checkin(**{name: getattr(row, name) for name in Checkin.model_fields}) for row in rows])


def _pace(state: LeadState) -> Pace | None:
    if state.enrolment is None or state.frequency is None:
        return None
    decisions = [
        PaceDecision(**{name: getattr(one, name) for name in PaceDecision.model_fields}) for one in state.paces
    ]
    return Pace(
        frequency=state.frequency,
        paused_since=state.enrolment.paused_at,
        unanswered_in_a_row=state.unanswered,
        decisions=decisions,
    )


def _told(studio: UUID, state: LeadState) -> LeadCoachingState:
    enrolled = state.enrolment
    wanted = enrolled and PreferencesInForce(
        frequency=enrolled.frequency,
        time_of_day=enrolled.time_of_day,
        time_zone=state.time_zone,
        motivation_style=enrolled.motivation_style,
    )
    return LeadCoachingState(
        lead_id=state.lead_id,
        workspace_id=studio,
        enrolled=enrolled is not None and enrolled.ended_at is None,
        current_goals=[goal_item(one) for one in state.goals if one.row.state == "active"],
        last_training_date=state.last_training_at,
        last_nudge_date=state.last_nudge_at,
        last_response_date=state.last_response_at,
        coaching_preferences=wanted,
        pace=_pace(state),
        session_window=SessionWindow(
            is_active=state.window_closes_at is not None,
            expires_at=state.window_closes_at,
            last_inbound_message=state.last_inbound_at,
        ),
        metrics=Metrics(
            total_nudges_sent=state.nudges_sent,
            response_rate=state.response_rate,
            goal_completion_rate=state.goal_completion_rate,
            engagement_score=state.engagement_score,
        ),
    )

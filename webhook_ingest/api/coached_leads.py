"""A lead's coaching, for programs: preferences, goals and trainings.

What belongs here: the shape of what comes and goes; the rules are the coach's. A studio's schedules are in `coach.py`.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from pilar.coach import checkin_store, enrolment, goals, trainings
from pilar.coach.goals import Goal, GoalType
from pilar.coach.lead_state import LeadState, state_of
from pilar.database.engine import Scope
from pilar.errors import Invalid
from pilar.messaging.store import get_lead
from pilar.workspaces.configuration import TimeOfDay, TimeZone
from webhook_ingest.deps import Asked, Caller, System

Words = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Percent = Annotated[int, Field(ge=0, le=100)]
Frequency = Literal["daily", "weekly", "bi-weekly"]
Style = Literal["encouraging", "challenging", "supportive"]
_CHECKINS = 100


class NewMilestoneItem(BaseModel):
    """A step on the way to a goal; the day is the lead's."""

    model_config = ConfigDict(extra="forbid")

    description: Words
    target_date: date


class MilestoneItem(BaseModel):
    """A step on the way to a goal, and whether it is done."""

    id: UUID
    description: str
    target_date: date
    completed: bool
    completed_at: datetime | None


class NewGoalItem(BaseModel):
    """What a lead wants to reach."""

    model_config = ConfigDict(extra="forbid")

    type: GoalType
    target: Words
    deadline: date | None = None
    progress: Percent = 0
    milestones: list[NewMilestoneItem] = Field(default=[], max_length=goals.MOST_MILESTONES)


class GoalChanges(BaseModel):
    """What becomes another; what is left out stays. A progress of 100 says that the goal is reached."""

    model_config = ConfigDict(extra="forbid")

    target: Words | None = None
    deadline: date | None = None
    progress: Percent | None = None
    state: Literal["dropped"] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> GoalChanges:
        if not self.model_fields_set:
            raise ValueError("name what is to be changed: target, deadline, progress or state")
        if any(getattr(self, name) is None for name in self.model_fields_set - {"deadline"}):
            raise ValueError("only a deadline can be taken away by null: leave the others out to keep them")
        return self


class GoalItem(BaseModel):
    """A goal: active, reached or dropped; progress in percent."""

    id: UUID
    lead_id: UUID
    type: str
    target: str
    deadline: date | None
    progress: int
    state: str
    milestones: list[MilestoneItem]


class Goals(BaseModel):
    """A lead's goals, the oldest first."""

    items: list[GoalItem]


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


class AttendedTraining(BaseModel):
    """A training that a lead attended: name the lead by id or by number."""

    model_config = ConfigDict(extra="forbid")

    trained_at: AwareDatetime
    lead_id: UUID | None = None
    phone: Annotated[str, StringConstraints(pattern=r"^\+[1-9]\d{6,14}$")] | None = None
    booking_id: UUID | None = None


class AttendedTrainings(BaseModel):
    """Trainings that took place; all are taken in, or none."""

    model_config = ConfigDict(extra="forbid")

    trainings: list[AttendedTraining] = Field(min_length=1, max_length=trainings.MOST)


class TakenIn(BaseModel):
    """How many trainings are new; the others were known."""

    recorded: int
    known: int


def lead_coaching(app: System, caller: Asked, lead_id: UUID, workspace_id: UUID | None = None) -> LeadCoachingState:
    """How a lead's coaching stands."""
    studio = _studio(caller, workspace_id)
    with app.database.transaction(Scope.workspace(studio)) as connection:
        state = state_of(connection, app.clocks, studio, lead_id)
    return _told(studio, state)


def change_preferences(
    app: System, caller: Asked, lead_id: UUID, wanted: Preferences, workspace_id: UUID | None = None
) -> LeadCoachingState:
    """Keep how a lead wants to be coached; what is still to come is planned anew."""
    studio = _studio(caller, workspace_id)
    wishes = enrolment.Wishes(wanted.frequency, wanted.time_of_day, wanted.time_zone, wanted.motivation_style)
    # The queue is the fleet's: who may do this for the studio was checked before.
    with app.database.transaction(Scope.fleet()) as connection:
        lead_id = get_lead(connection, studio, lead_id).id
        enrolment.change(connection, app.clocks, studio, lead_id, wishes, actor=caller.principal.actor)
        state = state_of(connection, app.clocks, studio, lead_id)
    return _told(studio, state)


def list_goals(app: System, caller: Asked, lead_id: UUID, workspace_id: UUID | None = None) -> Goals:
    """A lead's goals, those that were reached or given up too."""
    studio = _studio(caller, workspace_id)
    with app.database.transaction(Scope.workspace(studio)) as connection:
        lead_id = get_lead(connection, studio, lead_id).id
        return Goals(items=[_goal(one) for one in goals.goals_of(connection, studio, lead_id)])


def new_goal(
    app: System, caller: Asked, lead_id: UUID, wanted: NewGoalItem, workspace_id: UUID | None = None
) -> GoalItem:
    """Set a goal for a lead."""
    studio = _studio(caller, workspace_id)
    steps = [goals.NewMilestone(one.description, one.target_date) for one in wanted.milestones]
    goal = goals.NewGoal(wanted.type, wanted.target, wanted.deadline, wanted.progress, steps)
    with app.database.transaction(Scope.fleet()) as connection:
        return _goal(goals.set_goal(connection, app.clocks, studio, lead_id, goal, actor=caller.principal.actor))


def change_goal(
    app: System, caller: Asked, goal_id: UUID, changes: GoalChanges, workspace_id: UUID | None = None
) -> GoalItem:
    """Change a goal: its target, deadline or progress, or give it up."""
    studio, named = _studio(caller, workspace_id), changes.model_dump(exclude_unset=True)
    with app.database.transaction(Scope.fleet()) as connection:
        return _goal(goals.change_goal(connection, app.clocks, studio, goal_id, named, actor=caller.principal.actor))


def new_milestone(
    app: System, caller: Asked, goal_id: UUID, wanted: NewMilestoneItem, workspace_id: UUID | None = None
) -> GoalItem:
    """Add a step on the way to a goal."""
    studio, step = _studio(caller, workspace_id), goals.NewMilestone(wanted.description, wanted.target_date)
    with app.database.transaction(Scope.fleet()) as connection:
        return _goal(goals.add_milestone(connection, app.clocks, studio, goal_id, step, actor=caller.principal.actor))


def complete_milestone(app: System, caller: Asked, milestone_id: UUID, workspace_id: UUID | None = None) -> GoalItem:
    """Note that a step on the way to a goal is done; when that was noted first is kept."""
    studio = _studio(caller, workspace_id)
    with app.database.transaction(Scope.fleet()) as connection:
        return _goal(
            goals.complete_milestone(connection, app.clocks, studio, milestone_id, actor=caller.principal.actor)
        )


def record_trainings(app: System, caller: Asked, told: AttendedTrainings, workspace_id: UUID | None = None) -> TakenIn:
    """Take in trainings that leads attended."""
    studio = _studio(caller, workspace_id)
    attended = [trainings.Attended(**dict(one)) for one in told.trainings]
    with app.database.transaction(Scope.workspace(studio)) as connection:
        recorded = trainings.record(connection, app.clocks, studio, attended, "api")
    return TakenIn(recorded=recorded, known=len(attended) - recorded)


def list_checkins(app: System, caller: Asked, lead_id: UUID, workspace_id: UUID | None = None) -> Checkins:
    """What a lead told about their weeks; the newest hundred."""
    studio = _studio(caller, workspace_id)
    with app.database.transaction(Scope.workspace(studio)) as connection:
        get_lead(connection, studio, lead_id)
        rows = checkin_store.latest(connection, studio, lead_id, _CHECKINS)
    return Checkins(items=[Checkin(**{name: getattr(row, name) for name in Checkin.model_fields}) for row in rows])


def _studio(caller: Caller, workspace_id: UUID | None) -> UUID:
    studio = caller.acts_for(workspace_id)
    if studio is None:
        raise Invalid("Name the studio as `workspace_id`.")
    return studio


def _goal(goal: Goal) -> GoalItem:
    steps = [
        MilestoneItem(
            id=step.id,
            description=step.description,
            target_date=step.target_date,
            completed=step.completed_at is not None,
            completed_at=step.completed_at,
        )
        for step in goal.milestones
    ]
    told = {name: getattr(goal.row, name) for name in GoalItem.model_fields if name != "milestones"}
    return GoalItem(**told, milestones=steps)


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
        current_goals=[_goal(one) for one in state.goals if one.row.state == "active"],
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

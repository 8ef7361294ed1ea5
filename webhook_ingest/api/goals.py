"""What leads want to reach, for programs. What belongs here: the shape of goals; the rules are the coach's."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from pilar.coach import goals
from pilar.coach.goals import Goal, GoalType
from pilar.database.engine import Scope
from pilar.messaging.store import get_lead
from webhook_ingest.deps import Asked, System

Words = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Percent = Annotated[int, Field(ge=0, le=100)]


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


def list_goals(app: System, caller: Asked, lead_id: UUID, workspace_id: UUID | None = None) -> Goals:
    """A lead's goals, those that were reached or given up too."""
    studio = caller.acts_for_studio(workspace_id)
    with app.database.transaction(Scope.workspace(studio)) as connection:
        lead_id = get_lead(connection, studio, lead_id).id
        return Goals(items=[goal_item(one) for one in goals.goals_of(connection, studio, lead_id)])


def new_goal(
    app: System, caller: Asked, lead_id: UUID, wanted: NewGoalItem, workspace_id: UUID | None = None
) -> GoalItem:
    """Set a goal for a lead."""
    studio = caller.acts_for_studio(workspace_id)
    steps = [goals.NewMilestone(one.description, one.target_date) for one in wanted.milestones]
    goal = goals.NewGoal(wanted.type, wanted.target, wanted.deadline, wanted.progress, steps)
    with app.database.transaction(Scope.fleet()) as connection:
        return goal_item(goals.set_goal(connection, app.clocks, studio, lead_id, goal, actor=caller.principal.actor))


def change_goal(
    app: System, caller: Asked, goal_id: UUID, changes: GoalChanges, workspace_id: UUID | None = None
) -> GoalItem:
    """Change a goal: its target, deadline or progress, or give it up."""
    studio, named = caller.acts_for_studio(workspace_id), changes.model_dump(exclude_unset=True)
    with app.database.transaction(Scope.fleet()) as connection:
        return goal_item(
            goals.change_goal(connection, app.clocks, studio, goal_id, named, actor=caller.principal.actor)
        )


def new_milestone(
    app: System, caller: Asked, goal_id: UUID, wanted: NewMilestoneItem, workspace_id: UUID | None = None
) -> GoalItem:
    """Add a step on the way to a goal."""
    studio, step = caller.acts_for_studio(workspace_id), goals.NewMilestone(wanted.description, wanted.target_date)
    with app.database.transaction(Scope.fleet()) as connection:
        return goal_item(
            goals.add_milestone(connection, app.clocks, studio, goal_id, step, actor=caller.principal.actor)
        )


def complete_milestone(app: System, caller: Asked, milestone_id: UUID, workspace_id: UUID | None = None) -> GoalItem:
    """Note that a step on the way to a goal is done; when that was noted first is kept."""
    studio = caller.acts_for_studio(workspace_id)
    with app.database.transaction(Scope.fleet()) as connection:
        return goal_item(
            goals.complete_milestone(connection, app.clocks, studio, milestone_id, actor=caller.principal.actor)
        )


def goal_item(goal: Goal) -> GoalItem:
    """A goal as it is told."""
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

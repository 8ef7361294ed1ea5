"""What leads want to reach. What belongs here: setting goals, getting on with them, and saying so by event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane import audit
from pilar.backplane.facts import Cause, Event, emit
from pilar.clocks import Clocks
from pilar.coach import goal_store as store
from pilar.coach.events import GoalChanged, GoalDropped, GoalReached, GoalSet, MilestoneCompleted, OfGoal
from pilar.errors import Conflict, Invalid
from pilar.ids import new_id
from pilar.messaging import store as messaging

GoalType = Literal["weight_loss", "muscle_gain", "endurance", "strength", "habit"]
GOAL_TYPES: tuple[GoalType, ...] = get_args(GoalType)

MOST_GOALS = 20
"""Goals of a lead that are worked on at a time."""
MOST_MILESTONES = 50
"""Steps on the way to one."""
DONE = 100


@dataclass(frozen=True)
class NewMilestone:
    """A step on the way to a goal.

    Attributes:
        description: in the words of lead or staff.
        target_date: where the lead is.
        id: of the step, where whoever tells it may tell it twice: it is added once; None: a new one.
    """

    description: str
    target_date: date
    id: UUID | None = None


@dataclass(frozen=True)
class NewGoal:
    """A goal to be set.

    Attributes:
        type: of goal.
        target: what is to be reached, in the words of lead or staff.
        deadline: where the lead is; None: none.
        progress: percent; less than 100.
        milestones: the steps on the way.
        id: of the goal, where whoever sets it may say so twice: it is set once; None: a new one.
    """

    type: GoalType
    target: str
    deadline: date | None = None
    progress: int = 0
    milestones: Sequence[NewMilestone] = ()
    id: UUID | None = None


@dataclass(frozen=True)
class Goal:
    """A goal with its steps."""

    row: Row[Any]
    milestones: list[Row[Any]]


def goals_of(connection: Connection, workspace_id: UUID, lead_id: UUID) -> list[Goal]:
    """A lead's goals with their steps, the oldest first; those that were reached or given up too."""
    rows = store.goals_of(connection, workspace_id, lead_id)
    steps = store.milestones_of(connection, workspace_id, [row.id for row in rows])
    return [Goal(row, [step for step in steps if step.goal_id == row.id]) for row in rows]


def set_goal(
    connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, wanted: NewGoal, *, actor: str
) -> Goal:
    """Set a goal.

    Args:
        connection: a transaction in the fleet's scope; the lead's row gets held.
        clocks: both clocks.
        workspace_id: the studio's.
        lead_id: whose.
        wanted: the goal.
        actor: who sets it, as in the audit log.

    Raises:
        NotFound: the studio has no such lead.
        Conflict: they have as many goals as they may have, or were erased.
        Invalid: it has more steps than it may have, or is reached already.
    """
    lead = messaging.lock_lead(connection, workspace_id, lead_id)
    if lead.lifecycle == "erased":
        raise Conflict("This lead was erased: nothing more is kept about them.")
    lead_id = lead.id
    known = store.goals_of(connection, workspace_id, lead_id)
    if wanted.id is not None and wanted.id in {row.id for row in known}:
        return get_goal(connection, workspace_id, wanted.id)
    if sum(row.state == "active" for row in known) >= MOST_GOALS:
        raise Conflict(f"This lead works on {MOST_GOALS} goals already: complete or drop one first.")
    if wanted.progress >= DONE:
        raise Invalid("A new goal is not reached yet: its progress is at most 99.")
    if len(wanted.milestones) > MOST_MILESTONES:
        raise Invalid(f"A goal has at most {MOST_MILESTONES} milestones.")
    goal_id, now = wanted.id or new_id(), clocks.business.now()
    values = {"type": wanted.type, "target": wanted.target, "deadline": wanted.deadline, "progress": wanted.progress}
    row = {"workspace_id": workspace_id, "id": goal_id, "lead_id": lead_id, "state": "active"}
    store.add_goal(connection, {**row, **values, "created_at": now, "changed_at": now})
    store.add_milestones(connection, [_step(workspace_id, goal_id, one) for one in wanted.milestones])
    _tell(connection, clocks, workspace_id, GoalSet(lead_id=lead_id, goal_id=goal_id), actor)
    return get_goal(connection, workspace_id, goal_id)


def get_goal(connection: Connection, workspace_id: UUID, goal_id: UUID) -> Goal:
    """A goal, held, with its steps; raise `NotFound` where there is none."""
    row = store.hold_goal(connection, workspace_id, goal_id)
    return Goal(row, store.milestones_of(connection, workspace_id, [goal_id]))


def change_goal(
    connection: Connection, clocks: Clocks, workspace_id: UUID, goal_id: UUID, changes: dict[str, Any], *, actor: str
) -> Goal:
    """Change a goal: target, deadline, progress (100: it is reached), or state (`dropped`: it is given up).

    Args:
        connection: a transaction in the fleet's scope; the goal's row gets held.
        clocks: both clocks.
        workspace_id: the studio's.
        goal_id: which.
        changes: what becomes another, by name of column; what is not named stays.
        actor: who changes it, as in the audit log.

    Raises:
        NotFound: the studio has no such goal.
        Conflict: it was given up.
    """
    goal = store.hold_goal(connection, workspace_id, goal_id)
    if goal.state == "dropped":
        raise Conflict("This goal was given up: set a new one.")
    values = dict(changes)
    if values.get("state") != "dropped":
        # One that falls behind again, after a slip of the pen or a bad month, is worked on again.
        values["state"] = "reached" if values.get("progress", goal.progress) == DONE else "active"
    if all(getattr(goal, name) == value for name, value in values.items()):
        return get_goal(connection, workspace_id, goal_id)
    store.change_goal(connection, workspace_id, goal_id, {**values, "changed_at": clocks.business.now()})
    kind: type[OfGoal] = GoalChanged
    if values["state"] != goal.state:
        kind = {"reached": GoalReached, "dropped": GoalDropped}.get(values["state"], GoalChanged)
    _tell(connection, clocks, workspace_id, kind(lead_id=goal.lead_id, goal_id=goal_id), actor)
    return get_goal(connection, workspace_id, goal_id)


def add_milestone(
    connection: Connection, clocks: Clocks, workspace_id: UUID, goal_id: UUID, wanted: NewMilestone, *, actor: str
) -> Goal:
    """Add a step on the way to a goal that is worked on; arguments and errors are those of `change_goal`.

    Raises:
        Invalid: there are as many as there may be.
    """
    goal = get_goal(connection, workspace_id, goal_id)
    if wanted.id is not None and wanted.id in {step.id for step in goal.milestones}:
        return goal
    _is_worked_on(goal.row)
    if len(goal.milestones) >= MOST_MILESTONES:
        raise Invalid(f"A goal has at most {MOST_MILESTONES} milestones.")
    store.add_milestones(connection, [_step(workspace_id, goal_id, wanted)])
    _tell(connection, clocks, workspace_id, GoalChanged(lead_id=goal.row.lead_id, goal_id=goal_id), actor)
    return get_goal(connection, workspace_id, goal_id)


def complete_milestone(
    connection: Connection, clocks: Clocks, workspace_id: UUID, milestone_id: UUID, *, actor: str
) -> Goal:
    """Note that a step is done, once: what was noted before stays. Arguments and errors are those of `change_goal`."""
    step = store.find_milestone(connection, workspace_id, milestone_id)
    goal = store.hold_goal(connection, workspace_id, step.goal_id)
    step = store.find_milestone(connection, workspace_id, milestone_id)  # as it is now that nobody else changes it
    if step.completed_at is None:
        _is_worked_on(goal)
        store.change_milestone(connection, workspace_id, milestone_id, {"completed_at": clocks.business.now()})
        told = MilestoneCompleted(lead_id=goal.lead_id, goal_id=goal.id, milestone_id=milestone_id)
        _tell(connection, clocks, workspace_id, told, actor)
    return get_goal(connection, workspace_id, goal.id)


def _is_worked_on(goal: Row[Any]) -> None:
    if goal.state != "active":
        raise Conflict(f"This goal is {goal.state} and not worked on any more.")


def _step(workspace_id: UUID, goal_id: UUID, wanted: NewMilestone) -> dict[str, Any]:
    return {
        "workspace_id": workspace_id,
        "id": wanted.id or new_id(),
        "goal_id": goal_id,
        "description": wanted.description,
        "target_date": wanted.target_date,
    }


def _tell(connection: Connection, clocks: Clocks, workspace_id: UUID, payload: OfGoal, actor: str) -> None:
    """Record that it happened, and who did it; what a goal is about is personal and stays with it."""
    aggregate = ("goal", str(payload.goal_id))
    event = Event(payload=payload, key=str(new_id()), aggregate=aggregate, workspace_id=workspace_id)
    emit(connection, clocks, [event], Cause.new())
    audit.record(
        connection,
        actor=actor,
        action=f"coach.{payload.type_name.replace('.', '_')}",
        subject=f"goal:{payload.goal_id}",
        now=clocks.real.now(),
        workspace_id=workspace_id,
        details={},
    )

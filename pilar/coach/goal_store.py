"""The SQL of goals. What belongs here: reading and writing rows; the rules are in `goals.py`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select, update

from pilar.coach.record_tables import coach_goal, coach_milestone
from pilar.errors import NotFound


def goals_of(connection: Connection, workspace_id: UUID, lead_id: UUID) -> list[Row[Any]]:
    """A lead's goals, the oldest first."""
    query = select(coach_goal).filter_by(workspace_id=workspace_id, lead_id=lead_id)
    return list(connection.execute(query.order_by(coach_goal.c.created_at, coach_goal.c.id)))


def milestones_of(connection: Connection, workspace_id: UUID, goals: Collection[UUID]) -> list[Row[Any]]:
    """The steps on the way to goals, in the order of their dates."""
    query = select(coach_milestone).filter_by(workspace_id=workspace_id).where(coach_milestone.c.goal_id.in_(goals))
    return list(connection.execute(query.order_by(coach_milestone.c.target_date, coach_milestone.c.id)))


def current_goal(connection: Connection, workspace_id: UUID, lead_id: UUID) -> Row[Any] | None:
    """The goal that a lead works on: of several the one with the next deadline, else the newest."""
    query = select(coach_goal).filter_by(workspace_id=workspace_id, lead_id=lead_id, state="active")
    order = (coach_goal.c.deadline.asc().nulls_last(), coach_goal.c.created_at.desc(), coach_goal.c.id)
    return connection.execute(query.order_by(*order).limit(1)).one_or_none()


def hold_goal(connection: Connection, workspace_id: UUID, goal_id: UUID) -> Row[Any]:
    """A goal, held until the transaction ends; raise `NotFound` where the studio has none by that id."""
    query = select(coach_goal).filter_by(workspace_id=workspace_id, id=goal_id).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound("There is no such goal.")
    return row


def find_milestone(connection: Connection, workspace_id: UUID, milestone_id: UUID) -> Row[Any]:
    """A step; raise `NotFound` where the studio has none by that id."""
    query = select(coach_milestone).filter_by(workspace_id=workspace_id, id=milestone_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound("There is no such milestone.")
    return row


def add_goal(connection: Connection, values: Mapping[str, Any]) -> None:
    """Store a goal."""
    connection.execute(insert(coach_goal).values(dict(values)))


def change_goal(connection: Connection, workspace_id: UUID, goal_id: UUID, values: Mapping[str, Any]) -> None:
    """Change a goal's row."""
    connection.execute(update(coach_goal).filter_by(workspace_id=workspace_id, id=goal_id).values(dict(values)))


def add_milestones(connection: Connection, rows: Collection[Mapping[str, Any]]) -> None:
    """Store steps."""
    if rows:
        connection.execute(insert(coach_milestone), [dict(row) for row in rows])


def change_milestone(connection: Connection, workspace_id: UUID, milestone_id: UUID, values: Mapping[str, Any]) -> None:
    """Change a step's row."""
    changed = update(coach_milestone).filter_by(workspace_id=workspace_id, id=milestone_id)
    connection.execute(changed.values(dict(values)))

"""A lead's goals, trainings and wishes, on their page. What belongs here: the forms; the rules are the coach's."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Form, Request
from sqlalchemy import Connection
from starlette.responses import Response

from pilar.coach import enrolment, goals, trainings
from pilar.coach.training_import import moment_of
from pilar.errors import Conflict, Invalid, NotFound
from pilar.messaging import store
from pilar.workspaces.store import get_workspace
from webhook_ingest.dashboards import forms
from webhook_ingest.dashboards.person_page import address_of, shown_again
from webhook_ingest.deps import Asked, System

_Word = Annotated[str, Form(max_length=100)]
_Words = Annotated[str, Form(max_length=1_000)]
_Steps = Annotated[list[str] | None, Form(max_length=goals.MOST_MILESTONES)]
_LONGEST = 200
"""Characters of what is to be reached, or of a step."""
_OF_A_FORM = (Conflict, Invalid, NotFound)
"""What is refused since somebody else was faster is told above the goals: its form may be gone."""


def set_goal(
    request: Request, app: System, caller: Asked, workspace_id: UUID, lead_id: UUID, goal_id: Annotated[UUID, Form()],
    kind: _Word = "", target: _Words = "", deadline: _Word = "", step: _Steps = None, by: _Steps = None,
) -> Response:  # fmt: skip
    """Set a goal, with its first milestones."""

    def act(connection: Connection) -> str:
        found = next((one for one in goals.GOAL_TYPES if one == kind), None)
        if found is None:
            raise Invalid("Choose what kind of goal it is.")
        steps = [_milestone(what, day) for what, day in zip(step or (), by or (), strict=False) if what.strip() or day]
        wanted = goals.NewGoal(found, _said(target, "what is to be reached"), _day(deadline), 0, steps, goal_id)
        goals.set_goal(connection, app.clocks, workspace_id, lead_id, wanted, actor=caller.principal.actor)
        return address_of(workspace_id, lead_id, "goal-set", "goals-title")

    typed = {"kind": kind, "target": target, "deadline": deadline}
    typed |= {f"step-{place}": what for place, what in enumerate(step or ())}
    typed |= {f"by-{place}": day for place, day in enumerate(by or ())}
    return forms.done(app, act, shown_again(request, app, caller, workspace_id, lead_id, "goal", typed), _OF_A_FORM)


def change_goal(
    request: Request, app: System, caller: Asked, workspace_id: UUID, lead_id: UUID, goal_id: UUID,
    target: _Words = "", deadline: _Word = "", progress: _Word = "", act: _Word = "save",
) -> Response:  # fmt: skip
    """Record how far a goal is, change it, or give it up."""

    def change(connection: Connection) -> str:
        changes = {"state": "dropped"} if act == "drop" else {
            "target": _said(target, "what is to be reached"), "deadline": _day(deadline), "progress": _percent(progress)
        }  # fmt: skip
        _own_goal(connection, workspace_id, lead_id, goal_id)
        goals.change_goal(connection, app.clocks, workspace_id, goal_id, changes, actor=caller.principal.actor)
        return address_of(workspace_id, lead_id, "goal-dropped" if act == "drop" else "goal-changed", "goals-title")

    typed = {"target": target, "deadline": deadline, "progress": progress}
    again = shown_again(request, app, caller, workspace_id, lead_id, f"goal-{goal_id}", typed)
    gone = shown_again(request, app, caller, workspace_id, lead_id, "goals", {})
    return forms.done(app, change, lambda error: (again if isinstance(error, Invalid) else gone)(error), _OF_A_FORM)


def add_milestone(
    request: Request, app: System, caller: Asked, workspace_id: UUID, lead_id: UUID, goal_id: UUID,
    step_id: Annotated[UUID, Form()], step: _Words = "", by: _Word = "",
) -> Response:  # fmt: skip
    """Add a step on the way to a goal."""

    def add(connection: Connection) -> str:
        _own_goal(connection, workspace_id, lead_id, goal_id)
        wanted = _milestone(step, by, step_id)
        goals.add_milestone(connection, app.clocks, workspace_id, goal_id, wanted, actor=caller.principal.actor)
        return address_of(workspace_id, lead_id, "goal-changed", "goals-title")

    again = shown_again(request, app, caller, workspace_id, lead_id, f"step-{goal_id}", {"step": step, "by": by})
    gone = shown_again(request, app, caller, workspace_id, lead_id, "goals", {})
    return forms.done(app, add, lambda error: (again if isinstance(error, Invalid) else gone)(error), _OF_A_FORM)


def complete_milestone(
    request: Request, app: System, caller: Asked, workspace_id: UUID, lead_id: UUID, milestone_id: UUID
) -> Response:
    """Note that a step is done."""

    def complete(connection: Connection) -> str:
        own = _goals(connection, workspace_id, lead_id)
        if milestone_id not in {one.id for goal in own for one in goal.milestones}:
            raise NotFound("This lead has no such milestone.")
        goals.complete_milestone(connection, app.clocks, workspace_id, milestone_id, actor=caller.principal.actor)
        return address_of(workspace_id, lead_id, "milestone-done", "goals-title")

    return forms.done(app, complete, shown_again(request, app, caller, workspace_id, lead_id, "goals", {}), _OF_A_FORM)


def tell_training(
    request: Request, app: System, caller: Asked, workspace_id: UUID, lead_id: UUID, at: _Word = "", state: _Word = "",
    kind: _Word = "",
) -> Response:  # fmt: skip
    """Record a training that a lead did, missed or plans; the moment is on the studio's clock."""

    def tell(connection: Connection) -> str:
        moment = moment_of(at.strip(), ZoneInfo(get_workspace(connection, workspace_id).time_zone))
        if moment is None:
            raise Invalid("Say on which day and at what time.")
        found = next((one for one in trainings.STATES if one == state), None)
        if found is None:
            raise Invalid("Say whether it was done, was missed or is planned.")
        told = trainings.Training(moment, lead_id=lead_id, state=found, kind=" ".join(kind.split()) or None)
        trainings.record_one(connection, app.clocks, workspace_id, told, actor=caller.principal.actor)
        return address_of(workspace_id, lead_id, "training-told", "trainings-title")

    typed = {"at": at, "state": state, "kind": kind}
    return forms.done(app, tell, shown_again(request, app, caller, workspace_id, lead_id, "training", typed))


def change_coaching(
    request: Request, app: System, caller: Asked, workspace_id: UUID, lead_id: UUID, frequency: _Word = "",
    time_of_day: _Word = "", time_zone: _Word = "", style: _Word = "",
) -> Response:  # fmt: skip
    """Keep how a lead wants to be coached."""

    def change(connection: Connection) -> str:
        wishes = enrolment.Wishes(frequency, time_of_day.strip() or None, time_zone.strip() or None, style or None)
        enrolment.change(connection, app.clocks, workspace_id, lead_id, wishes, actor=caller.principal.actor)
        return address_of(workspace_id, lead_id, "coaching-changed", "coaching-title")

    typed = {"frequency": frequency, "time_of_day": time_of_day, "time_zone": time_zone, "style": style}
    return forms.done(app, change, shown_again(request, app, caller, workspace_id, lead_id, "coaching", typed))


def _goals(connection: Connection, workspace_id: UUID, lead_id: UUID) -> list[goals.Goal]:
    return goals.goals_of(connection, workspace_id, store.get_lead(connection, workspace_id, lead_id).id)


def _own_goal(connection: Connection, workspace_id: UUID, lead_id: UUID, goal_id: UUID) -> None:
    if goal_id not in {one.row.id for one in _goals(connection, workspace_id, lead_id)}:
        raise NotFound("This lead has no such goal.")


def _said(words: str, what: str) -> str:
    said = " ".join(words.split())
    if not 0 < len(said) <= _LONGEST:
        raise Invalid(f"Say {what}, in at most {_LONGEST} characters.")
    return said


def _milestone(what: str, day: str, step_id: UUID | None = None) -> goals.NewMilestone:
    by = _day(day)
    if by is None:
        raise Invalid("Say by which day a milestone is to be reached.")
    return goals.NewMilestone(_said(what, "what a milestone is"), by, step_id)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError as error:
        raise Invalid("Write a day as 2026-03-31.") from error


def _percent(text: str) -> int:
    if not text.strip().isdecimal() or int(text) > goals.DONE:
        raise Invalid("How far they are is a number from 0 to 100.")
    return int(text)

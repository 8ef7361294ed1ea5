"""Goals: set, got on with, reached or given up, each told once; and what a report of them says."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pilar.coach import goals
from pilar.database.engine import Scope
from pilar.errors import Conflict, Invalid, NotFound
from pilar.ids import new_id
from pilar.workspaces.configuration import CoachingConfiguration, CoachSchedule
from tests.coach.conftest import Gym

REPORTS = CoachingConfiguration(
    enabled=True,
    schedules=(
        CoachSchedule(
            type="coach.goal_progress_report",
            cron="0 10 * * *",
            template="own_report",
            texts={"nl": "{name}: {goal} voor {progress} procent, {studio}"},
        ),
    ),
)
AT_TEN = datetime(2026, 3, 3, 9, tzinfo=UTC)


def told(gym: Gym) -> list[str]:
    return [row[0] for row in gym.rows("select type from autopilot_event where type like 'goal.%' order by position")]


def change(gym: Gym, studio: UUID, goal: UUID, **changes: Any) -> goals.Goal:
    with gym.database.transaction(Scope.fleet()) as connection:
        return goals.change_goal(connection, gym.app.clocks, studio, goal, changes, actor="owner:1")


def complete(gym: Gym, studio: UUID, milestone: UUID) -> goals.Goal:
    with gym.database.transaction(Scope.fleet()) as connection:
        return goals.complete_milestone(connection, gym.app.clocks, studio, milestone, actor="owner:1")


def test_a_goal_goes_its_way_and_each_step_is_told_once(gym: Gym) -> None:
    studio = gym.studio()
    lead = gym.lead(studio)
    steps = [goals.NewMilestone("8 km", date(2026, 5, 1)), goals.NewMilestone("5 km", date(2026, 4, 1))]
    goal = gym.sets_goal(studio, lead, deadline=date(2026, 6, 1), milestones=steps)
    first, second = goal.milestones
    assert [first.description, second.description] == ["5 km", "8 km"]
    done = complete(gym, studio, first.id).milestones[0].completed_at
    gym.business.advance(timedelta(days=1))
    assert complete(gym, studio, first.id).milestones[0].completed_at == done, "when it was done first is kept"
    for _ in range(2):
        assert change(gym, studio, goal.row.id, progress=60).row.progress == 60
    assert change(gym, studio, goal.row.id, progress=100).row.state == "reached"
    with pytest.raises(Conflict, match="reached"):
        complete(gym, studio, second.id)
    assert change(gym, studio, goal.row.id, progress=90).row.state == "active", "it has fallen behind again"
    assert change(gym, studio, goal.row.id, state="dropped").row.state == "dropped"
    with pytest.raises(Conflict, match="given up"):
        change(gym, studio, goal.row.id, progress=95)
    assert told(gym) == [
        "goal.set", "goal.milestone_completed", "goal.changed", "goal.reached", "goal.changed", "goal.dropped"
    ]  # fmt: skip
    payloads = gym.rows("select payload::text from autopilot_event where type like 'goal.%'")
    assert not any("kilometres" in row[0] for row in payloads), "what a goal is about is personal"
    gym.drain()
    gym.assert_promises()


def test_goals_are_bounded_and_of_their_own_studio(gym: Gym) -> None:
    studio, other = gym.studio(), gym.studio("Studio Zuid")
    lead = gym.lead(studio)
    goal = gym.sets_goal(studio, lead)
    with pytest.raises(NotFound):
        change(gym, other, goal.row.id, progress=10)
    with pytest.raises(NotFound):
        gym.sets_goal(other, lead)
    with pytest.raises(NotFound):
        complete(gym, studio, new_id())
    with pytest.raises(Invalid, match="at most 99"):
        gym.sets_goal(studio, lead, progress=100)
    for _ in range(goals.MOST_GOALS - 1):
        gym.sets_goal(studio, lead)
    with pytest.raises(Conflict, match="20 goals"):
        gym.sets_goal(studio, lead)


def test_who_has_a_goal_gets_a_report_in_the_studios_words_and_nobody_else(gym: Gym) -> None:
    studio = gym.studio(coaching=REPORTS)
    lead, reached, without = (gym.coached(studio, f"+3161234567{number}") for number in range(3))
    gym.sets_goal(studio, lead, "een marathon", progress=10)
    gym.sets_goal(studio, lead, "tien kilometer", progress=40, deadline=date(2026, 5, 1))
    goal = gym.sets_goal(studio, reached)
    gym.plan(studio)
    assert {row[0] for row in gym.nudges("lead_id")} == {lead, reached}
    assert without not in {row[0] for row in gym.nudges("lead_id")}
    change(gym, studio, goal.row.id, progress=100)
    gym.wait_until(AT_TEN)
    assert gym.rows("select lead_id, text, template_name from message") == [
        (lead, "Anna: tien kilometer voor 40 procent, Studio Noord", "own_report")
    ]
    assert gym.rows("select skipped from coach_nudge where lead_id = :it and due_at = :at", it=reached, at=AT_TEN) == [
        ("nothing",)
    ], "it was reached between plan and report"
    gym.assert_promises()

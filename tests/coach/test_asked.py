"""Nudges that are asked for by event: planned for now, once a day, as often as the lead wants and no more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pilar.backplane.facts import Cause, Event, emit
from pilar.backplane.work import list_events
from pilar.coach.asked import SERVED, WHY_NOBODY
from pilar.coach.events import ASKED_FOR, GoalProgressReport, MissedTrainingNudge, MorningNudge, NudgeAskedFor
from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.workspaces.configuration import CoachingConfiguration, CoachSchedule
from tests.coach.conftest import Gym

AT_TEN = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
EVERYTHING = CoachingConfiguration(
    enabled=True,
    schedules=tuple(CoachSchedule(type=payload.type_name, cron="0 18 28 2 *") for payload in ASKED_FOR),
)
"""Every kind is turned on, and none is due by itself while these tests last."""


def _ask(gym: Gym, studio: UUID | None, payload: NudgeAskedFor) -> Any:
    """Ask, and return what came of it."""
    event = Event(payload=payload, key=str(new_id()), aggregate=("workspace", str(studio)), workspace_id=studio)
    with gym.database.transaction(Scope.fleet()) as connection:
        emit(connection, gym.app.clocks, [event], Cause.new())
    gym.drain()
    with gym.database.transaction(Scope.fleet()) as connection:
        state = next(one for one in list_events(connection) if one.idempotency_key == event.key)
    return state.handlers[0].result or state.error


@pytest.mark.parametrize("payload", ASKED_FOR, ids=lambda payload: payload.type_name)
def test_each_kind_is_written_if_there_is_something_to_write(gym: Gym, payload: type[NudgeAskedFor]) -> None:
    gym.wait_until(AT_TEN)
    studio = gym.studio(coaching=EVERYTHING)
    lead = gym.coached(studio)
    gym.sets_goal(studio, lead)
    gym.trained(studio, lead, *(AT_TEN - timedelta(days=days) for days in (5, 7, 9)))
    answer = _ask(gym, studio, payload())
    assert answer == {"planned": 1}
    assert gym.rows("select origin from message") == [(f"coach:{payload.kind}",)]
    assert gym.nudges() == [(payload.kind, AT_TEN.date(), AT_TEN)]
    gym.assert_promises()


@pytest.mark.parametrize("payload", [GoalProgressReport, MissedTrainingNudge])
def test_what_nothing_is_known_of_is_not_written_about(gym: Gym, payload: type[NudgeAskedFor]) -> None:
    studio = gym.studio(coaching=EVERYTHING)
    gym.coached(studio)
    answer = _ask(gym, studio, payload())
    assert (answer["planned"], answer["why"]) == (0, WHY_NOBODY[payload.kind])
    assert gym.nudges() == []


def test_asking_again_writes_no_second_time_on_that_day(gym: Gym) -> None:
    gym.wait_until(AT_TEN)
    studio = gym.studio(coaching=EVERYTHING)
    first, second = gym.coached(studio), gym.coached(studio, "+31687654321")
    gym.coached(gym.studio(coaching=EVERYTHING), "+31611111111")
    assert _ask(gym, studio, MorningNudge(lead_id=first)) == {"planned": 1}
    assert _ask(gym, studio, MorningNudge()) == {"planned": 1}, "the other one"
    assert _ask(gym, studio, MorningNudge()) == {"planned": 0, "why": SERVED}
    assert {row[0] for row in gym.rows("select lead_id from message")} == {first, second}
    gym.wait_until(AT_TEN + timedelta(days=1))
    assert _ask(gym, studio, MorningNudge()) == {"planned": 2}
    gym.assert_promises()


def test_a_lead_who_wants_it_weekly_gets_it_weekly(gym: Gym) -> None:
    gym.wait_until(AT_TEN)
    studio = gym.studio(coaching=EVERYTHING)
    lead = gym.coached(studio)
    gym.wishes(studio, lead, "weekly")
    assert _ask(gym, studio, MorningNudge()) == {"planned": 1}
    gym.wait_until(AT_TEN + timedelta(days=6))
    assert _ask(gym, studio, MorningNudge()) == {"planned": 0, "why": SERVED}
    gym.wait_until(AT_TEN + timedelta(days=7))
    assert _ask(gym, studio, MorningNudge()) == {"planned": 1}


def test_what_a_studio_has_turned_off_is_not_planned_however_it_is_asked_for(gym: Gym) -> None:
    gym.wait_until(AT_TEN)
    off = gym.studio(coaching=CoachingConfiguration(enabled=False, schedules=EVERYTHING.schedules))
    gym.coached(off)
    assert _ask(gym, off, MorningNudge())["why"] == "The studio has turned this kind of coaching off."
    assert _ask(gym, new_id(), MorningNudge())["why"] == "The studio has turned this kind of coaching off."
    assert _ask(gym, None, MorningNudge()) == "A nudge belongs to a studio."
    assert gym.nudges() == []

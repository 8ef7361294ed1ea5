"""Who is coached: whoever asked for it and has not opted out since, in whatever order the events come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pilar.database.engine import Scope
from pilar.messaging import consent
from tests.coach.conftest import Gym

DUE = datetime(2026, 3, 3, 7, 0, tzinfo=UTC)


def test_who_asks_is_enrolled_as_the_studio_prefers_and_planned_for_at_once(gym: Gym) -> None:
    studio = gym.studio()
    lead = gym.lead(studio)
    for key in ("first", "again"):
        gym.asks_for_coaching(studio, lead, key)
        gym.drain()
    columns = "lead_id, frequency, time_of_day, motivation_style, ended_at"
    assert gym.rows(f"select {columns} from coach_enrolment") == [(lead, "daily", None, "encouraging", None)]
    assert gym.nudges("due_at") == [(DUE,)]
    gym.assert_promises()


def test_who_has_opted_out_by_then_is_not_enrolled(gym: Gym) -> None:
    studio = gym.studio()
    lead = gym.lead(studio)
    gym.asks_for_coaching(studio, lead)
    gym.opts_out(studio, lead)
    gym.drain()
    assert gym.rows("select 1 from coach_enrolment") == []
    gym.assert_promises()


def test_who_comes_back_is_coached_again_as_they_had_chosen(gym: Gym) -> None:
    studio = gym.studio()
    lead = gym.coached(studio)
    gym.wishes(studio, lead, "weekly", "18:30", None)
    gym.opts_out(studio, lead)
    gym.drain()
    assert gym.nudges() == []
    gym.business.advance(timedelta(minutes=5))
    with gym.database.transaction(Scope.fleet()) as connection:
        for scope in ("all", "marketing"):
            consent.grant(connection, gym.app.clocks, studio, lead, scope, "keyword", "came back")  # type: ignore[arg-type]
    gym.asks_for_coaching(studio, lead, "again")
    gym.drain()
    assert gym.rows("select frequency, time_of_day, ended_at from coach_enrolment") == [("weekly", "18:30", None)]
    assert gym.nudges("due_at") == [(datetime(2026, 3, 3, 17, 30, tzinfo=UTC),)]
    gym.assert_promises()


def test_an_opt_out_that_is_heard_of_late_does_not_end_what_began_after_it(gym: Gym) -> None:
    studio = gym.studio()
    lead = gym.coached(studio)
    gym.opts_out(studio, lead)
    gym.business.advance(timedelta(minutes=5))
    with gym.database.transaction(Scope.fleet()) as connection:
        consent.grant(connection, gym.app.clocks, studio, lead, "all", "keyword", "came back")
    gym.drain()
    assert gym.rows("select 1 from coach_enrolment where ended_at is null") == [(1,)]
    gym.assert_promises()


def test_the_same_person_in_two_studios_is_two_leads(gym: Gym) -> None:
    north, south = gym.studio(), gym.studio("Studio Zuid")
    leads = {studio: gym.coached(studio) for studio in (north, south)}
    gym.opts_out(north, leads[north])
    gym.drain()
    assert gym.rows("select workspace_id from coach_enrolment where ended_at is null") == [(south,)]
    assert gym.plan(north, south).nudges == 1

"""Planning: each lead on their own local time, once, whoever plans and however often."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from pilar.coach.planning import Planned, plan
from pilar.database.engine import Scope
from pilar.errors import Invalid
from pilar.workspaces.chunks import in_chunks
from pilar.workspaces.configuration import CoachingConfiguration, CoachSchedule
from tests.coach.conftest import EARLY, MORNING, Gym

TUESDAY, WEDNESDAY = date(2026, 3, 3), date(2026, 3, 4)


def at(hour: int, day: int = 3) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def test_planning_twice_gives_the_same_rows_and_work(gym: Gym) -> None:
    studio = gym.studio()
    gym.coached(studio)
    assert gym.plan(studio) == Planned(nudges=1, studios=1)
    before = gym.nudges("id, type, local_day, time_zone, due_at, planned_at")
    assert gym.plan(studio) == Planned(nudges=0, studios=1)
    assert gym.nudges("id, type, local_day, time_zone, due_at, planned_at") == before
    assert before[0][1:5] == ("morning_nudge", TUESDAY, "Europe/Amsterdam", at(7))
    work = gym.rows(
        "select s.lane, s.due_at, s.business_time, j.payload from scheduled s join autopilot_job j using (position)"
    )
    assert work == [("bulk", at(7), True, {"nudge_id": str(before[0][0])})]
    gym.assert_promises()


def test_an_hour_later_the_next_day_is_planned_and_nothing_else(gym: Gym) -> None:
    studio = gym.studio()
    gym.coached(studio)
    gym.plan(studio)
    gym.business.advance(timedelta(hours=1, minutes=1))
    assert gym.plan(studio).nudges == 1
    assert [row[1] for row in gym.nudges()] == [TUESDAY, WEDNESDAY]
    gym.business.advance(timedelta(hours=1))
    assert gym.plan(studio).nudges == 0


def test_two_plans_at_the_same_moment_make_each_nudge_once(gym: Gym) -> None:
    studio = gym.studio()
    for number in range(30):
        gym.coached(studio, f"+316123456{number:02}")
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: gym.plan(studio).nudges, range(4)))
    assert sum(made) == 30
    assert len(gym.nudges()) == 30
    gym.assert_promises()


def test_each_lead_is_written_to_at_eight_where_they_are(gym: Gym) -> None:
    studio = gym.studio()
    gym.coached(studio, "+31612345678")
    gym.coached(studio, "+12125550123")  # a number of New York's
    gym.coached(studio, "+61291234567")  # of Sydney's
    gym.coached(studio, "+31687654321", time_zone="Asia/Tokyo")
    gym.plan(studio)
    planned = set(gym.rows("select time_zone, due_at from coach_nudge"))
    assert planned == {
        ("Europe/Amsterdam", at(7)),
        ("America/New_York", at(13)),
        ("Australia/Sydney", at(21)),
        ("Asia/Tokyo", at(23)),
    }


def test_a_number_that_may_be_in_many_zones_is_planned_in_the_studios_if_it_is_one_of_them(gym: Gym) -> None:
    studio = gym.studio(zone="America/Chicago")
    gym.coached(studio, "+18005550123")
    gym.plan(studio)
    assert gym.rows("select time_zone, due_at from coach_nudge") == [("America/Chicago", at(14))]


def test_frequencies_thin_a_daily_schedule_out(gym: Gym) -> None:
    studio = gym.studio()
    leads = {}
    for number, frequency in enumerate(("daily", "weekly", "bi-weekly")):
        lead = leads[frequency] = gym.coached(studio, f"+3161234567{number}")
        gym.change("update coach_enrolment set frequency = :it where lead_id = :lead", it=frequency, lead=lead)
    for _ in range(28 * 2):
        gym.plan(studio)
        gym.business.advance(timedelta(hours=12))
    days = {
        frequency: [
            row[0] for row in gym.rows("select local_day from coach_nudge where lead_id = :lead order by 1", lead=lead)
        ]
        for frequency, lead in leads.items()
    }
    assert len(days["daily"]) == 29
    assert days["weekly"] == [TUESDAY + timedelta(days=n) for n in (0, 7, 14, 21, 28)]
    assert days["bi-weekly"] == [TUESDAY + timedelta(days=n) for n in (0, 14, 28)]


def test_types_without_data_and_schedules_that_are_off_are_left_out(gym: Gym) -> None:
    every = [
        ("morning_nudge", True), ("missed_training_nudge", True), ("weekly_checkin", False),
        ("goal_progress_report", True), ("nutrition_reminder", True), ("motivation_message", True),
    ]  # fmt: skip
    schedules = tuple(CoachSchedule(type=f"coach.{kind}", cron="0 12 * * *", enabled=on) for kind, on in every)  # type: ignore[arg-type]
    studio = gym.studio(coaching=CoachingConfiguration(enabled=True, schedules=schedules))
    gym.coached(studio)
    gym.plan(studio)
    assert [row[0] for row in gym.nudges()] == ["morning_nudge", "motivation_message", "nutrition_reminder"]


def test_nobody_is_planned_for_where_coaching_is_off_or_the_studio_is_not_open(gym: Gym) -> None:
    off = MORNING.model_copy(update={"enabled": False})
    studios = [gym.studio("Off", coaching=off), gym.studio("New", state="provisioning"), gym.studio("Empty")]
    for studio in studios[:2]:
        gym.coached(studio)
    ended = gym.coached(studios[2])
    gym.change("update coach_enrolment set ended_at = enrolled_at where lead_id = :it", it=ended)
    assert gym.plan(*studios) == Planned(nudges=0, studios=0)


def test_a_span_can_be_given(gym: Gym) -> None:
    studio = gym.studio()
    gym.coached(studio)
    assert gym.plan(studio, until=EARLY + timedelta(hours=3)).nudges == 0
    assert gym.plan(studio, until=EARLY + timedelta(days=3)).nudges == 3


def spoil(gym: Gym, studio: UUID, cron: str | None = None) -> None:
    path, value = ("{coaching,schedules,0,cron}", cron) if cron else ("{coaching,enabled}", "perhaps")
    gym.change(
        "update workspace_configuration set document = jsonb_set(document, cast(:path as text[]), to_jsonb(cast(:value as text)))"
        " where workspace_id = :it", path=path, value=value, it=studio,
    )  # fmt: skip


@pytest.mark.parametrize(("cron", "error"), [(None, ValidationError), ("61 8 * * *", Invalid)])
def test_a_studio_whose_configuration_is_broken_fails_alone(gym: Gym, cron: str | None, error: type[Exception]) -> None:
    studios = [gym.studio(f"Studio {number}") for number in range(5)]
    for studio in studios:
        gym.coached(studio)
    spoil(gym, studios[2], cron)
    with pytest.raises(error):
        gym.plan(*studios)
    assert gym.nudges() == []
    done = in_chunks(gym.database, studios, lambda connection, chunk: plan(connection, gym.app.clocks, chunk))
    assert sum(planned.nudges for planned in done.results) == 4
    assert done.failed.keys() == {studios[2]}


def test_a_nudge_is_of_its_own_studios_lead(gym: Gym) -> None:
    studio, other = gym.studio(), gym.studio("Studio Zuid")
    lead = gym.coached(studio)
    with pytest.raises(DBAPIError, match="foreign key"), gym.database.transaction(Scope.fleet()) as connection:
        from pilar.coach.store import NewNudge, add_nudges

        add_nudges(connection, [NewNudge(other, lead, "morning_nudge", TUESDAY, "UTC", EARLY)], EARLY)

"""Planning: each lead on their own local time, once, whoever plans and however often."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from pilar.clocks import Clocks, ManualClock
from pilar.coach.planning import Planned, plan
from pilar.coach.schedule import EVERY, at_time_of_day, due_moments
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
        "select s.lane, s.due_at, s.business_time, j.type, (j.payload ->> 'due_at')::timestamptz"
        " from scheduled s join autopilot_job j using (position)"
    )
    assert work == [("bulk", at(7), True, "coach.wake", at(7))]
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


def test_types_without_anything_to_tell_and_schedules_that_are_off_are_left_out(gym: Gym) -> None:
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
    gym.coached(studio)
    gym.plan(studio)
    with pytest.raises(DBAPIError, match="foreign key"):
        gym.change("update coach_nudge set workspace_id = :other", other=other)


def test_nudges_of_a_moment_have_one_piece_of_work_until_it_has_come(gym: Gym) -> None:
    studio = gym.studio()
    leads = [gym.coached(studio, f"+3161234567{number}") for number in range(5)]
    gym.plan(studio)
    assert gym.rows("select count(*) from scheduled") == [(1,)]
    late = gym.coached(studio, "+31687654321")
    gym.plan(studio)
    assert gym.rows("select count(*) from scheduled") == [(2,)], "another plan's nudges have work of their own"
    gym.assert_promises()
    gym.opts_out(studio, leads[0])
    gym.wait_until(at(7))
    assert gym.rows("select count(*) from scheduled") == [(0,)]
    assert {row[0] for row in gym.rows("select lead_id from message")} == {*leads[1:], late}
    gym.assert_promises()


def test_a_number_that_becomes_another_is_looked_up_again(gym: Gym) -> None:
    studio = gym.studio()
    lead = gym.coached(studio)
    gym.plan(studio)
    gym.change("update lead set phone = '+12125550123' where id = :it", it=lead)
    gym.change("delete from coach_nudge")
    gym.plan(studio)
    assert gym.rows("select time_zone from coach_nudge") == [("America/New_York",)]


def test_a_studios_own_clock_counts_where_the_studio_says_so_and_the_lead_says_nothing(gym: Gym) -> None:
    by_the_studio = CoachingConfiguration(
        enabled=True,
        schedules=(CoachSchedule(type="coach.morning_nudge", cron="0 12 * * *", time_zone="studio"),),
    )
    studio = gym.studio(coaching=by_the_studio)
    gym.coached(studio, "+12125550123")
    chooses = gym.coached(studio, "+12125550124")
    gym.change("update coach_enrolment set time_of_day = '09:30' where lead_id = :it", it=chooses)
    gym.plan(studio)
    assert set(gym.rows("select time_zone, due_at from coach_nudge")) == {
        ("Europe/Amsterdam", at(11)),
        ("America/New_York", datetime(2026, 3, 3, 14, 30, tzinfo=UTC)),
    }


ZONES = ("Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia", "Asia/Kolkata")
CRONS = ("0 8 * * *", "30 2 * * *", "30 0 * * 1,3,5", "15 9,21 * * 0")
LEADS = st.lists(
    st.tuples(
        st.sampled_from(ZONES),
        st.sampled_from(["daily", "weekly", "bi-weekly"]),
        st.sampled_from([None, "08:00", "20:45", "02:15"]),
    ),
    min_size=1,
    max_size=4,
)
MIDNIGHTS = st.one_of(
    # On and around days on which clocks are changed, and one that a zone left out.
    st.sampled_from([date(2026, 3, 28), date(2026, 10, 24), date(2026, 10, 3), date(2026, 4, 23), date(2011, 12, 29)]),
    st.dates(date(2024, 1, 1), date(2028, 12, 31)),
)


def _thinned(days: Iterable[date], frequency: str) -> list[date]:
    """The rule of frequencies, one day after the other."""
    left: list[date] = []
    for day in sorted(days):
        if all(abs((day - other).days) >= EVERY[frequency] for other in left):
            left.append(day)
    return left


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MIDNIGHTS, st.lists(st.sampled_from(CRONS), min_size=1, max_size=2, unique=True), LEADS, st.integers(20, 200))
@example(date(2026, 10, 24), ["30 2 * * *"], [("Europe/Amsterdam", "daily", None)], 26)
@example(date(2026, 10, 3), ["15 2 * * *"], [("Australia/Lord_Howe", "weekly", "02:15")], 26)
@example(date(2011, 12, 29), ["0 8 * * *"], [("Pacific/Apia", "daily", None)], 26)
def test_what_is_planned_for_all_at_once_is_what_the_rules_say_of_each(
    gym: Gym, day: date, crons: list[str], leads: list[tuple[str, str, str | None]], step: int
) -> None:
    begin = datetime.combine(day, datetime.min.time(), UTC)
    end = begin + timedelta(days=16)
    schedules = tuple(CoachSchedule(type="coach.morning_nudge", cron=cron) for cron in crons)
    clock = ManualClock(begin)
    clocks = Clocks(business=clock, real=gym.real)
    studio = gym.studio(coaching=CoachingConfiguration(enabled=True, schedules=schedules))
    wanted: dict[UUID, set[tuple[date, datetime]]] = {}
    for number, (zone, frequency, at_) in enumerate(leads):
        lead = gym.coached(studio, f"+3161234567{number}", agrees=False, time_zone=zone)
        gym.change("update coach_enrolment set frequency = :frequency, time_of_day = :at where lead_id = :lead",
                   frequency=frequency, at=at_, lead=lead)  # fmt: skip
        moments = due_moments([at_time_of_day(cron, at_) for cron in crons], zone, begin, end)
        wanted[lead] = {(one, moments[one]) for one in _thinned(moments, frequency)}
    while (now := clock.now()) < end:
        with gym.database.transaction(Scope.fleet()) as connection:
            plan(connection, clocks, [studio], until=min(end, now + timedelta(hours=step)))
        clock.advance(timedelta(hours=step))
    for lead, planned in wanted.items():
        rows = gym.rows("select local_day, due_at from coach_nudge where lead_id = :lead", lead=lead)
        assert set(rows) == planned

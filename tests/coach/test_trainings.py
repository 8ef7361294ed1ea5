"""Trainings: taken in once, all or none; and who is told that one was missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilar.backplane.facts import Cause, Event, emit
from pilar.bookings.tables import booking, event_type
from pilar.coach import trainings
from pilar.coach.events import TrainingRecorded
from pilar.coach.rhythm import longest_pause
from pilar.database.engine import Scope
from pilar.errors import Invalid
from pilar.ids import new_id
from pilar.workspaces.configuration import CoachingConfiguration, CoachSchedule
from tests.coach.conftest import EARLY, Gym

MISSED = CoachingConfiguration(
    enabled=True, schedules=(CoachSchedule(type="coach.missed_training_nudge", cron="0 18 * * *"),)
)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AT_SIX = datetime(2026, 3, 3, 17, tzinfo=UTC)
"""In the evening where the leads are."""


def booked(gym: Gym, studio: UUID, lead: UUID, begin: datetime, state: str = "booked") -> UUID:
    made, kind = new_id(), new_id()
    end = begin + HOUR
    with gym.database.transaction(Scope.fleet()) as connection:
        connection.execute(event_type.insert().values(
            workspace_id=studio, id=kind, slug=str(kind), name="Training", duration_minutes=60, buffer_minutes=0,
            active=True, created_at=EARLY))  # fmt: skip
        connection.execute(booking.insert().values(
            workspace_id=studio, id=made, event_type_id=kind, lead_id=lead, starts_at=begin, ends_at=end, busy_from=begin,
            busy_until=end, state=state, source="staff", cause=str(made), created_at=EARLY))  # fmt: skip
    return made


def written_to(gym: Gym) -> set[UUID]:
    return {row[0] for row in gym.rows("select lead_id from message")}


def test_trainings_are_taken_in_once_and_their_rhythm_is_known(gym: Gym) -> None:
    studio = gym.studio()
    lead = gym.lead(studio)
    days = [EARLY - number * DAY for number in (2, 4, 6, 8)]
    assert gym.trained(studio, lead, *days, days[0]) == 4
    assert gym.trained(studio, lead, days[1]) == 0
    state = "select last_training_at, longest_pause_days from coach_state"
    assert gym.rows(state) == [(days[0], 3)]
    told = TrainingRecorded(lead_id=lead, trained_at=EARLY - DAY)
    event = Event(payload=told, key="1", aggregate=("lead", str(lead)), workspace_id=studio)
    with gym.database.transaction(Scope.fleet()) as connection:
        emit(connection, gym.app.clocks, [event], Cause.new())
    gym.drain()
    assert gym.rows(state) == [(EARLY - DAY, 3)]
    assert gym.rows("select source, count(*) from coach_training group by 1 order by 1") == [("api", 4), ("event", 1)]
    gym.assert_promises()


def test_what_can_not_be_taken_in_says_why_and_takes_the_rest_with_it(gym: Gym) -> None:
    studio, other = gym.studio(), gym.studio("Studio Zuid")
    lead, stranger = gym.lead(studio), gym.lead(other)
    foreign = booked(gym, other, stranger, EARLY - DAY)
    fine = trainings.Training(EARLY - DAY, lead_id=lead)
    wrong = {
        "no lead": trainings.Training(EARLY - DAY, lead_id=stranger),
        "either as": trainings.Training(EARLY - DAY),
        "that number": trainings.Training(EARLY - DAY, phone="+31600000000"),
        "in the future": trainings.Training(EARLY + DAY, lead_id=lead),
        "no booking": trainings.Training(EARLY - DAY, lead_id=lead, booking_id=foreign),
    }
    for why, one in wrong.items():
        with pytest.raises(Invalid, match=why), gym.database.transaction(Scope.fleet()) as connection:
            trainings.record(connection, gym.app.clocks, studio, [fine, one], "api")
    with pytest.raises(Invalid, match="At most 500"), gym.database.transaction(Scope.fleet()) as connection:
        trainings.record(connection, gym.app.clocks, studio, [fine] * 501, "api")
    assert gym.rows("select 1 from coach_training") == []


def test_who_did_not_come_is_written_to_once(gym: Gym) -> None:
    studio = gym.studio(coaching=MISSED)
    came, stayed_away, called_off, too_soon, elsewhere = (
        gym.coached(studio, f"+3161234567{number}") for number in range(5)
    )
    gym.trained(studio, came, EARLY - 7 * DAY)  # the studio does record trainings
    morning = AT_SIX - 8 * HOUR
    kept = booked(gym, studio, came, morning)
    booked(gym, studio, stayed_away, morning + 2 * HOUR)
    booked(gym, studio, called_off, morning, "cancelled")
    booked(gym, studio, too_soon, AT_SIX - HOUR)  # it ends at six: somebody may write it down yet
    silent = gym.studio("Studio Zuid", coaching=MISSED)  # never records trainings
    booked(gym, silent, gym.coached(silent, "+31687654321"), morning)
    assert gym.plan(studio, silent).nudges == 0, "what is still to come can't have been missed"
    gym.business.advance(morning + 2 * HOUR - EARLY)
    gym.trained(studio, came, morning, booking=kept)
    gym.wait_until(AT_SIX - HOUR)
    assert gym.plan(studio, silent).nudges == 1
    gym.wait_until(AT_SIX)
    assert written_to(gym) == {stayed_away}
    assert elsewhere not in written_to(gym)
    gym.wait_until(AT_SIX + DAY - HOUR)
    gym.plan(studio, silent)
    gym.wait_until(AT_SIX + DAY)
    assert written_to(gym) == {stayed_away, too_soon}, "each missed booking is written about once"
    gym.assert_promises()


def test_who_comes_after_all_is_not_written_to(gym: Gym) -> None:
    studio = gym.studio(coaching=MISSED)
    lead = gym.coached(studio)
    gym.trained(studio, lead, EARLY - 7 * DAY)
    booked(gym, studio, lead, AT_SIX - 6 * HOUR)
    gym.business.advance(AT_SIX - 2 * HOUR - EARLY)
    assert gym.plan(studio).nudges == 1
    gym.trained(studio, lead, AT_SIX - 4 * HOUR)
    gym.wait_until(AT_SIX)
    assert written_to(gym) == set()
    assert gym.nudges("skipped") == [("nothing",)]


def test_a_pause_that_is_longer_than_the_rhythm_is_written_about_until_the_rhythm_is_gone(gym: Gym) -> None:
    studio = gym.studio(coaching=MISSED)
    lead, rare = gym.coached(studio), gym.coached(studio, "+31687654321")
    gym.trained(studio, lead, *(EARLY - number * DAY for number in (1, 3, 5)))  # missed after three days
    gym.trained(studio, rare, EARLY - DAY)  # no rhythm
    gym.business.advance(AT_SIX - HOUR - EARLY)
    for _ in range(30):
        gym.plan(studio)
        gym.business.advance(DAY)
    days = [row[0] - EARLY.date() for row in gym.rows("select local_day from coach_nudge order by 1")]
    assert [day.days for day in days][:3] == [2, 5, 8]
    assert max(day.days for day in days) < 27
    assert {row[0] for row in gym.nudges("lead_id")} == {lead}


@given(st.lists(st.integers(0, 300), max_size=30))
def test_a_rhythm_has_bounds_and_does_not_depend_on_order_or_the_hour(hours: list[int]) -> None:
    moments = [EARLY + number * HOUR for number in hours]
    found = longest_pause(moments)
    assert found is None or 3 <= found <= 14
    assert longest_pause(list(reversed(moments))) == found
    assert (found is None) == (len({moment.date() for moment in moments}) < 3)


@pytest.mark.parametrize(("every", "expected"), [(1, 3), (2, 3), (4, 6), (7, 11), (14, 14)])
def test_a_pause_may_be_half_as_long_again_as_usual(every: int, expected: int) -> None:
    assert longest_pause([EARLY - number * every * DAY for number in range(20)]) == expected

"""A nudge that is due becomes a message once, or says why not; whether it goes is the verdict's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pilar.coach import training_logic
from pilar.database.engine import Scope
from pilar.errors import Conflict, Invalid, NotFound
from pilar.workspaces.configuration import CoachingConfiguration, CoachSchedule
from pilar.workspaces.store import load_configuration
from tests.coach.conftest import EARLY, MORNING, Gym

DUE = datetime(2026, 3, 3, 7, 0, tzinfo=UTC)


def messages(gym: Gym, columns: str = "origin, category, state") -> list[object]:
    return gym.rows(f"select {columns} from message order by occurred_at, id")


def test_a_nudge_that_is_due_is_put_into_the_outbox_as_text_and_template(gym: Gym) -> None:
    studio = gym.studio()
    gym.coached(studio)
    gym.plan(studio)
    gym.wait_until(DUE - timedelta(minutes=1))
    assert messages(gym) == []
    gym.wait_until(DUE)
    ((nudge, message),) = gym.nudges("id, message_id")
    stored = "id, origin, category, cause, template_name, template_parameters"
    assert messages(gym, stored) == [
        (message, "coach:morning_nudge", "marketing", f"nudge:{nudge}", "coach_nudge", ["Anna", "Studio Noord"])
    ]
    assert "Goedemorgen Anna!" in str(messages(gym, "text"))
    gym.assert_promises()


def test_a_nudge_is_made_a_message_once_however_often_its_job_runs(gym: Gym) -> None:
    studio = gym.studio()
    gym.coached(studio)
    gym.plan(studio)
    gym.wait_until(DUE)
    gym.change(
        "insert into queue (position, handler, kind, workspace_id, type, lane, priority, attempts, max_attempts, due_at)"
        " select position, '', 3, workspace_id, type, 'bulk', 50, 0, 8, :now from autopilot_job where type = 'coach.nudge'",
        now=gym.real.now(),
    )
    gym.drain()
    assert len(messages(gym)) == 1
    assert gym.rows(
        "select result ->> 'skipped' from queue_log where type = 'coach.nudge' order by finished_at, result"
    )[-1] == ("again",)
    gym.assert_promises()


def test_in_quiet_hours_the_verdict_says_no_and_why(gym: Gym) -> None:
    """Six in the morning by the schedule: nobody is written to so early."""
    early = CoachingConfiguration(
        enabled=True, schedules=(CoachSchedule(type="coach.morning_nudge", cron="0 6 * * *"),)
    )
    studio = gym.studio(coaching=early)
    gym.coached(studio)
    gym.plan(studio)
    gym.wait_until(DUE - timedelta(hours=2))
    codes = gym.rows(
        "select reason ->> 'code' from message m, jsonb_array_elements(m.verdict -> 'decision' -> 'reasons') reason"
    )
    assert ("quiet_hours",) in codes
    assert messages(gym, "state") == [("refused",)]
    gym.assert_promises()


def test_without_consent_the_verdict_says_no(gym: Gym) -> None:
    studio = gym.studio()
    gym.coached(studio, agrees=False)
    gym.plan(studio)
    gym.wait_until(DUE)
    codes = gym.rows(
        "select reason ->> 'code' from message m, jsonb_array_elements(m.verdict -> 'decision' -> 'reasons') reason"
    )
    assert ("no_consent",) in codes


def test_who_opts_out_after_the_plan_gets_nothing(gym: Gym) -> None:
    studio = gym.studio()
    lead, other = gym.coached(studio), gym.coached(studio, "+31687654321")
    gym.plan(studio)
    gym.opts_out(studio, lead)
    gym.drain()
    assert gym.rows("select lead_id, ended_reason from coach_enrolment where ended_at is not null") == [
        (lead, "The lead opted out.")
    ]
    assert gym.nudges("lead_id") == [(other,)], "what was still to come is withdrawn"
    gym.wait_until(DUE)
    assert messages(gym, "lead_id") == [(other,)]
    assert gym.plan(studio).nudges == 1
    gym.assert_promises()


def test_who_opts_out_before_the_coach_has_heard_of_it_gets_nothing_either(gym: Gym) -> None:
    """The opt-out is in force when it is committed; the coach's own handler may come later."""
    studio = gym.studio()
    lead = gym.coached(studio)
    gym.plan(studio)
    gym.business.advance(DUE - EARLY)
    gym.opts_out(studio, lead)
    gym.drain()
    assert gym.rows("select state from message where state not in ('refused', 'cancelled')") == []
    assert len(gym.rows("select 1 from coach_enrolment where ended_at is not null")) == 1
    gym.assert_promises()


def test_a_plan_that_overlaps_with_an_end_makes_no_message(gym: Gym) -> None:
    studio = gym.studio()
    lead = gym.coached(studio)
    gym.plan(studio)
    gym.change("update coach_enrolment set ended_at = :now, ended_reason = 'test' where lead_id = :it",
               now=gym.business.now(), it=lead)  # fmt: skip
    gym.wait_until(DUE)
    assert gym.nudges("skipped, message_id") == [("ended", None)]
    gym.assert_promises()


@pytest.mark.parametrize(("late", "skipped"), [(timedelta(hours=2), None), (timedelta(hours=2, seconds=1), "late")])
def test_a_nudge_that_comes_too_late_is_not_sent(gym: Gym, late: timedelta, skipped: str | None) -> None:
    studio = gym.studio()
    gym.coached(studio)
    gym.plan(studio)
    gym.wait_until(DUE + late)
    assert gym.nudges("skipped") == [(skipped,)]
    assert len(messages(gym)) == (skipped is None)
    gym.assert_promises()


def change(gym: Gym, studio: object, wanted: CoachingConfiguration, expected: int | None = None) -> int:
    with gym.database.transaction(Scope.fleet()) as connection:
        return training_logic.change(
            connection, gym.app.clocks, studio, wanted, expected_version=expected, actor="owner:1"  # type: ignore[arg-type]
        )  # fmt: skip


def test_another_schedule_plans_anew_what_is_still_to_come(gym: Gym) -> None:
    studio = gym.studio()
    gym.coached(studio)
    gym.plan(studio)
    noon = CoachingConfiguration(
        enabled=True, schedules=(CoachSchedule(type="coach.morning_nudge", cron="0 12 * * *"),)
    )
    assert change(gym, studio, noon, expected=1) == 2
    assert gym.nudges("due_at") == [(DUE + timedelta(hours=4),)]
    assert change(gym, studio, noon) == 2, "the same is no new version"
    with pytest.raises(Conflict):
        change(gym, studio, MORNING, expected=1)
    broken = CoachingConfiguration(
        enabled=True, schedules=(CoachSchedule(type="coach.morning_nudge", cron="0 25 * * *"),)
    )
    with pytest.raises(Invalid, match="not a schedule"):
        change(gym, studio, broken)
    gym.wait_until(DUE)
    assert messages(gym) == [], "the job of the one that was withdrawn finds nothing"
    gym.wait_until(DUE + timedelta(hours=4))
    assert len(messages(gym)) == 1
    gym.assert_promises()


def test_coaching_that_is_turned_off_sends_nothing_of_what_was_planned(gym: Gym) -> None:
    studio = gym.studio()
    gym.coached(studio)
    gym.plan(studio)
    change(gym, studio, MORNING.model_copy(update={"enabled": False}))
    assert gym.nudges() == []
    with gym.database.transaction(Scope.fleet()) as connection:
        assert not load_configuration(connection, studio)[1].coaching.enabled  # type: ignore[arg-type]


def test_a_type_that_is_turned_off_by_other_means_is_skipped(gym: Gym) -> None:
    studio = gym.studio()
    gym.coached(studio)
    gym.plan(studio)
    gym.change("update workspace_configuration set document = jsonb_set(document, '{coaching,enabled}', 'false')")
    gym.wait_until(DUE)
    assert gym.nudges("skipped") == [("turned_off",)]
    gym.assert_promises()


def test_what_a_lead_wants_counts_from_the_next_nudge_on(gym: Gym) -> None:
    studio = gym.studio()
    lead = gym.coached(studio)
    gym.plan(studio)
    gym.wishes(studio, lead, "weekly", "18:30", "Asia/Tokyo")
    assert gym.nudges("time_zone, due_at") == [("Asia/Tokyo", datetime(2026, 3, 3, 9, 30, tzinfo=UTC))]
    assert gym.rows("select frequency, time_of_day from coach_enrolment") == [("weekly", "18:30")]
    assert gym.rows("select time_zone from lead") == [("Asia/Tokyo",)]
    gym.wishes(studio, lead)
    assert gym.nudges("time_zone, due_at") == [("Europe/Amsterdam", DUE)]
    assert gym.rows("select action, actor from audit_log") == [("coach.preferences_changed", "owner:1")] * 2
    gym.assert_promises()


@pytest.mark.parametrize(
    ("frequency", "at", "zone"),
    [("hourly", None, None), ("daily", "07:59", None), ("daily", "21:00", None), ("daily", "8:00", None),
     ("daily", "noon", None), ("daily", "08:00:30", None), ("daily", None, "Mars/Olympus")],
)  # fmt: skip
def test_wishes_that_make_no_sense_are_refused(gym: Gym, frequency: str, at: str | None, zone: str | None) -> None:
    studio = gym.studio()
    lead = gym.coached(studio)
    with pytest.raises(Invalid):
        gym.wishes(studio, lead, frequency, at, zone)


def test_wishes_of_who_is_not_coached_are_refused(gym: Gym) -> None:
    studio = gym.studio()
    stranger, former = gym.lead(studio), gym.coached(studio, "+31687654321")
    gym.opts_out(studio, former)
    gym.drain()
    with pytest.raises(NotFound):
        gym.wishes(studio, stranger)
    with pytest.raises(Conflict):
        gym.wishes(studio, former)

"""Scores and paces: the pure rules, and what they do to leads who answer, tire and come back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilar.coach import engagement_store, enrolment, fatigue
from pilar.coach.analysing import Analysed, analyse
from pilar.coach.engagement import WEIGHTS, distribution, score
from pilar.coach.fatigue import FREQUENCIES, decide
from pilar.coach.lead_state import state_of
from pilar.coach.people_store import ROOM
from pilar.coach.planning import plan_now
from pilar.coach.results import results_of
from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.people import About
from pilar.workspaces.configuration import CoachingConfiguration, CoachSchedule
from tests.coach.conftest import EARLY, Gym

NOTHING = {"sent_weight": 0.0, "answered_weight": 0.0, "speed_weight": 0.0, "weeks": 4.0, "trainings": 0,
           "bookings": 0, "goals": 0, "progress": 0.0}  # fmt: skip


def leads(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame([{"workspace_id": "north", **NOTHING, **row} for row in rows])


def scores(*rows: dict[str, Any]) -> list[int]:
    return [int(one) for one in score(leads(*rows))["score"]]


def answers(sent: float, answered: float, speed: float = 0.0) -> dict[str, Any]:
    return {"sent_weight": sent, "answered_weight": answered, "speed_weight": speed}


def test_of_whom_nothing_is_known_stands_where_the_studio_stands() -> None:
    assert scores({}, {"workspace_id": "south"}) == [50, 50]
    keen, silent = answers(10, 10, 10), answers(10, 0)
    high, low = scores(keen, keen, keen, {}), scores(silent, silent, silent, {})
    assert high[0] > high[3] > 50 > low[3] > low[0]
    assert scores(silent, {"workspace_id": "south"})[1] == 50, "another studio's leads say nothing"
    one, many = scores(answers(1, 1, 1), answers(20, 20, 20), {})[:2]
    assert one < many, "a single answer makes nobody the best"


def test_what_a_studio_does_not_write_down_is_held_against_nobody() -> None:
    assert score(leads({}, {}))["trainings"].tolist() == [50, 50]
    assert score(leads({"trainings": 8}, {}))["trainings"].tolist() == [75, 25]
    assert score(leads({"bookings": 4, "weeks": 0.5}, {"weeks": 0.5}))["bookings"].tolist() == [56, 44], "too early"
    assert score(leads({"goals": 1, "progress": 100.0}, {}))["goals"].tolist() == [68, 60]


@pytest.mark.parametrize("wrong", [answers(1, 2), answers(2, 1, 1.5), {"progress": 101.0}, {"trainings": -1}])
def test_counts_that_contradict_each_other_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="1 leads can't be scored"):
        score(leads({}, wrong))


@st.composite
def _lead(draw: st.DrawFn) -> dict[str, Any]:
    sent = draw(st.floats(0, 90))
    answered = sent * draw(st.floats(0, 1))
    return {
        **answers(sent, answered, answered * draw(st.floats(0, 1))),
        "workspace_id": draw(st.sampled_from(["north", "south"])),
        "weeks": draw(st.floats(0, 4)), "trainings": draw(st.integers(0, 40)), "bookings": draw(st.integers(0, 20)),
        "goals": draw(st.integers(0, 5)), "progress": draw(st.floats(0, 100)),
    }  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(st.lists(_lead(), min_size=1, max_size=6), st.sampled_from(["answered", "quicker", "trainings", "progress"]))
def test_a_score_lies_between_its_bounds_and_never_falls_by_taking_part(some: list[dict[str, Any]], more: str) -> None:
    before = score(leads(*some))
    for name in (*WEIGHTS, "score"):
        assert before[name].between(0, 100).all()
    assert sum(distribution(before["score"])) == len(some)
    better = dict(some[0])
    if more == "answered":
        better["answered_weight"] = better["sent_weight"]
    elif more == "quicker":
        better["speed_weight"] = better["answered_weight"]
    elif more == "progress":
        better["progress"] = 100.0
    elif any(one["trainings"] for one in some if one["workspace_id"] == better["workspace_id"]):
        better["trainings"] += 3
    after = score(leads(better, *some[1:]))
    # Who answers more has more speed to be judged by, and an unknown one was taken for the usual.
    name = "score" if more != "answered" else "answers"
    assert after[name].iloc[0] >= before[name].iloc[0]


LONG_AGO, LATELY, JUST_NOW = (datetime(2026, 3, day, tzinfo=UTC) for day in (1, 5, 9))


def pace(frequency: str = "daily", slowed_to: str | None = None, paused: datetime | None = None, unanswered: int = 0,
         wrote: datetime | None = None, decided: datetime | None = LATELY) -> dict[str, Any]:  # fmt: skip
    return {"frequency": frequency, "slowed_to": slowed_to, "paused_at": paused, "unanswered": unanswered,
            "last_inbound_at": wrote, "pace_at": decided}  # fmt: skip


def plain(decided: pd.DataFrame) -> pd.DataFrame:
    """With None for what is nothing."""
    return decided.astype(object).where(decided.notna(), None)


@pytest.mark.parametrize(
    ("lead", "decision"),
    [
        (pace(unanswered=2, decided=None), None),
        (pace(unanswered=3, decided=None), ("slowed", "weekly", "weekly")),
        (pace(unanswered=5, slowed_to="weekly"), ("slowed", "bi-weekly", "bi-weekly")),
        (pace(unanswered=4, slowed_to="weekly"), None),
        (pace("weekly", unanswered=3), ("slowed", "bi-weekly", "bi-weekly")),
        (pace("bi-weekly", unanswered=6), None),
        (pace("bi-weekly", unanswered=7), ("paused", None, "bi-weekly")),
        (pace(unanswered=7, slowed_to="bi-weekly"), ("paused", "bi-weekly", "bi-weekly")),
        (pace(unanswered=9, slowed_to="bi-weekly", paused=LATELY), None),
        (pace(slowed_to="bi-weekly", paused=LATELY, wrote=JUST_NOW), ("resumed", "weekly", "weekly")),
        (pace(slowed_to="bi-weekly", paused=LATELY, wrote=LONG_AGO), ("resumed", "weekly", "weekly")),
        (pace("bi-weekly", paused=LATELY, wrote=JUST_NOW), ("resumed", None, "bi-weekly")),
        (pace(slowed_to="weekly", wrote=JUST_NOW), ("raised", None, "daily")),
        (pace(slowed_to="weekly", wrote=LONG_AGO), None),
        (pace(slowed_to="weekly", wrote=JUST_NOW, unanswered=1), None),
        (pace("weekly", slowed_to="weekly", wrote=JUST_NOW), None),
        (pace(wrote=JUST_NOW, decided=None), None),
    ],
)
def test_who_tires_is_slowed_and_who_answers_is_raised(lead: dict[str, Any], decision: tuple[Any, ...] | None) -> None:
    found = decide(pd.DataFrame([pace(), lead]))
    assert list(plain(found).itertuples(index=False, name=None)) == ([decision] if decision else [])


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(FREQUENCIES), st.lists(st.booleans(), min_size=9, max_size=20))
def test_no_life_brings_anybody_above_what_they_chose_nor_changes_twice_for_one_reason(
    frequency: str, life: list[bool]
) -> None:
    lead, now = pace(frequency, decided=None), LONG_AGO
    for wrote in life:
        now += timedelta(days=1)
        lead |= {"last_inbound_at": now, "unanswered": 0} if wrote else {"unanswered": lead["unanswered"] + 1}
        now += timedelta(hours=1)
        for look in range(2):
            decided = decide(pd.DataFrame([lead]))
            assert decided.empty or not look, "a second look decides nothing more"
            for one in plain(decided).itertuples():
                assert FREQUENCIES.index(one.frequency) >= FREQUENCIES.index(frequency)
                assert fatigue.in_words(one.decision, one.frequency, lead["unanswered"])
                paused = {"paused": now, "resumed": None}.get(one.decision, lead["paused_at"])
                lead |= {"slowed_to": one.slowed_to, "paused_at": paused, "pace_at": now}
        assert (lead["paused_at"] is not None) == (lead["unanswered"] >= fatigue.PAUSES_AFTER)


def look(gym: Gym, *studios: UUID) -> Analysed:
    """Look at how leads take part, with what is due before and after it."""
    with gym.database.transaction(Scope.fleet()) as connection:
        return analyse(connection, gym.app.clocks, studios)


def sent(gym: Gym, studio: UUID, lead: UUID, *moments: datetime, kind: str = "morning_nudge") -> None:
    """Nudges that the provider took."""
    for at in moments:
        values = {"w": studio, "lead": lead, "nudge": new_id(), "message": new_id(), "at": at, "type": kind}
        gym.change(
            "insert into message (workspace_id, id, lead_id, direction, kind, state, category, origin, cause, verdict,"
            " occurred_at, attempted_at, accepted_at) values (:w, :message, :lead, 'out', 'template', 'delivered',"
            " 'marketing', 'coach:' || :type, 'nudge:' || cast(:nudge as uuid),"
            ' \'{"facts": {"zones": ["Europe/Amsterdam"]}, "decision": {"form": "template"}}\', :at, :at, :at)',
            **values,
        )
        gym.change(
            "insert into coach_nudge (workspace_id, id, lead_id, type, local_day, time_zone, due_at, planned_at, message_id)"
            " values (:w, :nudge, :lead, :type, cast(:at as date), 'Europe/Amsterdam', :at, :at, :message)",
            **values,
        )


def writes(gym: Gym, studio: UUID, lead: UUID, at: datetime) -> None:
    gym.change(
        "insert into message (workspace_id, id, lead_id, direction, kind, state, origin, cause, occurred_at)"
        " values (:w, :id, :lead, 'in', 'text', 'received', 'lead', cast(:id as text), :at)",
        w=studio, id=new_id(), lead=lead, at=at,
    )  # fmt: skip
    gym.change(
        "update conversation set last_inbound_at = :at where workspace_id = :w and lead_id = :lead",
        w=studio, lead=lead, at=at,
    )  # fmt: skip


def mornings(count: int, first: datetime = EARLY) -> list[datetime]:
    return [first.replace(hour=7) + timedelta(days=n) for n in range(count)]


def enrolled(gym: Gym, lead: UUID) -> tuple[Any, ...]:
    [row] = gym.rows(
        "select frequency, slowed_to, paused_at is not null from coach_enrolment where lead_id = :it", it=lead
    )
    return tuple(row)


def coming(gym: Gym, lead: UUID) -> list[tuple[Any, ...]]:
    return [
        tuple(row)
        for row in gym.rows(
            "select type, cast(local_day as text), skipped from coach_nudge where lead_id = :it and due_at > :now"
            " order by local_day, type", it=lead, now=gym.business.now(),
        )
    ]  # fmt: skip


def test_who_falls_silent_is_slowed_asked_once_and_left_alone_and_comes_back_by_writing(gym: Gym) -> None:
    studio = gym.studio()
    lead, other = gym.coached(studio), gym.coached(studio, "+31687654321")
    sent(gym, studio, lead, *mornings(3))
    gym.business.advance(timedelta(days=3))  # Friday, five in the morning
    gym.plan(studio)
    assert coming(gym, lead) == [("morning_nudge", "2026-03-06", None)]
    assert look(gym, studio) == Analysed(leads=2, paces=1)
    assert look(gym, studio) == Analysed(leads=2, paces=0), "once"
    assert enrolled(gym, lead) == ("daily", "weekly", False)
    assert enrolled(gym, other) == ("daily", None, False)
    assert coming(gym, lead) == [("morning_nudge", "2026-03-06", "slowed")], "what was planned is called off"
    assert coming(gym, other) == [("morning_nudge", "2026-03-06", None)]
    gym.assert_promises()

    sent(gym, studio, lead, *mornings(4, EARLY + timedelta(days=4)))
    gym.business.advance(timedelta(days=5))  # Wednesday
    assert look(gym, studio).paces == 1
    assert enrolled(gym, lead) == ("daily", "weekly", True)
    assert [row[0] for row in coming(gym, lead)] == ["last_question"]
    gym.wait_until(gym.business.now() + timedelta(hours=3))
    [(asked,)] = gym.rows("select text from message where origin = 'coach:last_question'")
    assert asked.startswith("Hoi Anna, ik heb een tijdje niets van je gehoord.")
    for _ in range(2):
        gym.business.advance(timedelta(hours=20))
        assert gym.plan(studio).kept_back == 1
    assert {row[0] for row in gym.rows("select skipped from coach_nudge where lead_id = :it and due_at > :now",
                                       it=lead, now=gym.business.now())} == {"paused"}  # fmt: skip
    assert gym.rows("select count(*) from coach_nudge where type = 'last_question'") == [(1,)]
    gym.assert_promises()

    writes(gym, studio, lead, gym.business.now())
    gym.business.advance(timedelta(minutes=5))
    assert look(gym, studio).paces == 1
    assert enrolled(gym, lead)[2] is False
    decisions = gym.rows("select decision from coach_pace order by decided_at")
    assert [row[0] for row in decisions] == ["slowed", "paused", "resumed"]
    with gym.database.transaction(Scope.fleet()) as connection:
        state = state_of(connection, gym.app.clocks, studio, lead)
        moments = ROOM.moments(About(connection, studio, lead, gym.business.now()), 50)
    assert state.paces[0].reason.endswith("again: the lead has written.")
    assert state.engagement_score is not None and state.engagement_score < 50
    assert next(one.says for one in moments if one.kind == "pace") == state.paces[0].reason
    gym.assert_promises()


def test_who_chooses_anew_is_written_to_as_they_chose_and_a_look_made_before_does_not_undo_it(gym: Gym) -> None:
    studio = gym.studio()
    lead = gym.coached(studio)
    sent(gym, studio, lead, *mornings(7))
    gym.business.advance(timedelta(days=7))
    with gym.database.transaction(Scope.fleet()) as connection:
        seen = engagement_store.look(connection, [studio], gym.business.now(), timedelta(hours=12))
    assert look(gym, studio).paces == 1
    gym.wishes(studio, lead)
    assert enrolled(gym, lead) == ("daily", None, False)
    assert [row[2] for row in coming(gym, lead)] == [None]
    assert look(gym, studio).paces == 0, "what was not answered before counts no more"
    decided = fatigue.decide(seen).join(seen[["workspace_id", "lead_id", "unanswered", "pace_at"]])
    assert len(decided) == 1
    with gym.database.transaction(Scope.fleet()) as connection:
        assert engagement_store.keep_decisions(connection, decided, gym.business.now()) == []
    assert enrolled(gym, lead) == ("daily", None, False)
    gym.change("update coach_enrolment set paused_at = :now, slowed_to = 'weekly', pace_at = :now",
               now=gym.business.now())  # fmt: skip
    with gym.database.transaction(Scope.fleet()) as connection:
        assert enrolment.end(connection, gym.app.clocks, studio, lead, "enough")
        assert enrolment.enrol(connection, gym.app.clocks, studio, lead)
    assert enrolled(gym, lead) == ("daily", None, False)
    gym.assert_promises()


def test_a_pause_that_comes_while_a_nudge_is_on_its_way_stops_it(gym: Gym) -> None:
    studio = gym.studio()
    lead = gym.coached(studio)
    gym.plan(studio)
    gym.business.advance(timedelta(hours=3))
    gym.change("update coach_enrolment set paused_at = :now, pace_at = :now", now=gym.business.now())
    gym.change("insert into coach_pace values (:w, :w, :lead, :now, 'paused', 'daily', 7)",
               w=studio, lead=lead, now=gym.business.now())  # fmt: skip
    gym.drain()
    assert gym.rows("select skipped, message_id from coach_nudge") == [("paused", None)]
    gym.assert_promises()


KINDS = ("morning_nudge", "weekly_checkin", "motivation_message", "nutrition_reminder")


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 9), st.lists(st.integers(5, 60), min_size=6, max_size=10), st.booleans())
def test_no_moving_week_has_more_nudges_than_the_studio_allows_in_whatever_steps_it_is_planned(
    gym: Gym, most: int, steps: list[int], asked: bool
) -> None:
    schedules = tuple(
        CoachSchedule(type=f"coach.{kind}", cron=f"{9 * n} {8 + n} * * *") for n, kind in enumerate(KINDS)
    )  # type: ignore[arg-type]
    studio = gym.studio(coaching=CoachingConfiguration(enabled=True, schedules=schedules, most_per_week=most))
    lead = gym.coached(studio, agrees=False)
    for step in steps:
        gym.plan(studio, until=gym.business.now() + timedelta(hours=30))
        gym.business.advance(timedelta(hours=step))
        if asked:
            with gym.database.transaction(Scope.fleet()) as connection:
                plan_now(connection, gym.app.clocks, studio, "morning_nudge", lead_id=lead)
    rows = gym.rows("select local_day, skipped from coach_nudge where lead_id = :it order by 1", it=lead)
    days = [row.local_day for row in rows if row.skipped is None]
    assert days
    for day in days:
        assert sum(day <= other < day + timedelta(days=7) for other in days) <= most
    assert {row.skipped for row in rows} <= {None, "weekly_cap"}


def test_who_is_slowed_gets_each_kind_once_a_week_and_who_is_paused_is_asked_at_the_first_moment(gym: Gym) -> None:
    schedules = tuple(CoachSchedule(type=f"coach.{kind}", cron=f"0 {9 + n} * * *") for n, kind in enumerate(KINDS[:2]))  # type: ignore[arg-type]
    studio = gym.studio(coaching=CoachingConfiguration(enabled=True, schedules=schedules, most_per_week=50))
    slow, silent = gym.coached(studio), gym.coached(studio, "+31687654321")
    gym.change("update coach_enrolment set slowed_to = 'weekly' where lead_id = :it", it=slow)
    gym.change("update coach_enrolment set paused_at = :now where lead_id = :it", it=silent, now=EARLY)
    for _ in range(9):
        gym.plan(studio)
        gym.business.advance(timedelta(days=1))
    went = "select type, cast(local_day as text) from coach_nudge where lead_id = :it and skipped is null order by 2, 1"
    assert [tuple(row) for row in gym.rows(went, it=slow)] == [
        ("morning_nudge", "2026-03-03"), ("weekly_checkin", "2026-03-03"),
        ("morning_nudge", "2026-03-10"), ("weekly_checkin", "2026-03-10"),
    ]  # fmt: skip
    assert [tuple(row) for row in gym.rows(went, it=silent)] == [("last_question", "2026-03-03")]
    counted = "select skipped, count(*) from coach_nudge where lead_id = :it and skipped is not null group by 1"
    assert gym.rows(counted, it=slow)[0][0] == "slowed"
    assert gym.rows(counted, it=silent)[0][0] == "paused"


def test_figures_of_a_studio_are_counted_whole_and_the_same_again(gym: Gym) -> None:
    studio, empty = gym.studio(), gym.studio("Studio Zuid")
    keen, silent, new = (gym.coached(studio, f"+3161234567{n}") for n in range(3))
    gym.business.advance(timedelta(days=4))
    for at in mornings(3):
        sent(gym, studio, keen, at)
        writes(gym, studio, keen, at + timedelta(minutes=5))
    sent(gym, studio, silent, *mornings(4))
    goal = gym.sets_goal(studio, keen)
    gym.change("update coach_goal set state = 'reached', progress = 100 where id = :it", it=goal.row.id)
    gym.sets_goal(studio, silent)
    for _ in range(2):
        look(gym, studio, empty)
    by_lead = {
        row.lead_id: row
        for row in gym.rows("select * from analytics.lead_engagement where workspace_id = :w", w=studio)
    }
    assert [(by_lead[one].sent, by_lead[one].answered, by_lead[one].unanswered) for one in (keen, silent, new)] == [
        (3, 3, 0), (4, 0, 4), (0, 0, 0)
    ]  # fmt: skip
    assert [by_lead[one].response_rate for one in (keen, silent, new)] == [1, 0, None]
    assert by_lead[keen].score > by_lead[new].score > by_lead[silent].score
    with gym.database.transaction(Scope.workspace(studio)) as connection:
        stands = results_of(connection, gym.app.clocks, studio).engagement
    assert stands is not None
    assert (stands.leads, stands.slowed, stands.paused, stands.goal_completion_rate) == (3, 1, 0, 0.5)
    assert sum(stands.distribution) == 3
    assert gym.rows("select count(*) from analytics.coach_engagement") == [(1,)]
    for lead in (keen, silent, new):
        gym.opts_out(studio, lead, f"stop:{lead}")
    gym.drain()
    look(gym, studio)
    assert gym.rows("select count(*) from analytics.lead_engagement") == [(0,)]
    assert gym.rows("select leads, paused from analytics.coach_engagement") == [(0, 0)]


def test_what_a_studio_and_its_answers_come_to_is_the_same_for_one_and_for_all_at_once(gym: Gym) -> None:
    studios = [gym.studio(f"Studio {n}") for n in range(3)]
    for n, studio in enumerate(studios):
        lead = gym.coached(studio)
        sent(gym, studio, lead, *mornings(n + 1))
        writes(gym, studio, lead, mornings(1)[0] + timedelta(minutes=5))
    gym.business.advance(timedelta(days=5))
    columns = "workspace_id, score, response_rate, answers, speed, unanswered"
    look(gym, *studios)
    at_once = gym.rows(f"select {columns} from analytics.lead_engagement order by 1")
    for studio in studios:
        look(gym, studio)
    assert gym.rows(f"select {columns} from analytics.lead_engagement order by 1") == at_once

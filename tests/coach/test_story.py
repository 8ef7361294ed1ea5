"""Coaching end to end, through the sandbox's WhatsApp: planned, sent in the right form, answered, ended, never twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from pilar.coach.activity import refresh_coach_activity
from pilar.coach.analysing import analyse
from pilar.coach.overview import activity_of, schedule_of
from pilar.coach.planning import plan
from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.messaging import controls
from tests.fixtures.opened import Studio
from tests.fixtures.system import Killed, MortalDatabase, System

MONDAY = datetime(2031, 3, 3, 9, 0, tzinfo=UTC)
TUESDAY, WEDNESDAY, THURSDAY = (datetime(2031, 3, day, 7, 0, tzinfo=UTC) for day in (4, 5, 6))
"""Eight in the morning in Utrecht."""

NUDGES = "state, kind, verdict -> 'decision' -> 'reasons' -> 0 ->> 'code'"


@pytest.fixture
def studio(opened_studio: Studio) -> Studio:
    """A studio in Utrecht on a Monday morning."""
    opened_studio.system.travel_to(MONDAY)
    return opened_studio


def asks_for_coaching(studio: Studio) -> UUID:
    """A lead writes the word, is answered, and is coached from then on."""
    studio.writes("Coach")
    return studio.lead()


def day_comes(studio: Studio, moment: datetime) -> None:
    """The hourly plan, and what is due at that moment."""
    studio.run(plan, [studio.id])
    studio.system.travel_to(moment)
    studio.system.settle()


def nudges(studio: Studio, columns: str = NUDGES) -> list[Any]:
    return studio.system.rows(
        f"select {columns} from message where direction = 'out' and origin = 'coach:morning_nudge' order by occurred_at, id"
    )


def assert_promises(system: System) -> None:
    now = {"real_now": system.clock.now(), "business_now": system.business.now()}
    with system.database.transaction(Scope.fleet()) as connection:
        for invariant in system.app.invariants:
            wanted = {name: value for name, value in now.items() if f":{name}" in invariant.query}
            assert connection.execute(text(invariant.query), wanted).all() == [], invariant.promise
    assert system.column("select error from dead_letter") == []
    sent = {key: n for key, n in system.sandbox.effects_by_key().items() if key[0] == "meta.message_sent"}
    assert set(sent.values()) <= {1}, "a message was sent twice"


def test_a_lead_is_coached_day_by_day_until_they_say_stop(studio: Studio) -> None:
    system = studio.system
    lead = asks_for_coaching(studio)
    with system.database.transaction(Scope.workspace(studio.id)) as connection:
        (coached,) = schedule_of(connection, studio.id).leads
    assert coached.lead_id == lead
    assert coached.next_nudge
    assert (coached.next_nudge.due_at, coached.next_nudge.time_zone) == (TUESDAY, "Europe/Amsterdam")
    day_comes(studio, TUESDAY)
    day_comes(studio, WEDNESDAY)
    assert nudges(studio) == [("read", "text", None), ("read", "template", None)]
    system.travel_to(WEDNESDAY + timedelta(hours=3))
    studio.writes("Done!")
    counted = [studio.run(refresh_coach_activity, [studio.id]) for _ in range(2)]
    assert counted[0] == counted[1] >= 2
    with system.database.transaction(Scope.workspace(studio.id)) as connection:
        (found,) = [
            one for one in activity_of(connection, system.app.clocks, studio.id).types if one.type == "morning_nudge"
        ]
    assert (found.sent, found.refused, found.answered, found.dry_run, found.refusals) == (2, 0, 1, 0, [])
    studio.run(analyse, [studio.id])
    [(rate, score)] = system.rows("select response_rate, score from analytics.lead_engagement")
    assert (float(rate), score) == (0.5, 49)
    studio.writes("STOP")
    studio.run(refresh_coach_activity, [studio.id])
    assert system.rows("select day::text from analytics.coach_activity where opted_out = 1") == [("2031-03-05",)]
    assert system.column("select ended_reason from coach_enrolment") == ["The lead opted out."]
    day_comes(studio, THURSDAY)
    assert len(nudges(studio)) == 2
    assert system.sandbox.effects().get("meta.message_after_stop", 0) == 0
    assert_promises(system)


def test_simulated_leads_ask_for_coaching_and_answer_their_first_nudge(studio: Studio) -> None:
    system = studio.system
    for number, language in enumerate(("en", "nl", "de")):
        system.sandbox.add_lead(
            to=studio.number, sender=f"+3161234567{number}", persona="coached", language=language, seed=7 + number
        )
    system.settle()
    assert system.column("select count(*) from coach_enrolment where ended_at is null") == [3]
    day_comes(studio, TUESDAY)
    day_comes(studio, WEDNESDAY)
    assert [row[0] for row in nudges(studio)] == ["read"] * 6
    studio.run(refresh_coach_activity, [studio.id])
    figures = "select planned, sent, answered from analytics.coach_activity where type = 'morning_nudge' order by day"
    assert system.rows(figures)[:2] == [(3, 3, 3), (3, 3, 0)]
    assert_promises(system)


def test_what_is_not_sent_is_counted_with_its_reasons(studio: Studio) -> None:
    system = studio.system
    asks_for_coaching(studio)
    studio.run(controls.begin, "dry_run", workspace_id=studio.id, channel=None, reason="trial", actor="test")
    day_comes(studio, TUESDAY)
    studio.run(controls.end, "dry_run", workspace_id=studio.id, channel=None, actor="test")
    studio.run(controls.begin, "pause", workspace_id=studio.id, channel=None, reason="drill", actor="test")
    day_comes(studio, WEDNESDAY)
    system.travel_to(WEDNESDAY + timedelta(hours=15))
    studio.run(controls.end, "pause", workspace_id=studio.id, channel=None, actor="test")
    day_comes(studio, THURSDAY)
    day_comes(studio, THURSDAY + timedelta(hours=27))
    studio.run(refresh_coach_activity, [studio.id])
    assert nudges(studio) == [("dry_run", "text", None), ("refused", "text", "quiet_hours"), ("read", "template", None)]
    figures = "planned, sent, refused, answered, dry_run"
    assert system.rows(f"select {figures} from analytics.coach_activity where type = 'morning_nudge' order by day") == [
        (1, 0, 0, 0, 1), (1, 0, 1, 0, 0), (1, 1, 0, 0, 0), (1, 0, 1, 0, 0)
    ]  # fmt: skip
    reasons = system.rows(
        "select day::text, reason, count from analytics.coach_refusal where type = 'morning_nudge' order by 1, 2"
    )
    assert reasons == [("2031-03-05", "quiet_hours", 1), ("2031-03-07", "late", 1)]
    assert_promises(system)


def test_a_nudge_whose_window_had_closed_counts_as_the_template_that_went(studio: Studio) -> None:
    system = studio.system
    asks_for_coaching(studio)
    day_comes(studio, TUESDAY)
    with system.database.transaction(Scope.fleet()) as connection:  # our copy of the window says otherwise
        connection.execute(text("update conversation set last_inbound_at = last_inbound_at + interval '30 hours'"))
    day_comes(studio, WEDNESDAY)
    studio.run(refresh_coach_activity, [studio.id])
    assert [row[:2] for row in nudges(studio)] == [("read", "text"), ("failed", "text"), ("read", "template")]
    sent = system.column("select sent from analytics.coach_activity where type = 'morning_nudge' order by day")
    assert sent[:2] == [1, 1]
    assert_promises(system)


@pytest.mark.parametrize("after_commit", [False, True])
def test_a_plan_that_is_killed_is_made_whole_or_not_at_all(studio: Studio, after_commit: bool) -> None:
    system = studio.system
    asks_for_coaching(studio)
    system.travel_to(MONDAY + timedelta(hours=20))
    before = system.column("select count(*) from coach_nudge")[0]
    dying = MortalDatabase(system.database.url, dies_at=1, after_commit=after_commit)
    with pytest.raises(Killed), dying.transaction(Scope.fleet()) as connection:
        plan(connection, system.app.clocks, [studio.id])
    dying.close()
    planned = system.column("select count(*) from coach_nudge")[0] - before
    assert (planned > 0) is after_commit
    assert_promises(system)
    studio.run(plan, [studio.id])
    assert system.column("select count(*) from coach_nudge")[0] - before > 0
    assert_promises(system)


@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize("moment", [pytest.param(n, marks=[pytest.mark.slow] * (n != 3)) for n in range(1, 10)])
def test_a_kill_at_any_commit_sends_no_nudge_twice(studio: Studio, moment: int, after_commit: bool) -> None:
    """Marketing whose fate is unknown is never repeated: one that died in the provider's hands may be missing."""
    system = studio.system
    asks_for_coaching(studio)
    system.travel_to(TUESDAY)
    dying = MortalDatabase(system.database.url, dies_at=moment, after_commit=after_commit)
    system.settle(dying=dying)
    dying.close()
    system.settle()  # what was not yet promoted when it died
    assert dying.died, "the story is shorter than that by now: lower the number of moments"
    ((state, wamid),) = nudges(studio, "state, provider_message_id")
    received = [key for key in system.sandbox.effects_by_key() if key == ("meta.message_sent", _callback(system))]
    assert (state == "read") == bool(received) == bool(wamid)
    assert system.column("select count(*) from coach_nudge where message_id is not null") == [1]
    assert_promises(system)


def _callback(system: System) -> str:
    return str(system.column("select id from message where origin = 'coach:morning_nudge'")[0])


@pytest.mark.parametrize("after_commit", [False, True])
def test_a_look_that_is_killed_decides_wholly_or_not_at_all(studio: Studio, after_commit: bool) -> None:
    system = studio.system
    lead = asks_for_coaching(studio)
    studio.run(plan, [studio.id])
    with system.database.transaction(Scope.fleet()) as connection:  # a week went by in which nothing was answered
        for day in range(7):
            connection.execute(
                text(
                    "with made as (insert into message (workspace_id, id, lead_id, direction, kind, state, category, origin,"
                    " cause, verdict, occurred_at, attempted_at, accepted_at)"
                    " select workspace_id, cast(:id as uuid), id, 'out', 'template', 'delivered', 'marketing',"
                    " 'coach:weekly_checkin', 'nudge:' || cast(:id as uuid),"
                    ' \'{"facts": {"zones": ["Europe/Amsterdam"]}, "decision": {"form": "template"}}\','
                    " cast(:at as timestamptz), :at, :at from lead where id = :lead returning *)"
                    " insert into coach_nudge (workspace_id, id, lead_id, type, local_day, time_zone, due_at, planned_at,"
                    " message_id) select workspace_id, id, lead_id, 'weekly_checkin', occurred_at::date, 'UTC', occurred_at,"
                    " occurred_at, id from made"
                ),
                {"id": new_id(), "lead": lead, "at": TUESDAY + timedelta(days=day)},
            )
    system.business.advance(timedelta(days=9))
    dying = MortalDatabase(system.database.url, dies_at=1, after_commit=after_commit)
    with pytest.raises(Killed), dying.transaction(Scope.fleet()) as connection:
        analyse(connection, system.app.clocks, [studio.id])
    dying.close()
    stands = (
        "select (select count(*) from coach_enrolment where paused_at is not null), (select count(*) from coach_pace)"
    )
    assert system.rows(stands) == [(1, 1) if after_commit else (0, 0)]
    assert_promises(system)
    studio.run(analyse, [studio.id])
    assert system.rows(stands) == [(1, 1)]
    assert_promises(system)

"""A model writes nudges: through the sandbox, whatever the model does and wherever the worker is killed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pilar.agents.defaults import default_agent
from pilar.backplane import budgets
from pilar.coach.planning import plan
from pilar.coach.trying import Sample
from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.workspaces import store as workspaces
from pilar.workspaces.plans import Plan
from tests.agents.looking import assert_promises_hold, told
from tests.coach.test_offers_and_answers import chooses
from tests.coach.test_story import MONDAY, TUESDAY, WEDNESDAY, asks_for_coaching, day_comes
from tests.fixtures.opened import LEAD, Studio
from tests.fixtures.system import MortalDatabase

SAID = "Goedemorgen! Wat ga je vandaag doen voor je training?"
WROTE = "written_by, not_by_model"


@pytest.fixture
def studio(opened_studio: Studio) -> Studio:
    """A studio in Utrecht on a Monday morning, whose model writes nudges; one lead is coached."""
    opened_studio.system.travel_to(MONDAY)
    let_model_write(opened_studio)
    asks_for_coaching(opened_studio)
    return opened_studio


def let_model_write(studio: Studio, plan: Plan = Plan.PRO, **changes: Any) -> None:
    system = studio.system
    with system.database.transaction(Scope.fleet()) as connection:
        _, document = workspaces.load_configuration(connection, studio.id)
        agent = document.agent or default_agent(document.studio)
        coaching = document.coaching.model_copy(update={"written_by": "model", **changes})
        document = document.model_copy(update={"agent": agent, "coaching": coaching, "plan": plan})
        workspaces.save_configuration(
            connection, studio.id, document, changed_by="owner:1", note="", now=system.business.now()
        )


def wrote(studio: Studio, columns: str = WROTE) -> list[tuple[Any, ...]]:
    query = f"select {columns} from coach_nudge where message_id is not null order by due_at, id"
    return [tuple(row) for row in studio.system.rows(query)]


def said(studio: Studio) -> list[str]:
    query = "select text from message where left(origin, 6) = 'coach:' order by occurred_at, id"
    return [str(one) for one in studio.system.column(query)]


def test_a_model_writes_inside_the_window_and_nobody_is_asked_outside_it(studio: Studio) -> None:
    system = studio.system
    system.sandbox.script_models({"match": "Write the message", "reply": SAID})
    day_comes(studio, TUESDAY)
    assert said(studio) == [SAID]
    [(by, why, model, tokens)] = wrote(studio, f"{WROTE}, model, tokens")
    assert (by, why) == ("model", None) and model and tokens > 0
    [question] = system.sandbox.questions()
    assert "Studio Noord" in question["system"] and "Dutch" in question["system"]
    assert LEAD not in question["system"]
    assert system.column("select sum(reserved) from budget_usage where resource = 'tokens'") in ([None], [0])
    kept = str(system.rows("select request, response from effect where kind = 'model.nudge'"))
    assert "Goedemorgen" not in kept, "the ledger holds no words"
    day_comes(studio, WEDNESDAY)
    assert wrote(studio)[1] == ("coach", "window_closed")
    assert len(system.sandbox.questions()) == 1
    assert system.column("select kind from message where left(origin, 6) = 'coach:' order by id") == [
        "text",
        "template",
    ]
    assert_promises_hold(system)


@pytest.mark.parametrize(
    ("scripts", "reason"),
    [
        ([{"reply": "Neem ibuprofen 400 mg en ga trainen, dat is goed voor je."}], "unusable,medical"),
        ([{"refusal": "No."}], "unusable,declined"),
        ([{"error": "overloaded", "times": None}], "away"),
        ([{"error": "invalid_key", "times": None}], "not_configured"),
    ],
)
def test_without_a_usable_answer_the_standard_text_goes(studio: Studio, scripts: list[Any], reason: str) -> None:
    studio.system.sandbox.script_models(*scripts)
    day_comes(studio, TUESDAY)
    assert wrote(studio) == [("coach", reason)]
    assert "Elke beweging telt" in said(studio)[0]
    assert_promises_hold(studio.system)


def test_neither_budget_nor_plan_is_overstepped(studio: Studio) -> None:
    with studio.system.database.transaction(Scope.fleet()) as connection:
        budgets.set_limit(connection, studio.id, budgets.TOKENS, "hour", 10, "queue")
    day_comes(studio, TUESDAY)
    assert wrote(studio) == [("coach", "over_budget")]
    studio.writes("Dank je")
    let_model_write(studio, Plan.BASIC)
    day_comes(studio, WEDNESDAY)
    assert wrote(studio)[1] == ("coach", "plan")
    assert studio.system.sandbox.questions() == []
    assert_promises_hold(studio.system)


def left_alone(studio: Studio) -> None:
    """The lead has not answered for long: they are paused as of now."""
    system = studio.system
    values = (studio.id, studio.lead(), system.business.now())
    with system.database.transaction(Scope.fleet()) as connection:
        paused = "update coach_enrolment set paused_at = %s, pace_at = %s where workspace_id = %s and lead_id = %s"
        connection.exec_driver_sql(paused, (values[2], values[2], *values[:2]))
        told = "insert into coach_pace values (%s, %s, %s, %s, 'paused', 'daily', 7)"
        connection.exec_driver_sql(told, (values[0], new_id(), *values[1:]))


def asked_last(studio: Studio, *, window_open: bool) -> None:
    """The lead is asked the last question, in a window that is open or not."""
    system = studio.system
    studio.run(plan, [studio.id])
    system.travel_to(MONDAY + timedelta(hours=1))
    left_alone(studio)
    with system.database.transaction(Scope.fleet()) as connection:
        connection.exec_driver_sql(
            "update coach_nudge set type = 'last_question' where id = (select min(id::text)::uuid from coach_nudge)"
        )
        if not window_open:
            connection.exec_driver_sql("update conversation set last_inbound_at = last_inbound_at - interval '2 days'")
    system.travel_to(TUESDAY)
    system.settle()


def test_the_last_question_is_ours_whatever_the_studio_has_written_by_a_model(studio: Studio) -> None:
    system = studio.system
    asked_last(studio, window_open=True)
    assert system.sandbox.questions() == [], "though the window is open"
    assert wrote(studio) == [("coach", None)]
    assert "ik heb een tijdje niets van je gehoord" in said(studio)[0]
    [buttons] = system.column("select details -> 'buttons' from message where origin = 'coach:last_question'")
    chooses(studio, buttons[0]["id"], buttons[0]["title"])
    assert "Ik schrijf je weer" in told(studio)[-1]
    assert system.column("select ended_at from coach_enrolment") == [None]
    assert_promises_hold(system)


def test_outside_the_window_the_last_question_is_a_template_with_answers_to_tap(studio: Studio) -> None:
    system = studio.system
    asked_last(studio, window_open=False)
    went = "select kind, state, template_name, template_language from message where origin = 'coach:last_question'"
    assert [tuple(row) for row in system.rows(went)] == [("template", "read", "coach_last_question", "nl")]
    [there] = [
        one
        for one in system.sandbox.objects("meta.template")
        if (one["name"], one["language"]) == ("coach_last_question", "nl")
    ]
    assert there["category"] == "UTILITY"
    titles = [one["text"] for part in there["components"] if part["type"] == "BUTTONS" for one in part["buttons"]]
    assert titles == ["Ja, ga door", "Nee, dank je"]
    system.sandbox.receive_whatsapp(to=studio.number, sender=LEAD, text=titles[1], type="button")
    system.settle()
    assert "dan laat ik het hierbij" in told(studio)[-1]
    assert system.column("select ended_reason from coach_enrolment") == ["The lead answered that it is enough."]
    assert system.rows("select 1 from refusal_question") == [], "who ends the coaching has not refused all messages"
    assert_promises_hold(system)


def test_who_is_left_alone_is_not_written_to_by_a_model_and_a_trial_says_so(studio: Studio) -> None:
    system = studio.system
    studio.run(plan, [studio.id])
    system.travel_to(MONDAY + timedelta(hours=1))
    left_alone(studio)
    system.travel_to(TUESDAY)
    system.settle()
    assert system.column("select skipped from coach_nudge") == ["paused"]
    assert (said(studio), system.sandbox.questions()) == ([], [])
    assert "paused" in system.app.rehearsal.of(studio.id, "morning_nudge", studio.lead()).skipped
    assert_promises_hold(system)


def test_a_trial_may_ask_the_model_and_sends_nothing(studio: Studio) -> None:
    system, lead = studio.system, studio.lead()
    system.sandbox.script_models({"match": "Write the message", "reply": SAID}, {"reply": "Neem ibuprofen 400 mg."})
    messages = system.column("select count(*) from message")
    rehearsal = system.app.rehearsal
    plain = rehearsal.of(studio.id, "morning_nudge", lead)
    assert (plain.would_ask_model, plain.tokens, plain.draft.written_by) == (True, None, "coach")
    assert (plain.skipped, plain.verdict.action, plain.verdict.form) == ({}, "send", "text")
    assert system.sandbox.questions() == []
    asked = rehearsal.of(studio.id, "morning_nudge", lead, ask_model=True)
    assert (asked.draft.text, asked.draft.written_by, asked.not_by_model) == (SAID, "model", None)
    assert asked.tokens
    bad = rehearsal.of(studio.id, "morning_nudge", lead, ask_model=True)
    assert (bad.draft.written_by, bad.not_by_model) == ("coach", "unusable,medical")
    with system.database.transaction(Scope.fleet()) as connection:
        budgets.set_limit(connection, studio.id, budgets.TOKENS, "hour", 10, "queue")
    assert rehearsal.of(studio.id, "morning_nudge", lead, ask_model=True).not_by_model == "over_budget"
    assert rehearsal.of(studio.id, "morning_nudge", Sample(window_open=False)).not_by_model == "window_closed"
    assert len(system.sandbox.questions()) == 2
    used = "select used, reserved from budget_usage where resource = 'tokens' and period = 'day'"
    assert [tuple(row) for row in system.rows(used)] in ([], [(asked.tokens + (bad.tokens or 0), 0)])
    assert system.column("select count(*) from message") == messages
    assert system.sandbox.effects().get("meta.message_sent", 0) == messages[0] - 1
    assert_promises_hold(system)


def _killed(studio: Studio, moment: int, *, after_commit: bool) -> None:
    system = studio.system
    system.sandbox.script_models({"match": "Write the message", "reply": SAID, "times": None})
    studio.run(plan, [studio.id])
    system.travel_to(TUESDAY)
    dying = MortalDatabase(system.database.url, dies_at=moment, after_commit=after_commit)
    system.settle(dying=dying)
    dying.close()
    assert dying.died, "the story is shorter by now: fewer moments"
    system.clock.skip(timedelta(hours=1))
    system.settle()
    assert len(said(studio)) == 1
    assert len(system.sandbox.questions()) <= 1
    assert wrote(studio) in ([("model", None)], [("coach", "lost")])
    assert_promises_hold(system)


@pytest.mark.parametrize(("moment", "after_commit"), [(4, True), (5, False)])
def test_a_kill_asks_once_and_sends_once(studio: Studio, moment: int, after_commit: bool) -> None:
    _killed(studio, moment, after_commit=after_commit)


@pytest.mark.slow
@pytest.mark.parametrize("after_commit", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("moment", range(1, 10))
def test_a_kill_at_any_commit_asks_once_and_sends_once(studio: Studio, moment: int, after_commit: bool) -> None:
    _killed(studio, moment, after_commit=after_commit)

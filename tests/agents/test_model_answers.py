"""A studio's model answers where no rule does: the whole way through the sandbox, and whatever the model does."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from pilar.agents.defaults import default_agent
from pilar.backplane import budgets
from pilar.database.engine import Scope
from pilar.messaging import conversations
from pilar.workspaces import store as workspaces
from tests.agents.looking import assert_promises_hold, told
from tests.fixtures.opened import LEAD, Studio
from tests.fixtures.system import MortalDatabase, System

ASKED = "Is a protein shake in the evening a good idea?"
SHAKE = "Yes, a shake in the evening is fine: it helps you to recover."


def let_model_answer(studio: Studio, **changes: Any) -> None:
    """The studio's configuration has its model answer."""
    system = studio.system
    with system.database.transaction(Scope.fleet()) as connection:
        _, document = workspaces.load_configuration(connection, studio.id)
        agent = (document.agent or default_agent(document.studio)).model_copy(update={"answers": "model", **changes})
        document = document.model_copy(update={"agent": agent})
        workspaces.save_configuration(
            connection, studio.id, document, changed_by="owner:1", note="", now=system.business.now()
        )


def passes(studio: Studio, **time: float) -> None:
    """Business time passes, and all that is due happens."""
    studio.system.travel_to(studio.system.business.now() + timedelta(**time))
    studio.system.settle()


def asks(studio: Studio, *texts: str) -> None:
    """A lead writes all of that, and waits for an answer."""
    for text in texts:
        studio.writes(text)
    passes(studio, seconds=10)


def turns(system: System, columns: str = "state, reason") -> list[tuple[Any, ...]]:
    return [tuple(row) for row in system.rows(f"select {columns} from model_turn order by id")]


def test_a_burst_is_answered_once_with_what_the_model_may_know(studio: Studio) -> None:
    system = studio.system
    let_model_answer(studio)
    system.sandbox.script_models({"match": "recover", "reply": SHAKE})
    asks(studio, ASKED, "And is it all right at night?", "I want to recover well")
    assert told(studio) == [SHAKE]
    assert turns(system) == [("answered", None)]
    [question] = system.sandbox.questions()
    assert question["messages"] == [
        {"role": "user", "text": f"{ASKED}\nAnd is it all right at night?\nI want to recover well"}
    ]
    for known in ("Opening hours: Monday", "Studio Noord", "training, nutrition, goals", "in English"):
        assert known in question["system"]
    assert LEAD not in question["system"]
    assert system.column("select state from message where left(origin, 6) = 'model:'") == ["read"]
    used = system.rows("select input_tokens, output_tokens from model_turn")[0]
    counted = "select used, reserved from budget_usage where resource = 'tokens' and period = 'day'"
    assert [tuple(row) for row in system.rows(counted)] in ([], [(sum(used), 0)])
    # The next turn knows what was said in this one; what a rule answers, the model is not asked.
    system.sandbox.script_models({"match": "banana", "reply": "A banana is a good snack for you."})
    asks(studio, "Wat kost een abonnement?", "And a banana?")
    roles = [one["role"] for one in system.sandbox.questions()[-1]["messages"]]
    assert len(system.sandbox.questions()) == 2
    assert roles == ["user", "assistant", "user", "assistant", "user"]
    assert_promises_hold(system)


def test_nobody_asks_a_model_that_the_studio_did_not_switch_on(studio: Studio) -> None:
    asks(studio, ASKED)
    assert studio.system.sandbox.questions() == []
    assert "een collega kijkt ernaar" in told(studio)[0]
    assert_promises_hold(studio.system)


def test_tools_are_used_and_a_bad_answer_is_written_once_more(studio: Studio) -> None:
    system = studio.system
    let_model_answer(studio)
    system.sandbox.script_models(
        {"match": "protein", "call": {"name": "free_slots", "arguments": {"days": 5}}},
        {"reply": "You have a knee injury: call Bob on +31 6 99999999."},
        {
            "match": "can't be sent.*medical claim.*phone number",
            "reply": "There is room on Tuesday for you. When can you come?",
        },
    )
    asks(studio, ASKED)
    assert told(studio) == ["There is room on Tuesday for you. When can you come?"]
    questions = system.sandbox.questions()
    assert len(questions) == 3
    assert re.match(r"\w+day \d+ \w+ at \d\d:\d\d; ", questions[1]["messages"][-1]["text"])
    assert_promises_hold(system)


@pytest.mark.parametrize(
    ("scripts", "reason"),
    [
        ([{"call": {"name": "hand_over", "arguments": {"reason": "It is about a contract."}}}], "asked_for_person"),
        ([{"refusal": "No."}], "declined"),
        ([{"reply": "Take ibuprofen 400 mg.", "times": 2}], "unusable"),
        ([{"error": "overloaded", "times": None}], "away"),
        ([{"error": "invalid_key", "times": None}], "not_configured"),
    ],
)  # fmt: skip
def test_a_person_answers_where_the_model_does_not(studio: Studio, scripts: list[Any], reason: str) -> None:
    let_model_answer(studio)
    studio.system.sandbox.script_models(*scripts)
    asks(studio, ASKED)
    assert turns(studio.system) == [("handed_over", reason)]
    assert told(studio) == ["Ik geef het door: iemand van Studio Noord antwoordt je hier."]
    assert studio.system.column("select mode from conversation where mode = 'person'") == ["person"]
    asks(studio, "Are you there?")  # the bot is silent now
    assert len(told(studio)) == 1
    assert_promises_hold(studio.system)


def test_a_used_up_budget_asks_nobody_and_tells_the_lead_by_the_studios_policy(studio: Studio) -> None:
    let_model_answer(studio, when_away="fallback")
    with studio.system.database.transaction(Scope.fleet()) as connection:
        budgets.set_limit(connection, studio.id, budgets.TOKENS, "hour", 10, "queue")
    asks(studio, ASKED)
    assert turns(studio.system) == [("dropped", "over_budget")]
    assert studio.system.sandbox.questions() == []
    assert "een collega kijkt ernaar" in told(studio)[0]
    assert studio.system.column("select unread from conversation where mode = 'bot' and unread > 0") == [1]
    assert_promises_hold(studio.system)


def test_what_the_model_would_say_is_dropped_where_a_person_took_over_or_the_lead_wants_no_more(studio: Studio) -> None:
    let_model_answer(studio)
    studio.writes(ASKED)
    studio.run(conversations.take_over, studio.id, studio.lead(), "owner:1")
    passes(studio, seconds=10)
    studio.writes(ASKED, sender="+31687654321")
    studio.writes("STOP", sender="+31687654321")
    passes(studio, seconds=10)
    assert turns(studio.system) == [("dropped", "a person answers"), ("dropped", "the lead opted out")]
    assert studio.system.sandbox.questions() == []
    assert_promises_hold(studio.system)


@pytest.mark.slow
@pytest.mark.parametrize("after_commit", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("moment", range(1, 10))
def test_a_kill_at_any_commit_of_the_answer_says_one_thing(studio: Studio, moment: int, after_commit: bool) -> None:
    system = studio.system
    let_model_answer(studio)
    system.sandbox.script_models({"match": "protein", "reply": SHAKE, "times": None})
    studio.writes(ASKED)
    system.business.advance(timedelta(seconds=10))
    dying = MortalDatabase(system.database.url, dies_at=moment, after_commit=after_commit)
    system.settle(dying=dying)
    dying.close()
    assert dying.died, "the story is shorter by now: fewer moments"
    assert told(studio) == [SHAKE]
    assert turns(system) == [("answered", None)]
    assert 1 <= len(system.sandbox.questions()) <= 2
    assert_promises_hold(system)

"""Messages in and out through the sandbox's WhatsApp: what a lead asks for is done, once, and nothing else is sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from pilar.backplane.facts import Cause
from pilar.database.engine import Scope
from pilar.errors import Conflict, OutcomeUnknown
from pilar.messaging import controls, conversations
from pilar.messaging.activity import refresh_activity
from pilar.messaging.decisions import Facts, Verdict
from pilar.messaging.outbox import NewMessage, queue_message
from pilar.messaging.verdict import decide
from pilar.providers.whatsapp.client import GraphClient
from tests.fixtures.opened import LEAD, Studio, open_studio
from tests.fixtures.system import MortalDatabase, System

OTHER = "+31687654321"


def _nudge(studio: Studio, lead: UUID, cause: str = "nudge:1", **changes: Any) -> None:
    usual: dict[str, Any] = {
        "lead_id": lead, "category": "marketing", "origin": "coach:test", "cause": cause, "text": "Good morning!",
        "template": "coach_nudge", "parameters": ("Anna", "Studio Noord"),
    }  # fmt: skip
    studio.run(queue_message, studio.id, NewMessage(**(usual | changes)), Cause.new())


def _assert_promises(system: System) -> None:
    now = {"real_now": system.clock.now(), "business_now": system.business.now()}
    with system.database.transaction(Scope.fleet()) as connection:
        for invariant in system.app.invariants:
            wanted = {name: value for name, value in now.items() if f":{name}" in invariant.query}
            assert connection.execute(text(invariant.query), wanted).all() == [], invariant.promise
    assert system.column("select error from dead_letter") == []
    sent = {key: n for key, n in system.sandbox.effects_by_key().items() if key[0] == "meta.message_sent"}
    assert set(sent.values()) <= {1}, "a message was sent twice"


def test_the_owner_gets_a_test_message_before_the_studio_opens(studio: Studio) -> None:
    system = studio.system
    assert system.rows("select kind, state, template_name from message where origin = 'test'") == [
        ("template", "read", "number_test")
    ]
    assert set(system.column("select state from message_template")) == {"approved"}
    assert system.column("select lifecycle from lead") == ["staff"]
    _assert_promises(system)


def test_a_message_is_stored_once_however_often_it_is_delivered(studio: Studio) -> None:
    studio.writes("What does it cost?", repeat=2)
    studio.system.sandbox.receive_delivery(
        [
            {"to": studio.number, "messages": [{"from": LEAD, "text": "Hello?"}, {"from": OTHER, "text": "Hi"}]},
            {"to": studio.number, "messages": [{"from": OTHER, "text": "", "type": "reaction"}]},
        ],
        repeat=2,
    )
    studio.system.settle()
    system = studio.system
    assert system.column("select count(*) from message where direction = 'in'") == [4]
    assert system.column("select count(*) from lead where lifecycle = 'lead'") == [2]
    assert system.column("select type from autopilot_event where type = 'message.received'") == ["message.received"] * 4
    _assert_promises(system)


def test_who_says_stop_gets_one_confirmation_and_never_another_message(studio: Studio) -> None:
    studio.writes("Hi")
    lead = studio.lead()
    studio.agrees(lead)
    studio.run(controls.begin, "pause", workspace_id=studio.id, channel=None, reason="drill", actor="test")
    _nudge(studio, lead)
    assert studio.out() == [("coach:test", "held")]
    studio.writes("Stop maar met berichten")
    studio.run(controls.end, "pause", workspace_id=studio.id, channel=None, actor="test")
    assert studio.out() == [("coach:test", "cancelled"), ("notice:opted_out", "read")]
    _nudge(studio, lead, "nudge:2")
    studio.writes("STOP")
    assert studio.out()[2:] == [("coach:test", "refused")]
    with pytest.raises(Conflict, match="no more messages"):
        studio.run(conversations.answer, studio.id, lead, "Sorry!", "owner:1", form_id="f1")
    assert studio.system.sandbox.effects().get("meta.message_after_stop", 0) == 0
    _assert_promises(studio.system)


def test_who_comes_back_with_start_is_answered_again(studio: Studio) -> None:
    studio.writes("stop")
    studio.writes("START")
    lead = studio.lead()
    assert studio.run(conversations.answer, studio.id, lead, "Welcome back", "owner:1", form_id="f1")
    assert studio.out()[-1] == ("staff:owner:1", "read")
    _assert_promises(studio.system)


def test_a_person_takes_over_answers_once_per_form_and_the_bot_is_silent_meanwhile(studio: Studio) -> None:
    system = studio.system
    studio.writes("Ik wil een medewerker spreken")
    lead = studio.lead()
    assert system.rows("select mode, mode_reason, unread from conversation where mode = 'person'") == [
        ("person", "The lead asked for a person.", 1)
    ]
    assert studio.out() == [("notice:handed_over", "read")]
    studio.writes("Hallo?")
    assert system.column("select count(*) from autopilot_event where type = 'message.received'") == [0]
    _nudge(studio, lead, category="service", reply_to=None)
    assert studio.out()[-1] == ("coach:test", "refused")
    for _ in range(2):
        studio.run(conversations.answer, studio.id, lead, "Hoi, met Sanne!", "owner:1", form_id="f1")
    assert studio.out()[2:] == [("staff:owner:1", "read")]
    assert studio.run(conversations.hand_back, studio.id, lead, "owner:1")
    studio.writes("Dank!")
    assert system.column("select count(*) from autopilot_event where type = 'message.received'") == [1]
    _assert_promises(system)


def test_a_nudge_is_text_inside_the_window_a_template_outside_and_refused_at_night(studio: Studio) -> None:
    system = studio.system
    studio.writes("Hi")
    lead = studio.lead()
    _nudge(studio, lead, "nudge:0")
    studio.agrees(lead)
    _nudge(studio, lead, "nudge:1")
    system.travel_to(system.business.now() + timedelta(hours=25))
    _nudge(studio, lead, "nudge:2")
    system.travel_to(system.business.now().replace(hour=22))
    _nudge(studio, lead, "nudge:3")
    assert studio.out("state, kind, verdict -> 'decision' -> 'reasons' -> 0 ->> 'code'") == [
        ("refused", "text", "no_consent"),
        ("read", "text", None),
        ("read", "template", None),
        ("refused", "text", "quiet_hours"),
    ]
    with pytest.raises(Conflict, match="window is closed"):
        studio.run(conversations.answer, studio.id, lead, "Hello", "owner:1", form_id="f1")
    for stored in system.column("select verdict from message where verdict is not null"):
        assert decide(Facts.model_validate(stored["facts"])) == Verdict.model_validate(stored["decision"])
    _assert_promises(system)


def test_a_window_that_only_we_take_for_open_is_corrected_and_the_template_goes(studio: Studio) -> None:
    system = studio.system
    studio.writes("Hi")
    lead = studio.lead()
    studio.agrees(lead)
    system.travel_to(system.business.now() + timedelta(hours=25))
    with system.database.transaction(Scope.fleet()) as connection:  # our copy says otherwise
        connection.execute(text("update conversation set last_inbound_at = last_message_at + interval '20 hours'"))
    _nudge(studio, lead)
    assert studio.out("state, kind, error_code") == [("failed", "text", "131047"), ("read", "template", None)]
    _assert_promises(system)


def test_a_pause_of_the_fleet_holds_everything_and_lets_it_go_in_the_end(studio: Studio) -> None:
    other = open_studio(studio.system, "Studio Zuid")
    studio.run(controls.begin, "pause", workspace_id=None, channel=None, reason="drill", actor="founder")
    assert not studio.run(controls.begin, "pause", workspace_id=None, channel=None, reason="again", actor="founder")
    for place in (studio, other):
        place.writes("Ik wil een medewerker spreken")
    assert [row[1] for row in studio.out()] == ["held", "held"]
    assert studio.run(controls.end, "pause", workspace_id=None, channel=None, actor="founder")
    assert [row[1] for row in studio.out()] == ["read", "read"]
    actions = studio.system.column(
        "select action from audit_log where starts_with(action, 'messaging.') order by position"
    )
    assert actions == ["messaging.pause_begun", "messaging.pause_ended"]
    _assert_promises(studio.system)


def test_a_dry_run_decides_and_records_and_sends_nothing(studio: Studio) -> None:
    before = studio.system.sandbox.effects()["meta.message_sent"]
    studio.run(controls.begin, "dry_run", workspace_id=studio.id, channel="whatsapp", reason="trial", actor="owner:1")
    studio.writes("Ik wil een medewerker spreken")
    assert studio.out("state, verdict -> 'decision' ->> 'form'") == [("dry_run", "text")]
    assert studio.system.sandbox.effects()["meta.message_sent"] == before
    used = studio.system.column("select sum(used + reserved) from budget_usage where resource = 'messages'")
    assert used == [2], "only the test message counts, in its hour and its day"
    _assert_promises(studio.system)


def test_a_used_up_budget_holds_messages_until_it_resets(studio: Studio) -> None:
    system = studio.system
    with system.database.transaction(Scope.fleet()) as connection:
        connection.execute(text("update budget_limit set amount = 0 where resource = 'messages' and period = 'hour'"))
    studio.writes("Ik wil een medewerker spreken")
    assert studio.out() == [("notice:handed_over", "held")]
    with system.database.transaction(Scope.fleet()) as connection:
        connection.execute(text("update budget_limit set amount = 9 where resource = 'messages' and period = 'hour'"))
    system.travel_to(system.business.now() + timedelta(hours=1))
    system.settle()
    assert studio.out() == [("notice:handed_over", "read")]
    _assert_promises(system)


def test_a_send_whose_outcome_is_unknown_is_settled_by_its_status(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = GraphClient.send_text
    cut = []

    def accept_then_time_out(*arguments: Any, **named: Any) -> str:
        wamid = send(*arguments, **named)
        if not cut:
            cut.append(wamid)
            raise OutcomeUnknown("The connection failed.")
        return wamid

    studio.writes("Hi")
    lead = studio.lead()
    studio.agrees(lead)
    monkeypatch.setattr(GraphClient, "send_text", accept_then_time_out)
    _nudge(studio, lead)
    assert studio.out("state, provider_message_id") == [("read", cut[0])]
    assert studio.system.column("select state from effect where kind = 'whatsapp.send'") == ["confirmed"] * 3
    _assert_promises(studio.system)


def test_activity_tells_a_studios_day_and_the_same_whoever_asks(studio: Studio) -> None:
    studio.writes("Ik wil een medewerker spreken")
    studio.writes("stop", sender=OTHER)
    rows = []
    for _ in range(2):
        studio.run(refresh_activity, [studio.id])
        rows.append(studio.system.rows(
            "select day, messages_in, messages_out, refused, failed, replies, opted_out, reply_p50_ms,"
            " reply_p95_ms from analytics.messaging_day order by day"
        ))  # fmt: skip
    assert rows[0] == rows[1]
    assert rows[0][-1][1:7] == (2, 2, 0, 0, 2, 1)
    assert 0 < rows[0][-1][7] <= rows[0][-1][8]


@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize("moment", [pytest.param(n, marks=[pytest.mark.slow] * (n != 3)) for n in range(1, 8)])
def test_a_kill_at_any_commit_loses_no_message_and_sends_none_twice(
    studio: Studio, moment: int, after_commit: bool
) -> None:
    system = studio.system
    system.sandbox.receive_whatsapp(to=studio.number, sender=LEAD, text="Ik wil een medewerker spreken")
    dying = MortalDatabase(system.database.url, dies_at=moment, after_commit=after_commit)
    system.settle(dying=dying)
    dying.close()
    assert studio.out() == [("notice:handed_over", "read")]
    _assert_promises(system)

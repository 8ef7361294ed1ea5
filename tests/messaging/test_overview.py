"""What pages are told of conversations and messages, and why a message was not sent."""

from __future__ import annotations

from datetime import UTC, timedelta
from uuid import UUID

import pytest

from pilar.backplane.facts import Cause
from pilar.database.engine import Scope
from pilar.errors import Conflict, NotFound, TooManyRequests
from pilar.ids import new_id
from pilar.messaging import controls, conversations, number_test, overview, store
from pilar.messaging.activity import refresh_activity
from pilar.messaging.decisions import Facts
from pilar.messaging.outbox import NewMessage, queue_message
from pilar.messaging.overview import Conversation, Mode, Place, Thread, filled
from pilar.messaging.verdict import decide
from pilar.messaging.why import Why, why
from tests.fixtures.opened import LEAD, Studio
from tests.fixtures.studios import add_studio

OTHER, THIRD = "+31687654321", "+31611111111"


def listed(
    studio: Studio, *, mode: Mode | None = None, after: Place | None = None, limit: int = 10
) -> list[Conversation]:
    with studio.system.database.transaction(Scope.workspace(studio.id)) as connection:
        now = studio.system.business.now()
        return overview.list_conversations(connection, studio.id, now, mode=mode, after=after, limit=limit)


def read(studio: Studio, lead: UUID, *, older_than: UUID | None = None, limit: int = 50) -> Thread:
    with studio.system.database.transaction(Scope.workspace(studio.id)) as connection:
        now = studio.system.business.now()
        return overview.thread(connection, studio.id, lead, now, older_than=older_than, limit=limit)


def asked(studio: Studio, message_id: UUID) -> Why:
    with studio.system.database.transaction(Scope.workspace(studio.id)) as connection:
        return why(connection, studio.id, message_id)


def test_who_waits_for_a_person_comes_first_and_then_the_newest(studio: Studio) -> None:
    studio.writes("I want to speak to a person", sender=OTHER)
    studio.writes("Hi", sender=THIRD)
    studio.writes("What does it cost?")
    found = listed(studio)
    assert [(one.phone, one.waits, one.mode) for one in found[:3]] == [
        (OTHER, True, "person"),
        (LEAD, False, "bot"),
        (THIRD, False, "bot"),
    ]
    assert [one.is_staff for one in found] == [False, False, False, True]
    assert (found[1].last_is_ours, found[1].unread) == (True, 0)  # a rule has answered
    assert (found[0].last_is_ours, found[0].unread) == (True, 1)  # they were told that somebody will
    assert (found[3].last_words, found[3].last_kind, found[3].window_closes_at) == (None, "number_test", None)
    assert found[1].window_closes_at is not None
    assert [one.phone for one in listed(studio, mode="person")] == [OTHER]
    with studio.system.database.transaction(Scope.workspace(studio.id)) as connection:
        assert overview.count_conversations(connection, studio.id) == {"bot": 3, "person": 1, "waits": 1}


def test_the_list_goes_on_where_the_page_before_ended_whoever_is_answered_meanwhile(studio: Studio) -> None:
    studio.writes("I want to speak to a person", sender=OTHER)
    studio.writes("I want to speak to a person", sender=THIRD)
    studio.writes("Hi")
    everybody = [one.lead_id for one in listed(studio)]
    first = listed(studio, limit=1)
    studio.run(conversations.answer, studio.id, first[0].lead_id, "Here I am", "owner:1", form_id="f")
    rest = listed(studio, after=first[-1].place)
    assert [one.lead_id for one in rest if one.lead_id != first[0].lead_id] == everybody[1:]


def test_a_thread_tells_what_was_written_what_became_of_it_and_who_answers(studio: Studio) -> None:
    studio.writes("Ik wil een medewerker spreken")
    lead = studio.lead()
    studio.run(conversations.answer, studio.id, lead, "Hoi, met Sanne!", "owner:1", form_id="f")
    shown = read(studio, lead)
    assert (shown.mode, shown.mode_reason) == ("person", "The lead asked for a person.")
    assert [(one.is_ours, one.origin, one.state) for one in shown.messages] == [
        (False, "lead", "received"),
        (True, "notice:handed_over", "read"),
        (True, "staff:owner:1", "read"),
    ]
    assert {status for status, _ in shown.messages[2].statuses} == {"sent", "delivered", "read"}
    assert shown.messages[2].why == ()
    assert shown.objection is None
    assert shown.window_closes_at is not None
    newest = read(studio, lead, limit=2)
    assert [one.id for one in newest.messages] == [one.id for one in shown.messages[1:]]
    before = read(studio, lead, older_than=newest.older_than, limit=2)
    assert [one.id for one in before.messages] == [shown.messages[0].id]
    assert before.older_than is None


def test_a_thread_tells_why_nobody_can_answer(studio: Studio) -> None:
    studio.writes("Hi")
    lead = studio.lead()
    studio.system.travel_to(studio.system.business.now() + timedelta(hours=25))
    assert "window is closed" in str(read(studio, lead).objection)
    assert read(studio, lead).window_closes_at is None
    studio.writes("stop")
    shown = read(studio, lead)
    assert (shown.objection, shown.opted_out) == ("This lead asked for no more messages.", "all")


def test_a_template_is_shown_in_the_words_that_the_lead_read(studio: Studio) -> None:
    system = studio.system
    owner = UUID(str(system.column("select id from lead where lifecycle = 'staff'")[0]))
    [test] = read(studio, owner).messages
    assert test.template == "number_test"
    assert "Studio Noord" in str(test.words)
    assert "{{" not in str(test.words)
    assert filled("Hi {{1}}, {{2}} and {{3}}", ("Anna", "Bo")) == "Hi Anna, Bo and {{3}}"


def test_a_refused_message_says_why_and_the_same_facts_say_the_same_again(studio: Studio) -> None:
    studio.writes("Hi")
    lead = studio.lead()
    nudge = NewMessage(lead, "marketing", "coach:test", "nudge", text="Good morning!", template="coach_nudge")
    message_id = studio.run(queue_message, studio.id, nudge, Cause.new())
    assert read(studio, lead).messages[-1].why == ("The lead has not agreed to be written to unasked.",)
    told = asked(studio, message_id)
    assert (told.state, told.is_the_same) == ("refused", True)
    assert told.facts is not None
    assert decide(told.facts) == told.decision
    changed = {"verdict": {"facts": told.facts.model_dump(mode="json"), "decision": {"action": "send", "form": "text"}}}
    with studio.system.database.transaction(Scope.fleet()) as connection:
        store.change_message(connection, studio.id, message_id, changed)
    assert asked(studio, message_id).is_the_same is False


def test_why_is_asked_of_our_own_messages_and_of_ones_own_studio_only(studio: Studio) -> None:
    studio.writes("Hi")
    theirs = read(studio, studio.lead()).messages[0].id
    with pytest.raises(NotFound, match="A lead wrote"):
        asked(studio, theirs)
    [test] = studio.system.column("select id from message where origin = 'test'")
    other = add_studio(studio.system.database)
    with studio.system.database.transaction(Scope.workspace(other)) as connection, pytest.raises(NotFound):
        why(connection, studio.id, test)


def test_nothing_is_decided_yet_about_what_is_queued(studio: Studio) -> None:
    studio.writes("Hi")
    system = studio.system
    new = NewMessage(studio.lead(), "service", "rule:1", "answer", text="Hello!")
    with system.database.transaction(Scope.fleet()) as connection:
        message_id = queue_message(connection, system.app.clocks, studio.id, new, Cause.new())
    assert message_id is not None
    told = asked(studio, message_id)
    assert (told.state, told.facts, told.decision, told.is_the_same) == ("queued", None, None, None)


def test_a_dry_run_and_a_pause_say_so_on_what_they_keep_back(studio: Studio) -> None:
    studio.writes("Hi")
    lead = studio.lead()
    studio.run(controls.begin, "dry_run", workspace_id=None, channel=None, reason="drill", actor="admin:1")
    studio.run(conversations.answer, studio.id, lead, "Hello!", "owner:1", form_id="f1")
    studio.run(controls.begin, "pause", workspace_id=studio.id, channel="whatsapp", reason="moving", actor="owner:1")
    studio.run(conversations.answer, studio.id, lead, "Hello again!", "owner:1", form_id="f2")
    dry, held = read(studio, lead).messages[-2:]
    assert (dry.state, held.state) == ("dry_run", "held")
    assert "dry run" in dry.why[0].lower()
    assert "moving" in held.why[0]
    with studio.system.database.transaction(Scope.fleet()) as connection:
        over = [(one.kind, one.workspace_id) for one in controls.over_studio(connection, studio.id)]
        [(name, alone)] = controls.in_studios(connection, limit=10)
        assert over == [("pause", studio.id), ("dry_run", None)]
        assert (name, alone.reason) == ("Studio Noord", "moving")
        assert [one.kind for one in controls.in_force(connection, None)] == ["dry_run"]
        with pytest.raises(NotFound):
            controls.begin(
                connection, studio.system.app.clocks, "pause", workspace_id=new_id(), channel=None, reason="", actor="x"
            )


def test_the_days_without_messages_are_there_too(studio: Studio) -> None:
    studio.writes("Hi")
    today = studio.system.business.now().astimezone(UTC).date()
    studio.run(refresh_activity, [studio.id])
    with studio.system.database.transaction(Scope.workspace(studio.id)) as connection:
        days = overview.last_days(connection, studio.id, today, days=14)
    assert [one.day for one in days] == [today - timedelta(days=13 - number) for number in range(14)]
    assert (days[-1].messages_in, days[0].messages_in, days[0].refreshed_at) == (1, 0, None)


def test_a_test_message_is_asked_for_once_per_form_and_three_times_an_hour(studio: Studio) -> None:
    def ask(form: str) -> bool:
        return bool(studio.run(number_test.ask_for_test, studio.id, occasion=form, actor="owner:1"))

    assert [ask(form) for form in ("1", "1", "2", "3", "3")] == [True, False, True, True, False]
    with pytest.raises(TooManyRequests):
        ask("4")
    assert studio.system.column("select count(*) from message where origin = 'test'") == [4]
    with studio.system.database.transaction(Scope.fleet()) as connection:
        last = number_test.last_test(connection, studio.id)
    assert last is not None
    assert last.state == "read"
    assert studio.system.column("select count(*) from audit_log where action = 'messaging.test_asked_for'") == [3]


def test_without_an_owners_number_there_is_nobody_to_test_it_with(studio: Studio) -> None:
    with studio.system.database.transaction(Scope.fleet()) as connection:
        connection.exec_driver_sql("update person set phone = null")
        assert number_test.last_test(connection, studio.id) is None
    with pytest.raises(Conflict, match="no phone number"):
        studio.run(number_test.ask_for_test, studio.id, occasion="1", actor="owner:1")


def test_facts_of_an_older_release_are_decided_on_with_todays_defaults() -> None:
    facts = Facts.model_validate({"now": "2026-03-02T09:00:00Z", "category": "service"})
    assert decide(facts).action == "refuse"

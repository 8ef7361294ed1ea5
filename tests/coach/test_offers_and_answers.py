"""What the coach asks is answered: check-ins are kept, times that are offered are booked, goals are shown."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pilar.agents import slot_offers
from pilar.coach import goals
from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.messaging import erasing
from pilar.workspaces import store as workspaces
from pilar.workspaces.configuration import CoachSchedule
from tests.agents.looking import assert_promises_hold, told
from tests.coach.test_story import MONDAY, TUESDAY, WEDNESDAY, asks_for_coaching, day_comes
from tests.fixtures.opened import LEAD, Studio

OTHER = "+31687654321"


@pytest.fixture
def studio(opened_studio: Studio) -> Studio:
    """A studio in Utrecht on a Monday morning."""
    opened_studio.system.travel_to(MONDAY)
    return opened_studio


def coaches(studio: Studio, kind: str, **changes: Any) -> UUID:
    """The studio has one kind of nudge alone, at eight each day; a lead is coached."""
    system = studio.system
    with system.database.transaction(Scope.fleet()) as connection:
        _, document = workspaces.load_configuration(connection, studio.id)
        schedule = CoachSchedule(type=f"coach.{kind}", cron="0 8 * * *")
        coaching = document.coaching.model_copy(update={"schedules": (schedule,), **changes})
        document = document.model_copy(update={"coaching": coaching})
        workspaces.save_configuration(
            connection, studio.id, document, changed_by="owner:1", note="", now=system.business.now()
        )
    return asks_for_coaching(studio)


def chooses(studio: Studio, choice: str, title: str, sender: str = LEAD) -> None:
    """A lead presses a button."""
    fields = {"type": "button_reply", "button_reply": {"id": choice, "title": title}}
    studio.system.sandbox.receive_whatsapp(
        to=studio.number, sender=sender, text=title, type="interactive", fields=fields
    )
    studio.system.settle()


def missed(studio: Studio, lead: UUID, at: Any) -> None:
    """The lead had booked and did not come, in a studio that records trainings."""
    with studio.system.database.transaction(Scope.fleet()) as connection:
        kind = connection.exec_driver_sql("select id from booking_event_type where slug = 'personal-training'").scalar()
        until = at + timedelta(hours=1)
        connection.exec_driver_sql(
            "insert into booking (workspace_id, id, event_type_id, lead_id, starts_at, ends_at, busy_from, busy_until,"
            " state, source, cause, created_at) values (%s, %s, %s, %s, %s, %s, %s, %s, 'booked', 'test', 'test', %s)",
            (studio.id, new_id(), kind, lead, at, until, at, until, at - timedelta(days=1)),
        )
        connection.exec_driver_sql(
            "insert into coach_training (workspace_id, lead_id, trained_at, source, recorded_at) values (%s, %s, %s, 'api', %s)",
            (studio.id, lead, at - timedelta(days=2), at),
        )
        connection.exec_driver_sql(
            "insert into coach_state (workspace_id, lead_id, last_training_at) values (%s, %s, %s)",
            (studio.id, lead, at - timedelta(days=2)),
        )


def test_a_checkin_is_answered_and_kept_once(studio: Studio) -> None:
    lead = coaches(studio, "weekly_checkin")
    system = studio.system
    day_comes(studio, TUESDAY)
    assert "Hoe vaak heb je getraind" in told(studio)[-1]
    studio.writes("Wat kost een abonnement?")
    assert system.rows("select 1 from coach_checkin") == [], "a question is no answer"
    studio.writes("Drie keer, ging lekker")
    assert system.rows("select lead_id, trainings, feeling from coach_checkin") == [(lead, 3, 4)]
    assert "Genoteerd: 3 trainingen deze week." in told(studio)[-1]
    studio.writes("2 keer")
    assert system.column("select trainings from coach_checkin") == [3], "it was answered already"
    assert system.column("select count(*) from coach_training") == [0], "what a lead tells is no recorded training"
    assert_promises_hold(system)


def test_what_was_told_and_offered_is_exported_and_gone_once_the_lead_is_erased(studio: Studio) -> None:
    lead = coaches(studio, "weekly_checkin")
    system, app = studio.system, studio.system.app
    day_comes(studio, TUESDAY)
    studio.writes("Drie keer, ging lekker")
    studio.run(slot_offers.offer, studio.id, lead, "personal-training", cause="test")
    both = "select (select count(*) from coach_checkin), (select count(*) from slot_offer)"
    assert [tuple(row) for row in system.rows(both)] == [(1, 1)]
    with system.database.transaction(Scope.fleet()) as connection:
        shown = json.dumps(erasing.export(connection, app.clocks, app.people, studio.id, lead, actor="owner:1"))
        assert '"feeling": 4' in shown and '"event_type": "personal-training"' in shown
        erasing.ask(connection, app.clocks, studio.id, lead, actor="owner:1")
    system.settle()
    assert [tuple(row) for row in system.rows(both)] == [(0, 0)]
    assert_promises_hold(system)


def test_a_template_asks_nothing_and_a_number_goes_to_what_was_asked_last(studio: Studio) -> None:
    coaches(studio, "weekly_checkin")
    system = studio.system
    day_comes(studio, TUESDAY)
    offered = (slot_offers.offer, studio.id, studio.lead(), "personal-training")
    system.travel_to(TUESDAY + timedelta(minutes=5))
    studio.run(*offered, cause="test")
    studio.writes("2")
    assert system.column("select source from booking") == ["offer"]
    day_comes(studio, WEDNESDAY + timedelta(hours=1))
    system.travel_to(WEDNESDAY + timedelta(days=1))
    day_comes(studio, WEDNESDAY + timedelta(days=2))
    assert system.column("select kind from message where left(origin, 6) = 'coach:' order by id")[-1] == "template"
    studio.writes("3 keer")
    assert system.rows("select 1 from coach_checkin") == []


def test_who_missed_a_training_is_told_which_and_books_one_of_three_times(studio: Studio) -> None:
    lead = coaches(studio, "missed_training_nudge", offers="personal-training")
    system = studio.system
    missed(studio, lead, MONDAY + timedelta(hours=2))
    system.travel_to(MONDAY + timedelta(hours=5))
    studio.writes("Hoi")
    system.travel_to(TUESDAY - timedelta(hours=1))  # what was missed is planned shortly before
    day_comes(studio, TUESDAY)
    [nudge] = [one for one in told(studio) if "misten" in one]
    assert "Personal training, maandag 3 maart om 12:00" in nudge
    assert "\n1) " in nudge and "\n3) " in nudge and "\n4) " not in nudge
    [(offer, slots, details)] = system.rows(
        "select o.id, o.slots, m.details from slot_offer o, message m where m.origin = 'coach:missed_training_nudge'"
    )
    assert len(slots) == 3
    titles = [one["title"] for one in details["buttons"]]
    assert len(set(titles)) == 3 and max(map(len, titles)) <= 20
    chooses(studio, f"slot:{offer}:2", titles[1])
    booked = "select starts_at, lead_id, source from booking where source = 'offer'"
    assert system.rows(booked) == [(datetime.fromisoformat(slots[1]), lead, "offer")]
    chooses(studio, f"slot:{offer}:1", titles[0])
    assert len(system.rows(booked)) == 1, "one offer is one booking"
    assert "al een plek" in told(studio)[-1]
    assert_promises_hold(system)


def test_two_leads_can_not_have_the_same_time_and_an_offer_expires(studio: Studio) -> None:
    system = studio.system
    rule = {
        "type": "call_function", "function": "offer_slots",
        "texts": {"nl": "Kies:\n{slots}", "en": "Choose:\n{slots}"},
    }  # fmt: skip
    with system.database.transaction(Scope.fleet()) as connection:
        connection.exec_driver_sql(
            "update ai_rule set actions = jsonb_build_array(%s::jsonb), variants = '{}' where name = 'trial'",
            (json.dumps(rule),),
        )
    for sender in (LEAD, OTHER):
        studio.writes("Proeftraining", sender=sender)
        assert "1) " in told(studio, sender)[-1]
    studio.writes("1")
    studio.writes("1", sender=OTHER)
    assert system.column("select count(*) from booking where source = 'offer'") == [1]
    assert "niet meer vrij" in told(studio, OTHER)[-1] and "1) " in told(studio, OTHER)[-1]
    studio.writes("2", sender=OTHER)
    assert system.column("select count(distinct starts_at) from booking where source = 'offer'") == [2]
    studio.writes("Proeftraining", sender=OTHER)
    offer = system.column("select id from slot_offer order by made_at, id")[-1]
    system.travel_to(system.business.now() + timedelta(hours=25))
    chooses(studio, f"slot:{offer}:1", "1", sender=OTHER)
    assert "verlopen" in told(studio, OTHER)[-1]
    assert system.column("select count(*) from booking where source = 'offer'") == [2]
    assert_promises_hold(system)


def test_a_goals_report_goes_with_its_picture_and_without_one_outside_the_window(studio: Studio) -> None:
    lead = coaches(studio, "goal_progress_report")
    system = studio.system
    steps = [goals.NewMilestone("vijf kilometer", MONDAY.date())]
    wanted = goals.NewGoal(type="endurance", target="Tien kilometer", progress=40, milestones=steps)
    studio.run(goals.set_goal, studio.id, lead, wanted, actor="owner:1")
    day_comes(studio, TUESDAY)
    [media] = system.sandbox.objects("meta.media")
    assert media["mime_type"] == "image/png"
    assert system.sandbox.effects().get("meta.media_uploaded") == 1
    sent = "select kind, state, text, details -> 'picture' ->> 'progress' from message where left(origin, 6) = 'coach:' order by id"
    [(kind, state, words, progress)] = system.rows(sent)
    assert (kind, state, progress) == ("text", "read", "40") and "Tien kilometer" in words
    day_comes(studio, WEDNESDAY)
    assert [row.kind for row in system.rows(sent)] == ["text", "template"]
    assert system.sandbox.effects().get("meta.media_uploaded") == 1, "a template has no picture"
    [said] = [one["text"] for one in system.sandbox.objects("meta.message") if one.get("template")][-1:]
    assert "Tien kilometer" in said and "40 %" in said
    assert_promises_hold(system)


def test_a_picture_that_meta_does_not_take_keeps_no_report_back(studio: Studio) -> None:
    lead = coaches(studio, "goal_progress_report")
    studio.run(goals.set_goal, studio.id, lead, goals.NewGoal("endurance", "Tien kilometer"), actor="owner:1")
    rule = {"provider": "meta", "direction": "request", "path": "*media*", "kind": "server_error", "probability": 1.0}
    studio.system.sandbox.set_faults(1, [{**rule, "status": 500}])
    day_comes(studio, TUESDAY)
    assert studio.system.column("select state from message where left(origin, 6) = 'coach:'") == ["read"]
    assert studio.system.sandbox.effects().get("meta.media_uploaded", 0) == 0

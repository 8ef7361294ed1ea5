"""Leads write, and rules answer: the whole way through the sandbox, with every kind of lead."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from pilar.agents.trial_experiment import start_trial_experiment
from pilar.messaging import conversations
from provider_sandbox.personas import ACCEPTS_OFFER, ACCEPTS_QUESTION
from tests.agents.looking import assert_promises_hold, fired, told
from tests.fixtures.opened import LEAD, Studio

OTHER = "+31687654321"


def test_every_kind_of_lead_gets_what_it_asked_for(studio: Studio) -> None:
    personas = ("curious", "trial", "stopper", "person", "coached")
    languages = ("en", "nl", "de")
    leads = [
        {
            "to": studio.number, "from": f"+3161234{number}{place}00", "name": "Anna de Vries",
            "persona": persona, "language": language, "seed": 10 * number + place,
        }
        for number, persona in enumerate(personas) for place, language in enumerate(languages)
    ]  # fmt: skip
    system = studio.system
    system.sandbox.add_leads(leads)
    system.settle()
    rules = {"curious": "prices", "trial": "trial", "stopper": "opening_hours", "coached": "coach"}
    names = [name for name, _, _ in fired(studio)]
    for persona, rule in rules.items():
        assert names.count(rule) == 3, persona
    assert names.count("thanks") == 3  # from the curious; who talks to a person is not the rules' any more
    assert None not in names
    assert len(system.column("select lead_id from conversation where mode = 'person'")) == 3
    assert "meta.message_after_stop" not in system.sandbox.effects()
    said = system.column("select text from message where left(origin, 5) = 'rule:'")
    assert "Studio Noord is open: maandag t/m vrijdag 09:00–20:00; zaterdag 09:00–14:00." in said
    assert_promises_hold(system)


def test_a_message_that_is_delivered_three_times_is_answered_once(studio: Studio) -> None:
    studio.writes("Wat kost een abonnement?", repeat=3)
    assert len(told(studio)) == 1
    assert fired(studio) == [("prices", None, True)]
    assert_promises_hold(studio.system)


def test_a_trial_is_offered_accepted_and_booked_and_counts_for_its_variant(studio: Studio) -> None:
    system = studio.system
    experiment = studio.run(start_trial_experiment, "admin:test")
    leads = [
        {
            "to": studio.number, "from": f"+316123450{number:02}", "name": f"Lead {number}",
            "persona": "trial", "language": "nl", "seed": number,
        }
        for number in range(40)
    ]  # fmt: skip
    system.sandbox.add_leads(leads)
    system.settle()
    exposed = dict(system.rows("select unit_id, variant from experiment_exposure"))
    assert len(exposed) == 40
    assert set(exposed.values()) == {"question", "offer"}
    booked = {str(lead) for lead in system.column("select lead_id from booking where state = 'booked'")}
    assert booked == set(system.column("select unit_id from experiment_outcome"))
    # Each lead is as inclined as the seed says: no two were offered the same time, so nobody came too late.
    likely = {"question": ACCEPTS_QUESTION, "offer": ACCEPTS_OFFER}
    seeds = {
        str(lead): int(name.split()[1])
        for lead, name in system.rows("select id, name from lead where name like 'Lead%%'")
    }
    assert booked == {lead for lead, seed in seeds.items() if Random(seed).random() < likely[exposed[lead]]}
    trial = [(variant, answered) for name, variant, answered in fired(studio) if name == "trial"]
    assert sorted(trial) == sorted((variant, True) for variant in exposed.values())
    assert system.column("select distinct experiment_id from rule_firing where variant is not null") == [experiment.id]
    confirmed = [text for text in system.column("select text from message where direction = 'out'") if text]
    assert sum("je proeftraining staat gepland op" in text for text in confirmed) == len(booked)
    assert_promises_hold(system)


def test_a_yes_to_anything_else_books_nothing(studio: Studio) -> None:
    studio.writes("Yes")
    assert fired(studio) == [(None, None, True)]
    assert studio.system.column("select count(*) from booking") == [0]


def test_a_yes_books_once_and_a_second_one_is_about_something_else(studio: Studio) -> None:
    for text in ("Kan ik een proeftraining doen?", "Ja!", "Ja!"):
        studio.writes(text)
    assert [name for name, _, _ in fired(studio)] == ["trial", "accept", None]
    assert studio.system.rows("select source, state from booking") == [("rule:accept", "booked")]
    assert studio.system.column("select tags from lead where lifecycle = 'lead'") == [[]]
    assert_promises_hold(studio.system)


def test_a_time_that_was_taken_meanwhile_is_followed_by_the_next(studio: Studio) -> None:
    system = studio.system
    studio.run(start_trial_experiment, "admin:test")
    # Both were offered the same time: whichever lead met the offer is made to hold it.
    studio.writes("Kan ik een proeftraining doen?")
    with system.database.engine.begin() as connection:
        connection.exec_driver_sql(
            "update lead set properties = jsonb_build_object('offered_slot', '2020-01-01T09:00:00+00:00',"
            " 'offered_at', '2020-01-01T08:00:00+00:00') where lifecycle = 'lead'"
        )
    studio.writes("Ja")
    answer = told(studio)[-1]
    assert "niet meer vrij" in answer
    assert "antwoord JA" in answer
    assert system.column("select count(*) from booking") == [0]
    studio.writes("JA")
    assert "staat gepland" in told(studio)[-1]
    assert system.column("select count(*) from booking") == [1]
    assert_promises_hold(system)


def test_who_asks_for_coaching_has_agreed_to_it(studio: Studio) -> None:
    studio.writes("Coach")
    lead = studio.lead()
    assert studio.system.rows("select lead_id, scope, granted, source from consent") == [
        (lead, "marketing", True, "keyword")
    ]
    assert studio.system.column(
        "select payload ->> 'lead_id' from autopilot_event where type = 'coaching.asked_for'"
    ) == [str(lead)]
    assert "coach" in told(studio)[0]
    assert_promises_hold(studio.system)


def test_what_no_rule_knows_is_left_to_a_colleague_and_said_once_a_day(studio: Studio) -> None:
    system = studio.system
    for text in ("Mag mijn hond mee naar binnen?", "Hij is heel lief", "En klein"):
        studio.writes(text)
    assert told(studio) == [
        "Dank je voor je bericht! Daar kan ik zelf geen antwoord op geven: een collega kijkt ernaar."
    ]
    assert fired(studio) == [(None, None, True), (None, None, False), (None, None, False)]
    assert system.column(
        "select mode from conversation c join lead l on l.id = c.lead_id where lifecycle = 'lead'"
    ) == ["bot"]
    assert system.column("select unread from conversation c join lead l on l.id = c.lead_id where lifecycle = 'lead'")[
        0
    ]
    system.travel_to(system.business.now() + timedelta(days=1))
    studio.writes("Mag het?")
    assert len(told(studio)) == 2
    assert_promises_hold(system)


def test_rules_are_silent_beside_a_person_and_after_an_opt_out(studio: Studio) -> None:
    studio.writes("Hallo")
    studio.run(conversations.take_over, studio.id, studio.lead(), "owner:test")
    studio.writes("Wat kost het?")
    studio.writes("STOP", sender=OTHER)
    studio.writes("Wat kost het?", sender=OTHER)
    assert len(told(studio, LEAD)) == 1
    assert len(told(studio, OTHER)) == 1  # that they get no more
    assert [name for name, _, _ in fired(studio)] == ["greeting"]
    assert_promises_hold(studio.system)

"""Keeping rules: a change makes a version, and is on record; trying a text out changes nothing."""

from __future__ import annotations

import pytest

from pilar.agents.catalogue import save_rule, set_active
from pilar.agents.defaults import install_rules
from pilar.agents.evaluation import Evaluation, evaluate
from pilar.agents.rules import Escalate, KeywordMatch, RuleDocument, SendTemplate, SendText, TagLead
from pilar.agents.trial_experiment import start_trial_experiment
from pilar.errors import Conflict, NotFound
from pilar.ids import new_id
from tests.agents.looking import assert_promises_hold, fired, told
from tests.fixtures.opened import Studio


def _rule(text: str = "Yes, there are showers.", **changes: object) -> RuleDocument:
    usual = {
        "name": "showers",
        "conditions": (KeywordMatch(operator="any_of", value=("showers",)),),
        "actions": (SendText(texts={"en": text}),),
    }
    return RuleDocument.model_validate(usual | changes)


def _id(studio: Studio, name: str) -> object:
    return studio.system.column(f"select id from ai_rule where name = '{name}'")[0]


def test_a_change_makes_a_version_and_the_same_again_makes_none(studio: Studio) -> None:
    assert [studio.run(save_rule, studio.id, rule, "owner:1") for rule in (_rule(), _rule(), _rule("Sure."))] == [
        1,
        1,
        2,
    ]
    studio.writes("Are there showers?")
    assert told(studio) == ["Sure."]
    assert studio.system.column("select rule_version from rule_firing") == [2]
    assert studio.system.rows(
        "select actor, action, details ->> 'version' from audit_log where subject = 'rule:showers' order by recorded_at"
    ) == [("owner:1", "rule.saved", "1"), ("owner:1", "rule.saved", "2")]


def test_a_rule_that_is_off_answers_nothing(studio: Studio) -> None:
    rule_id = _id(studio, "prices")
    assert studio.run(set_active, studio.id, rule_id, active=False, actor="owner:1")
    assert not studio.run(set_active, studio.id, rule_id, active=False, actor="owner:1")
    studio.writes("Wat kost het?")
    assert fired(studio) == [(None, None, True)]
    assert studio.system.column("select action from audit_log where subject = 'rule:prices'") == ["rule.deactivated"]
    with pytest.raises(NotFound):
        studio.run(set_active, studio.id, new_id(), active=True, actor="owner:1")


def test_what_a_studio_made_of_its_rules_stays(studio: Studio) -> None:
    changed = _rule(name="prices")
    studio.run(save_rule, studio.id, changed, "owner:1")
    with studio.system.database.engine.begin() as connection:
        assert install_rules(connection, studio.id, studio.system.business.now()) == {"rules": 0}
    assert studio.system.column("select version from ai_rule where name = 'prices'") == [2]


def test_a_rule_can_hand_over_tag_and_send_a_template(studio: Studio) -> None:
    complaint = _rule(
        name="complaint",
        conditions=(KeywordMatch(operator="any_of", value=("mould",)),),
        actions=(TagLead(tag="angry"), TagLead(tag="angry"), Escalate(reason="A complaint.")),
    )
    welcome = _rule(name="welcome", actions=(SendTemplate(name="welcome_lead"),))
    for rule in (complaint, welcome):
        studio.run(save_rule, studio.id, rule, "owner:1")
    studio.writes("showers")
    studio.writes("There is mould again")
    assert studio.system.column("select tags from lead where lifecycle = 'lead'") == [["angry"]]
    assert studio.system.column("select mode_reason from conversation where mode = 'person'") == ["A complaint."]
    assert studio.system.rows("select kind, template_name, state from message where left(origin, 5) = 'rule:'") == [
        ("template", "welcome_lead", "read")
    ]
    assert_promises_hold(studio.system)


def test_trying_a_text_out_says_what_would_be_and_does_nothing(studio: Studio) -> None:
    def tried(text: str, *lead: object) -> Evaluation:
        return studio.run(evaluate, studio.id, text, *lead)

    assert tried("STOP").wish == "no more messages"
    assert tried("Mag mijn hond mee?").rule is None
    assert "een collega kijkt ernaar" in (tried("Mag mijn hond mee?").answer or "")
    assert tried("Wat kost het?").rule == "prices"
    assert "JA" not in (tried("Proeftraining?").answer or "")
    studio.writes("Kan ik een proeftraining doen?")
    accepted = tried("Ja", studio.lead())
    assert accepted.rule == "accept"
    assert "staat gepland op" in (accepted.answer or "")
    experiment = studio.run(start_trial_experiment, "admin:test")
    with pytest.raises(Conflict):
        studio.run(start_trial_experiment, "admin:test")
    variant = tried("Kan ik een proeftraining doen?", studio.lead()).variant
    assert variant in {one.key for one in experiment.variants}
    system = studio.system
    assert system.column("select count(*) from booking") == [0]
    assert system.column("select count(*) from experiment_exposure") == [0]
    assert len(told(studio)) == 1
    with pytest.raises(NotFound):
        tried("Hoi", new_id())

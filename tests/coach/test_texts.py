"""What the coach writes, in each language and style."""

from __future__ import annotations

import itertools

import pytest
from pydantic import ValidationError

from pilar.coach import texts
from pilar.coach.defaults import SCHEDULES
from pilar.coach.texts import About
from pilar.workspaces.configuration import CoachSchedule


@pytest.mark.parametrize("kind", texts.TYPES)
def test_each_type_has_a_text_of_its_own_for_each_language_and_style(kind: str) -> None:
    written = [
        texts.text_of(kind, language, style, About("Anna de Vries", "Studio Noord", "ten kilometres", 40))
        for language, style in itertools.product(("en", "nl", "de"), texts.STYLES)
    ]
    assert len(set(written)) == 9
    for text in written:
        assert "Anna" in text
        assert "de Vries" not in text
        assert "{" not in text


def test_types_are_those_of_the_configuration() -> None:
    assert {f"coach.{kind}" for kind in texts.TYPES} == {entry.type for entry in SCHEDULES}


def test_a_studios_own_text_goes_before_ours_in_its_language_alone() -> None:
    own = {"nl": "Hup {name}! {goal}: {progress} van 100. {studio} {{telt}} mee."}
    about = About("Anna de Vries", "Noord", "tien kilometer", 40)
    assert texts.text_of("weekly_checkin", "nl", "supportive", about, own) == (
        "Hup Anna! tien kilometer: 40 van 100. Noord {telt} mee."
    )
    assert texts.text_of("weekly_checkin", "de", "supportive", about, own).startswith("Hallo Anna")
    assert texts.text_of("weekly_checkin", "nl", "supportive", About("Anna", "Noord"), own).startswith("Hoi Anna")


@pytest.mark.parametrize("wrong", ["{phone}", "{name.__class__}", "{}", "{0}", "{name!r}", "{name:>9}", "a { b"])
def test_a_text_that_names_what_there_is_not_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError, match=r"stands for nothing|can't be read"):
        CoachSchedule(type="coach.weekly_checkin", cron="0 8 * * *", texts={"nl": wrong})


def test_a_schedule_that_says_nothing_new_is_the_document_that_it_was() -> None:
    assert CoachSchedule(type="coach.weekly_checkin", cron="0 8 * * *").model_dump(mode="json") == {
        "type": "coach.weekly_checkin", "cron": "0 8 * * *", "enabled": True
    }  # fmt: skip


@pytest.mark.parametrize("name", [None, "", "  \n "])
def test_who_has_no_name_is_greeted_without(name: str | None) -> None:
    assert texts.text_of("weekly_checkin", "nl", "supportive", About(name, "Noord")).startswith("Hoi daar,")
    assert texts.first_name(name, "fr") == "there"


def test_a_language_that_we_do_not_speak_is_english() -> None:
    assert texts.text_of("weekly_checkin", "fr", "supportive", About("Zoé", "Noord")).startswith("Hi Zoé,")


def test_a_name_can_not_break_a_template_or_a_text() -> None:
    assert texts.first_name("{studio}\n\tx", "en") == "{studio}"
    assert "{studio}" in texts.text_of("weekly_checkin", "en", "supportive", About("{studio}", "Noord"))
    assert len(texts.first_name("x" * 500, "en")) == 60

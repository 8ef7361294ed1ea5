"""What the coach writes, in each language and style."""

from __future__ import annotations

import itertools

import pytest

from pilar.coach import texts
from pilar.coach.defaults import SCHEDULES

STYLES = ("encouraging", "challenging", "supportive")


@pytest.mark.parametrize("kind", texts.TYPES)
def test_each_type_has_a_text_of_its_own_for_each_language_and_style(kind: str) -> None:
    written = [
        texts.text_of(kind, language, style, "Anna de Vries", "Studio Noord")
        for language, style in itertools.product(("en", "nl", "de"), STYLES)
    ]
    assert len(set(written)) == 9
    for text in written:
        assert "Anna" in text
        assert "de Vries" not in text
        assert "{" not in text


def test_types_are_those_of_the_configuration_that_need_no_data() -> None:
    assert {f"coach.{kind}" for kind in texts.TYPES} == {entry.type for entry in SCHEDULES} - {
        "coach.missed_training_nudge",
        "coach.goal_progress_report",
    }


@pytest.mark.parametrize("name", [None, "", "  \n "])
def test_who_has_no_name_is_greeted_without(name: str | None) -> None:
    assert texts.text_of("weekly_checkin", "nl", "supportive", name, "Noord").startswith("Hoi daar,")
    assert texts.first_name(name, "fr") == "there"


def test_a_language_that_we_do_not_speak_is_english() -> None:
    assert texts.text_of("weekly_checkin", "fr", "supportive", "Zoé", "Noord").startswith("Hi Zoé,")


def test_a_name_can_not_break_a_template_or_a_text() -> None:
    assert texts.first_name("{studio}\n\tx", "en") == "{studio}"
    assert "{studio}" in texts.text_of("weekly_checkin", "en", "supportive", "{studio}", "Noord")
    assert len(texts.first_name("x" * 500, "en")) == 60

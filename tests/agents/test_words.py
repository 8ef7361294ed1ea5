"""Texts are filled in as people would say it, in the lead's language."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilar.agents.texts import fill, in_language
from pilar.agents.words import hours_in_words, moment_in_words
from pilar.bookings.availability import Hours
from pilar.messaging.names import first_name


def _hours(*stretches: tuple[int, int, int]) -> list[Hours]:
    return [Hours(weekday, time(opens), time(closes)) for weekday, opens, closes in stretches]


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Tuesday 3 March at 09:00"),
        ("nl", "dinsdag 3 maart om 09:00"),
        ("de", "Dienstag, 3. März um 09:00 Uhr"),
        ("fr", "Tuesday 3 March at 09:00"),
    ],
)
def test_a_moment_is_said_in_the_studios_zone(language: str, said: str) -> None:
    moment = datetime(2026, 3, 3, 8, tzinfo=UTC)
    assert moment_in_words(moment, ZoneInfo("Europe/Amsterdam"), language) == said


def test_days_that_are_alike_are_told_together() -> None:
    week = _hours(*((day, 9, 20) for day in range(1, 6)), (6, 9, 14))
    assert hours_in_words(week, "en") == "Monday to Friday 09:00–20:00; Saturday 09:00–14:00"
    assert hours_in_words(_hours((1, 9, 12), (1, 13, 18), (3, 9, 12)), "nl") == (
        "maandag 09:00–12:00, 13:00–18:00; woensdag 09:00–12:00"
    )
    assert hours_in_words(_hours((7, 10, 12), (1, 10, 12), (3, 10, 12)), "de") == (
        "Montag 10:00–12:00; Mittwoch 10:00–12:00; Sonntag 10:00–12:00"
    )
    assert hours_in_words([], "de") == "nach Vereinbarung"


def test_a_name_that_is_not_known_leaves_no_gap() -> None:
    assert fill("Hi {first_name}! {studio}", {"first_name": "", "studio": "Noord"}) == "Hi! Noord"
    assert fill("Hi {first_name}!", {"first_name": "Bo"}) == "Hi Bo!"
    assert first_name("  Anna de Vries ") == "Anna"
    assert first_name(None) == ""


@given(st.text(max_size=60))
def test_what_a_lead_is_called_is_never_read_as_a_placeholder(name: str) -> None:
    assert fill("Hi {first_name}!", {"first_name": name}) in {f"Hi {name}!", "Hi!"}


def test_a_language_that_there_is_no_text_in_falls_back() -> None:
    said = {"nl": "hoi", "en": "hi"}
    assert in_language(said, "nl", "de") == "hoi"
    assert in_language(said, "fr", "nl") == "hoi"
    assert in_language(said, "fr", "de") == "hi"
    assert in_language({"de": "hallo"}, "fr") == "hallo"

"""What an answer to a weekly check-in says, and what is no answer to one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilar.coach.checkin import said_to
from pilar.coach.checkin_words import MOST_TRAININGS, Told, understood


@pytest.mark.parametrize(
    ("words", "trainings", "feeling"),
    [
        ("3", 3, None),
        ("3 times, felt great!", 3, 5),
        ("I trained twice and it was hard", 2, 2),
        ("Drie keer, ging lekker", 3, 4),
        ("Eén keer, was zwaar", 1, 2),
        ("Geen trainingen deze week, voelde me slecht", 0, 1),
        ("Dreimal, war anstrengend", 3, 2),
        ("2x 💪", 2, 5),
        ("Zwei Einheiten, nicht gut", 2, 2),
        ("great", None, 5),
        ("not great", None, 1),
        ("Een goede week", None, 4),
        ("0", 0, None),
        ("4, top", 4, 5),
    ],
)
def test_an_answer_is_understood(words: str, trainings: int | None, feeling: int | None) -> None:
    assert understood(words) == Told(trainings, feeling)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "STOP",
        "Can I come at 3?",
        "I want to come at 3 o'clock on Friday",
        "My number is 0612345678",
        "I can do 15:30 tomorrow",
        "I lost 2 kg",
        "99 times",
        "A good friend of mine would like to know what a membership costs with you",
        "one of my friends wants to join",
    ],
)
def test_what_is_not_clearly_an_answer_goes_to_the_rules(words: str) -> None:
    assert understood(words) is None


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=120))
def test_whatever_is_written_is_read_within_bounds(words: str) -> None:
    told = understood(words)
    if told is not None:
        assert told.trainings is None or 0 <= told.trainings <= MOST_TRAININGS
        assert told.feeling is None or 1 <= told.feeling <= 5
        assert (told.trainings, told.feeling) != (None, None)
        assert all("{first_name}" in text and "None" not in text for text in said_to(told).values())

"""What may be said to a lead, of what a model wrote."""

from __future__ import annotations

import pytest

from pilar.agents.answer_check import Allowed, language_of, objections

ALLOWED = Allowed(200, frozenset({"en", "nl"}), frozenset({"+31201234567", "info@noord.example", "noord.example"}))


@pytest.mark.parametrize(
    "text",
    [
        "Yes, a shake in the evening is fine for you.",
        "Ja hoor, dat kan: wij zijn open van 09:00 tot 20:00, en op 12-03-2027 ook.",
        "Call us on 020 1234567 or +31 20 123 4567, or write to info@noord.example.",
        "Kom langs op 2027-03-12 om 09:30!",
        "With pain in your knee, please see a doctor first.",
        "Three sets of 12, with 80 kg and 90 seconds of rest.",
        "👍",
    ],
)
def test_what_is_fine_goes(text: str) -> None:
    assert objections(text, ALLOWED) == ()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("  ", "empty"),
        ("Very good. " * 40, "too_long"),
        ("Du kannst gern zum Training kommen, wir sind bei dir und auch nicht weit.", "language"),
        ("Vous pouvez venir avec nous pour le cours dans la salle.", "language"),
        ("You have a hernia, so rest.", "medical"),
        ("Yoga cures back pain.", "medical"),
        ("Je hebt een blessure aan je knie.", "medical"),
        ("Neem een ibuprofen voor het slapen.", "medical"),
        ("Nimm 400 mg davon.", "medical"),
        ("Call Bob on +31 6 99999999.", "personal_data"),
        ("Bel 0699999999 maar.", "personal_data"),
        ("Write to bob@home.example", "personal_data"),
        ("See https://evil.example/x or www.noord.example", "personal_data"),
        ("Pay to NL00SAND0123456789 first", "personal_data"),
        ("Hi {first_name}, welcome!", "unfilled"),
        ("Hi [your name], welcome!", "unfilled"),
    ],
)
def test_what_is_not_is_named(text: str, code: str) -> None:
    assert code in [one.code for one in objections(text, ALLOWED)]


def test_a_language_is_told_only_where_it_is_clear() -> None:
    assert language_of("Is a protein shake in the evening a good idea?") == "en"
    assert language_of("Ik wil graag een afspraak met jullie maken") == "nl"
    assert language_of("ok") is None

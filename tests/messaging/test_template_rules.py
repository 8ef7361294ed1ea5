"""What WhatsApp takes as a template, said before it is asked; and what of its own can be sent from here."""

from __future__ import annotations

import pytest

from pilar.errors import Invalid
from pilar.messaging.defaults import TEMPLATES
from pilar.messaging.template_rules import check, problems
from pilar.messaging.template_sync import by_name, unusable_because
from pilar.providers.whatsapp.template_shapes import WhatsAppTemplate


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "Trial Reminder"}, "lower-case letters"),
        ({"name": "a" * 61}, "up to 60"),
        ({"language": "nl_NL"}, "two letters"),
        ({"category": "authentication"}, "marketing or utility"),
        ({"body": "  "}, "There is no text"),
        ({"body": "a" * 1025}, "1025 characters"),
        ({"body": "Hoi {{2}}, tot snel bij ons."}, "numbered in turn"),
        ({"body": "Hoi {{1}} van {{2}} en {{3}}, tot heel erg snel bij ons."}, "numbered in turn"),
        ({"body": "Hoi {{name}}, tot snel."}, "belongs to no numbered variable"),
        ({"body": "Hoi {1}, tot snel."}, "belongs to no numbered variable"),
        ({"body": "{{1}}, tot snel bij ons."}, "begins or ends"),
        ({"body": "Tot snel bij ons, {{1}}"}, "begins or ends"),
        ({"body": "Hoi {{1}} {{2}}, tot heel erg snel weer."}, "side by side"),
        ({"body": "Hoi {{1}}."}, "too few words"),
        ({"body": "Hoi.\n\n\nTot snel."}, "empty line"),
    ],
)
def test_each_mistake_is_named_with_what_to_do(changes: dict[str, str], says: str) -> None:
    right = {"name": "trial_reminder", "language": "nl", "category": "utility", "body": "Hoi {{1}}, tot snel bij ons."}
    assert problems(**right) == []
    with pytest.raises(Invalid, match=says):
        check(**(right | changes))


def test_the_house_keeps_its_own_rules_and_says_all_mistakes_at_once() -> None:
    for one in TEMPLATES:
        for language, body in one.bodies.items():
            assert problems(one.name, language, one.category, body) == []
    assert len(problems("No", "x", "y", "")) == 4


def test_what_was_made_at_whatsapp_is_usable_where_it_can_be_filled_in() -> None:
    def one(body: str | None, *more: str, language: str = "en_US") -> WhatsAppTemplate:
        return WhatsAppTemplate("1", "theirs", language, "UTILITY", "APPROVED", None, body, "GREEN", more)

    assert unusable_because(one("Hi {{1}}, see you at {{2}} soon.")) is None
    for template, why in (
        (one(None), "does not tell"),
        (one("Hi.", "HEADER", "BUTTONS"), "buttons and header"),
        (one("Hi {{name}}."), "have names"),
        (one("Hi {{1}} {{2}} {{3}}."), "more variables"),
    ):
        assert why in (unusable_because(template) or "")
    american, plain = one("a"), one("b", language="en")
    assert by_name([american])["theirs", "en"] is american
    assert by_name([plain, american])["theirs", "en"] is plain

"""What a model is told for a nudge, and what it may not answer."""

from __future__ import annotations

from typing import Any

import pytest

from pilar.agents.defaults import default_agent
from pilar.coach import texts
from pilar.coach.composing import LONGEST_VALUE, template_value
from pilar.coach.nudge_prompt import LONGEST, Telling, found_wrong, question
from pilar.coach.texts import About
from pilar.providers.llm.asking import Answer, Finish, Usage
from pilar.workspaces.configuration import StudioProfile

AGENT = default_agent(StudioProfile(name="Noord", country="NL", time_zone="Europe/Amsterdam", language="nl"))
ABOUT = About('Anna "ignore all" de Vries', "Noord", 'run "10 km"\nand obey', 40, "Personal training, dinsdag")


def said(text: str, finish: Finish = Finish.DONE) -> Answer[Any]:
    return Answer(text, None, (), finish, Usage(10, 10, None), "m", 1)


@pytest.mark.parametrize("kind", texts.TYPES)
def test_a_model_is_bound_to_the_type_the_style_and_the_language(kind: str) -> None:
    asked = question(AGENT, Telling(kind, "nl", "challenging", ABOUT, ("It is Tuesday.",), frozenset({"+31612345678"})))
    for told in (
        "Noord",
        "Dutch",
        "sporting rival",
        "first name is Anna.",
        "40 percent",
        "It is Tuesday.",
        str(LONGEST),
    ):
        assert told in asked.system
    assert "de Vries" not in asked.system and "+31612345678" not in asked.system
    assert "\"run '10 km' and obey\"" in asked.system, "what people wrote is one line between quotation marks"
    assert asked.tools == () and asked.max_tokens <= 300


@pytest.mark.parametrize(
    ("answer", "codes"),
    [
        (said("Goedemorgen Anna, wat ga je vandaag doen voor je doel?"), []),
        (said("Good morning Anna, what are you going to do for your goal?"), ["language"]),
        (said("Goedemorgen Anna! " + "Ga er voor. " * 50), ["too_long"]),
        (said("Neem ibuprofen 400 mg voor je training en het gaat goed met je."), ["medical"]),
        (said("Bel Bob op +31 6 87654321 voor je training, hij wil graag met je mee."), ["personal_data"]),
        (said("Hoi {name}, wat ga je vandaag doen?"), ["unfilled"]),
        (said("Hoi Anna, wat ga je van", Finish.CUT_OFF), ["cut_off"]),
        (said("I can't.", Finish.REFUSED), ["declined"]),
        (said(" "), ["empty"]),
    ],
)
def test_what_may_not_be_sent_is_found(answer: Answer[Any], codes: list[str]) -> None:
    telling = Telling("morning_nudge", "nl", "supportive", ABOUT, (), frozenset({"+31612345678"}))
    assert [one.code for one in found_wrong(answer, telling)] == codes


def test_a_templates_value_is_one_short_line() -> None:
    assert template_value(" ten\nkilo\tmetres     at once ") == "ten kilo metres at once"
    assert len(template_value("x" * 900)) == LONGEST_VALUE

"""A lead answers whether the coach shall go on. What belongs here: understanding the answer, and what follows.

Whoever writes anything has answered, and is written to again by themselves (`fatigue.py`); here it is said to them, and
a «no» ends their coaching at once. Buttons come back with their id from free text, with their words from a template.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from pilar.agents.hearing import Heard, Hearing
from pilar.clocks import Clocks
from pilar.coach import enrolment, store
from pilar.coach.fatigue import LAST_QUESTION
from pilar.coach.texts import ANSWERS, ENOUGH, GO_ON
from pilar.messaging.folding import folded

ORIGIN = "reply:last_question"
REASON = "The lead answered that it is enough."

_WORDS = {folded(title): name for by_language in ANSWERS.values() for name, title in by_language.items()}
_SAID = {
    **_WORDS,
    **dict.fromkeys(("yes", "yes please", "go on", "ja", "ja graag", "ja bitte", "ga door", "weiter"), GO_ON),
    **dict.fromkeys(("no", "no thanks", "no thank you", "nee", "nee bedankt", "nein", "nein danke"), ENOUGH),
}
"""Whole messages, folded; they count while the question is the last thing that was said."""

_GLAD: Mapping[str, str] = {
    "en": "Good to hear, {first_name}! I'll write to you again.",
    "nl": "Fijn om te horen, {first_name}! Ik schrijf je weer.",
    "de": "Schön zu hören, {first_name}! Ich schreibe dir wieder.",
}
_BYE: Mapping[str, str] = {
    "en": "All right, I'll leave it at that. Write to us whenever you want to go on.",
    "nl": "Prima, dan laat ik het hierbij. Schrijf ons gerust als je verder wilt.",
    "de": "Alles klar, dann belasse ich es dabei. Schreib uns, wenn du weitermachen willst.",
}


def hear_last_question(connection: Connection, clocks: Clocks, hearing: Hearing) -> Heard | None:
    """Take an answer to the last question; None where a message is none."""
    chosen = hearing.choice if hearing.choice in (GO_ON, ENOUGH) else _WORDS.get(folded(hearing.choice or ""))
    said = chosen or _SAID.get(folded(hearing.text))
    if said is None:
        return None
    coached = store.find_enrolment(connection, hearing.workspace_id, hearing.lead_id)
    if coached is None or coached.ended_at is not None:
        return None
    asked = store.last_asked(connection, hearing.workspace_id, hearing.lead_id, LAST_QUESTION)
    # A button names its question for ever; plain words answer it only while nothing was said since.
    if asked is None or (chosen is None and (coached.paused_at is None or not asked.is_newest)):
        return None
    if said == ENOUGH:
        enrolment.end(connection, clocks, hearing.workspace_id, hearing.lead_id, REASON)
        return Heard(ORIGIN, _BYE)
    return Heard(ORIGIN, _GLAD)

"""What a lead asks of us beyond the conversation: no more messages, messages again, or a person.

What belongs here: the words, as data, and the pure rule that reads them. Any reasonable wording of a refusal counts
(TCPA); a whole message that is one of the carriers' keywords always does.
"""

from __future__ import annotations

import re
from enum import Enum

from pilar.messaging.folding import folded


class Wish(Enum):
    """What a message asks for."""

    STOP = "no more messages"
    START = "messages again"
    PERSON = "a person"


KEYWORDS = frozenset(
    {
        *(
            "stop",
            "stopall",
            "stop all",
            "quit",
            "end",
            "revoke",
            "optout",
            "opt out",
            "opt-out",
            "cancel",
            "unsubscribe",
        ),
        *("stop maar", "afmelden", "uitschrijven", "stopp", "abmelden", "arret", "arreter", "desabonner"),
        *("baja", "parar", "pare", "sair", "cancelar", "fermati", "basta", "annulla", "disiscrivimi"),
    }
)
"""Whole messages that withdraw consent, folded (`folding.py`).

English, Dutch, German, French, Spanish, Portuguese and Italian.
"""

RESUME = frozenset({"start", "unstop", "subscribe", "aanmelden", "anmelden"})

_REFUSALS = re.compile(
    r"\b(stop|quit|don'?t|do not|never|no more|please stop)\b.{0,30}\b(messag\w*|text\w*|writ\w*|contact\w*|messages)\b"
    r"|\b(unsubscribe|remove|take) me\b|\bleave me alone\b"
    r"|\bstop\b.{0,20}\b(met )?(berichten|appen|appjes|sturen)\b|\bgeen (berichten|appjes) meer\b|\bschrijf me uit\b"
    r"|\bkeine (nachrichten|werbung)\b|\bschreib\w* mir nicht mehr\b|\bhor\w* auf\b.{0,20}\bschreiben\b"
    r"|\bne m'?(ecrivez|ecris|envoyez|contactez) plus\b|\bplus de messages\b"
    r"|\bno (me )?(escrib|mand|envi)\w+ mas\b|\bno mas mensajes\b"
    r"|\bnao (me )?(mand|envi|escrev)\w+ mais\b|\bnon (mi )?scriv\w+ piu\b"
)
_PERSONS = re.compile(
    r"\b(talk|speak|chat)\b.{0,20}\b(person|human|someone|somebody|staff|colleague|manager)\b"
    r"|\b(real|actual) (person|human)\b|\bhuman please\b"
    r"|\b(medewerker|mens|persoon|iemand)\b.{0,20}\b(spreken|praten|bellen)\b|\bmet een (medewerker|mens|echt)\b"
    r"|\b(mit|einen|einem) (menschen|mitarbeiter\w*|jemandem)\b.{0,20}\b(sprechen|reden)\b|\becht\w* mensch\w*\b"
)


def wish_of(text: str | None) -> Wish | None:
    """What a message asks for, None for the ordinary one."""
    words = folded(text or "")
    if not words:
        return None
    if words in KEYWORDS or _REFUSALS.search(words):
        return Wish.STOP
    if words in RESUME:
        return Wish.START
    if _PERSONS.search(words):
        return Wish.PERSON
    return None

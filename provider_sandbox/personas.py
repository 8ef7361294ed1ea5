"""What simulated leads are like. What belongs here: their words and when they say them; pure, and fixed by the seed.

A lead knows what was sent to them and nothing else. Who delivers it is `leads.py`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

Persona = Literal["curious", "trial", "stopper", "person", "coached", "aiming", "silent", "leaver"]
Language = Literal["en", "nl", "de"]
Goal = Literal["strength", "weight", "health"]
Mood = Literal["eager", "calm", "weary"]
Topic = Literal["again", "stop", "back"]
"""What a lead writes about without being asked: one more question, the wish to be left alone, the wish to be back."""
PERSONAS: tuple[Persona, ...] = get_args(Persona)
GOALS: tuple[Goal, ...] = get_args(Goal)
MOODS: tuple[Mood, ...] = get_args(Mood)
TOPICS: tuple[Topic, ...] = get_args(Topic)
COACHED: frozenset[Persona] = frozenset({"coached", "leaver"})
"""Who asks for a coach."""
STOPPERS: frozenset[Persona] = frozenset({"stopper", "leaver"})
"""Who asks at last not to be written to."""
OFFERED = re.compile(r"\b(YES|JA)\b")
"""The word that an answer asks to be sent back."""

ACCEPTS_OFFER = 0.9
ACCEPTS_QUESTION = 0.1
ANSWERS_NUDGE = 0.6

OPENINGS: Mapping[Persona, Mapping[Language, str]] = {
    "curious": {
        "en": "What does a membership cost?",
        "nl": "Wat kost een abonnement?",
        "de": "Was kostet eine Mitgliedschaft?",
    },
    "trial": {
        "en": "Can I do a trial session?",
        "nl": "Kan ik een proeftraining doen?",
        "de": "Kann ich ein Probetraining machen?",
    },
    "stopper": {
        "en": "What are your opening hours?",
        "nl": "Wat zijn jullie openingstijden?",
        "de": "Wann habt ihr geöffnet?",
    },
    "person": {
        "en": "I want to talk to a person",
        "nl": "Ik wil een medewerker spreken",
        "de": "Ich möchte mit einem Menschen sprechen",
    },
    "coached": {"en": "COACH", "nl": "COACH", "de": "COACH"},
    "leaver": {"en": "COACH", "nl": "COACH", "de": "COACH"},
    "silent": {
        "en": "Do you have showers?",
        "nl": "Zijn er douches?",
        "de": "Gibt es bei euch Duschen?",
    },
}
AIMS: Mapping[Goal, Mapping[Language, str]] = {
    "strength": {"en": "I want to get stronger", "nl": "Ik wil sterker worden", "de": "Ich möchte stärker werden"},
    "weight": {"en": "I want to lose weight", "nl": "Ik wil afvallen", "de": "Ich möchte abnehmen"},
    "health": {
        "en": "My back hurts, can training help?",
        "nl": "Ik heb rugpijn, helpt trainen?",
        "de": "Mein Rücken tut weh, hilft Training?",
    },
}
THANKS: Mapping[Language, str] = {"en": "thanks", "nl": "bedankt", "de": "danke"}
STOP: Mapping[Language, str] = {"en": "STOP", "nl": "Stop maar met berichten", "de": "STOPP"}
YES: Mapping[Language, str] = {"en": "YES", "nl": "JA", "de": "JA"}
UNASKED: Mapping[Topic, Mapping[Language, str]] = {
    "again": {
        "en": "One more thing: do you have parking?",
        "nl": "Nog iets: kan ik bij jullie parkeren?",
        "de": "Noch etwas: kann man bei euch parken?",
    },
    "stop": STOP,
    "back": {"en": "START", "nl": "START", "de": "START"},
}
DONE: Mapping[Language, str] = {"en": "Done!", "nl": "Gedaan!", "de": "Erledigt!"}


@dataclass(frozen=True)
class Mind:
    """A lead, as far as it decides what they say.

    Attributes:
        persona: what kind of person.
        language: of what they write.
        seed: decides what chance would.
        heard: how many messages they have read.
        silent: they have said all that they will say.
        stopped: they have asked not to be written to.
        mood: how willingly they answer a nudge.
        goal: what they train for; it is told by those who are `aiming`.
    """

    persona: Persona
    language: Language
    seed: int
    heard: int = 0
    silent: bool = False
    stopped: bool = False
    mood: Mood = "calm"
    goal: Goal = "strength"


def opening(mind: Mind) -> str:
    """What a lead writes first."""
    texts = AIMS[mind.goal] if mind.persona == "aiming" else OPENINGS[mind.persona]
    return texts[mind.language]


def speak(mind: Mind, topic: Topic) -> tuple[Mind, str]:
    """Write without being asked; return the lead afterwards, and what they write.

    Who asks to be left alone says nothing more; who wants to be back is a lead again.
    """
    if topic == "stop":
        mind = replace(mind, silent=True, stopped=True)
    elif topic == "back":
        mind = replace(mind, silent=True, stopped=False)
    return mind, UNASKED[topic][mind.language]


def react(mind: Mind, text: str) -> tuple[Mind, str | None]:
    """Read a message.

    Returns:
        The lead afterwards, and the reply, None for none.
    """
    mind = replace(mind, heard=mind.heard + 1)
    reply = None if mind.silent else _REPLIES[mind.persona](mind, text)
    if reply is None:
        return mind, None
    return replace(mind, silent=True, stopped=mind.persona in STOPPERS), reply


def _thanks(mind: Mind, _text: str) -> str:
    return THANKS[mind.language]


def _stop(mind: Mind, _text: str) -> str:
    return STOP[mind.language]


def _trial(mind: Mind, text: str) -> str | None:
    # One draw for a lead's whole life: who would follow a mere question follows an offer too, and asking again and
    # again wins nobody.
    inclined = random.Random(mind.seed).random()  # noqa: S311 - reproducible people, not a secret
    if offered := OFFERED.search(text):
        return offered[1] if inclined < ACCEPTS_OFFER else None
    return YES[mind.language] if "?" in text and inclined < ACCEPTS_QUESTION else None


def _coached(mind: Mind, _text: str) -> str | None:
    # The first message answers the request; the nudges come after it, and not everybody answers those.
    inclined = random.Random(mind.seed).random()  # noqa: S311 - reproducible people, not a secret
    answers = inclined < ANSWERS_NUDGE if mind.mood == "calm" else mind.mood == "eager"
    return DONE[mind.language] if mind.heard == 2 and answers else None


def _nothing(_mind: Mind, _text: str) -> None:
    return None


def _leave(mind: Mind, _text: str) -> str | None:
    # A nudge too many: the answer to the request is the first message, the nudge the second.
    return STOP[mind.language] if mind.heard == 2 else None


_REPLIES: Mapping[Persona, Callable[[Mind, str], str | None]] = {
    "aiming": _thanks,
    "curious": _thanks,
    "leaver": _leave,
    "silent": _nothing,
    "trial": _trial,
    "stopper": _stop,
    "person": _thanks,
    "coached": _coached,
}

"""A lead answers the weekly check-in. What belongs here: keeping what they told, and what is said to it.

How their words are read is `checkin_words.py`'s. What a lead tells is no recorded training: only the studio records
those, and plans go by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import Connection

from pilar.agents.hearing import Heard, Hearing
from pilar.clocks import Clocks
from pilar.coach import checkin_store, checkin_words
from pilar.coach.checkin_words import Told

ANSWERED_WITHIN = timedelta(days=2)
"""How long after a check-in words are taken for its answer, in business time."""

ORIGIN = "reply:checkin"

_WELL: Mapping[str, str] = {
    "en": "Thanks{name}! {told} Keep it up!",
    "nl": "Dank je{name}! {told} Ga zo door!",
    "de": "Danke{name}! {told} Weiter so!",
}
_HARD: Mapping[str, str] = {
    "en": "Thanks for telling me{name}. {told} What would make next week easier?",
    "nl": "Dank dat je het vertelt{name}. {told} Wat zou volgende week makkelijker maken?",
    "de": "Danke, dass du es erzählst{name}. {told} Was würde die nächste Woche leichter machen?",
}
_COUNT: Mapping[str, tuple[str, str]] = {
    "en": ("Noted: one training this week.", "Noted: {count} trainings this week."),
    "nl": ("Genoteerd: één training deze week.", "Genoteerd: {count} trainingen deze week."),
    "de": ("Notiert: ein Training diese Woche.", "Notiert: {count} Trainings diese Woche."),
}
_FEELING: Mapping[str, str] = {"en": "Noted.", "nl": "Genoteerd.", "de": "Notiert."}
_HARD_UP_TO = 2


def hear_checkin(connection: Connection, clocks: Clocks, hearing: Hearing) -> Heard | None:
    """Keep what a lead told about their week; None where their words are no answer to a check-in."""
    told = checkin_words.understood(hearing.text) if hearing.text else None
    if told is None:
        return None
    now = clocks.business.now()
    asked = checkin_store.open_checkin(connection, hearing.workspace_id, hearing.lead_id, now - ANSWERED_WITHIN)
    if asked is None:
        return None
    values = {
        "workspace_id": hearing.workspace_id,
        "nudge_id": asked,
        "lead_id": hearing.lead_id,
        "message_id": hearing.message_id,
        "trainings": told.trainings,
        "feeling": told.feeling,
        "answered_at": now,
    }
    checkin_store.add(connection, values)
    return Heard(ORIGIN, said_to(told))


def said_to(told: Told) -> dict[str, str]:
    """What is said to what a lead told, by language."""
    is_hard = told.trainings == 0 or (told.feeling is not None and told.feeling <= _HARD_UP_TO)
    frame = _HARD if is_hard else _WELL
    return {language: frame[language].format(name=" {first_name}", told=_noted(told, language)) for language in frame}


def _noted(told: Told, language: str) -> str:
    if told.trainings is None:
        return _FEELING[language]
    one, several = _COUNT[language]
    return one if told.trainings == 1 else several.format(count=told.trainings)

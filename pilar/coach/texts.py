"""What the coach writes. What belongs here: the texts of each type of nudge, by language and style; pure.

They are for a window that is open; outside it the template goes, whose text WhatsApp has approved. A studio may write
its own in place of them (`pilar.workspaces.configuration.CoachSchedule`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TEMPLATE = "coach_nudge"
"""Its parameters: first name, studio."""
LAST_QUESTION_TEMPLATE = "coach_last_question"
"""The same, with two quick replies."""
GOAL_TEMPLATE = "coach_goal_report"
"""Its parameters: first name, studio, the goal, how much of it is reached."""

STYLES = ("encouraging", "challenging", "supportive")
"""Of motivation: each type has a text in each."""

_OF_GOAL = ("{goal}", "{progress}")
_OF_MISSED = "{missed}"
_LAST_TRAINING = {
    "en": "your last training was {when}",
    "nl": "je laatste training was {when}",
    "de": "dein letztes Training war {when}",
}
_LONGEST_NAME = 60

_NAMELESS = {"en": "there", "nl": "daar", "de": "du"}

_TEXTS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "morning_nudge": {
        "en": {
            "encouraging": "Good morning {name}! Every bit of movement counts today. What are you planning to do?",
            "challenging": "Good morning {name}! Can you beat yesterday? Tell me what you are going for today.",
            "supportive": "Good morning {name}. How are you today? Tell me, and we'll find something that suits you.",
        },
        "nl": {
            "encouraging": "Goedemorgen {name}! Elke beweging telt vandaag. Wat ga je doen?",
            "challenging": "Goedemorgen {name}! Doe je het vandaag beter dan gisteren? Vertel me waar je voor gaat.",
            "supportive": "Goedemorgen {name}. Hoe gaat het vandaag? Vertel het, dan zoeken we iets dat bij je past.",
        },
        "de": {
            "encouraging": "Guten Morgen {name}! Jede Bewegung zählt heute. Was hast du vor?",
            "challenging": "Guten Morgen {name}! Schaffst du heute mehr als gestern? Sag mir, was du dir vornimmst.",
            "supportive": "Guten Morgen {name}. Wie geht es dir heute? Erzähl, und wir finden etwas, das zu dir passt.",
        },
    },
    "missed_training_nudge": {
        "en": {
            "encouraging": "Hi {name}, we missed you at {studio}: {missed}. The next counts double! When do you come?",
            "challenging": "Hi {name}, you skipped a training: {missed}. Which day do you make up for it?",
            "supportive": "Hi {name}, training didn't work out lately: {missed}. That happens. Can I help you?",
        },
        "nl": {
            "encouraging": "Hoi {name}, we misten je bij {studio}: {missed}. De volgende telt dubbel! Wanneer kom je?",
            "challenging": "Hoi {name}, je hebt een training overgeslagen: {missed}. Welke dag haal je die in?",
            "supportive": "Hoi {name}, trainen lukte even niet: {missed}. Dat kan gebeuren. Kan ik je helpen?",
        },
        "de": {
            "encouraging": "Hallo {name}, du hast bei {studio} gefehlt: {missed}. Dafür bald wieder! Wann kommst du?",
            "challenging": "Hallo {name}, ein Training ist ausgefallen: {missed}. An welchem Tag holst du es nach?",
            "supportive": "Hallo {name}, das Training hat nicht geklappt: {missed}. Das kommt vor. Kann ich helfen?",
        },
    },
    "goal_progress_report": {
        "en": {
            "encouraging": "Hi {name}, you are at {progress} % of your goal: {goal}. Every step counts! What is next?",
            "challenging": "Hi {name}, {progress} % of your goal is done: {goal}. What do you do for the rest?",
            "supportive": "Hi {name}, your goal: {goal}. You are at {progress} %. Does it still suit you?",
        },
        "nl": {
            "encouraging": "Hoi {name}, je bent op {progress} % van je doel: {goal}. Elke stap telt! Wat nu?",
            "challenging": "Hoi {name}, {progress} % van je doel is gehaald: {goal}. Wat doe je voor de rest?",
            "supportive": "Hoi {name}, je doel: {goal}. Je bent op {progress} %. Past het nog bij je?",
        },
        "de": {
            "encouraging": "Hallo {name}, du bist bei {progress} % deines Ziels: {goal}. Jeder Schritt zählt! Was nun?",
            "challenging": "Hallo {name}, {progress} % deines Ziels sind geschafft: {goal}. Was tust du dafür?",
            "supportive": "Hallo {name}, dein Ziel: {goal}. Du bist bei {progress} %. Passt es noch für dich?",
        },
    },
    "weekly_checkin": {
        "en": {
            "encouraging": "Hi {name}, another week with {studio}! How many times did you train, and how did it feel?",
            "challenging": "Hi {name}, be honest: how many times did you train this week, and how did it feel?",
            "supportive": "Hi {name}, whatever your week was like: how many times did you train, and how do you feel?",
        },
        "nl": {
            "encouraging": "Hoi {name}, weer een week met {studio} erop! Hoe vaak heb je getraind, en hoe voelde het?",
            "challenging": "Hoi {name}, eerlijk: hoe vaak heb je deze week getraind, en hoe voelde het?",
            "supportive": "Hoi {name}, hoe je week ook was: hoe vaak heb je getraind, en hoe voel je je?",
        },
        "de": {
            "encouraging": "Hallo {name}, wieder eine Woche mit {studio}! Wie oft hast du trainiert, und wie war es?",
            "challenging": "Hallo {name}, ehrlich: Wie oft hast du diese Woche trainiert, und wie war es?",
            "supportive": "Hallo {name}, egal wie deine Woche war: Wie oft hast du trainiert, und wie geht es dir?",
        },
    },
    "nutrition_reminder": {
        "en": {
            "encouraging": "Hi {name}, time to eat something good. What colourful thing is on your plate today?",
            "challenging": "Hi {name}, can you get some protein and vegetables into your next meal? Tell me what.",
            "supportive": "Hi {name}, a glass of water and a proper meal do you good. What would you enjoy today?",
        },
        "nl": {
            "encouraging": "Hoi {name}, tijd om iets goeds te eten. Wat voor kleurrijks ligt er vandaag op je bord?",
            "challenging": "Hoi {name}, lukt het om eiwit en groente in je volgende maaltijd te doen? Vertel me wat.",
            "supportive": "Hoi {name}, een glas water en een goede maaltijd doen je goed. Waar heb je zin in vandaag?",
        },
        "de": {
            "encouraging": "Hallo {name}, Zeit für etwas Gutes. Was Buntes liegt heute auf deinem Teller?",
            "challenging": "Hallo {name}, bekommst du Eiweiß und Gemüse in deine nächste Mahlzeit? Sag mir, was.",
            "supportive": "Hallo {name}, ein Glas Wasser und ein gutes Essen tun dir gut. Worauf hast du heute Lust?",
        },
    },
    "motivation_message": {
        "en": {
            "encouraging": "Hi {name}, you have come further than you think. What are you proud of this week?",
            "challenging": "Hi {name}, ten minutes are enough for a start. Will you take them today?",
            "supportive": "Hi {name}, some days are hard, and that is fine. {studio} is here: what would help you now?",
        },
        "nl": {
            "encouraging": "Hoi {name}, je bent verder dan je denkt. Waar ben je deze week trots op?",
            "challenging": "Hoi {name}, tien minuten zijn genoeg om te beginnen. Neem je ze vandaag?",
            "supportive": "Hoi {name}, sommige dagen zijn zwaar, en dat mag. {studio} is er: wat zou je nu helpen?",
        },
        "de": {
            "encouraging": "Hallo {name}, du bist weiter, als du denkst. Worauf bist du diese Woche stolz?",
            "challenging": "Hallo {name}, zehn Minuten reichen für den Anfang. Nimmst du sie dir heute?",
            "supportive": "Hallo {name}, manche Tage sind schwer, und das darf sein. {studio} ist da: Was hilft dir?",
        },
    },
}

TYPES = tuple(_TEXTS)
"""The types that are planned."""

_LAST_QUESTION = {
    "en": "Hi {name}, I have not heard from you for a while. Shall I go on? Answer me, else I'll be quiet.",
    "nl": "Hoi {name}, ik heb een tijdje niets van je gehoord. Zal ik doorgaan? Antwoord me, anders ben ik stil.",
    "de": "Hallo {name}, ich habe länger nichts von dir gehört. Soll ich weitermachen? Antworte, sonst bin ich still.",
}

GO_ON, ENOUGH = "coach:go_on", "coach:enough"
"""What the two answers to the last question are, as buttons have them."""
ANSWERS: Mapping[str, Mapping[str, str]] = {
    "en": {GO_ON: "Yes, go on", ENOUGH: "No, thanks"},
    "nl": {GO_ON: "Ja, ga door", ENOUGH: "Nee, dank je"},
    "de": {GO_ON: "Ja, weiter", ENOUGH: "Nein, danke"},
}
"""The same in words, at most 20 characters; a template's quick reply comes back with its words alone."""


@dataclass(frozen=True)
class About:
    """What a text may speak of.

    Attributes:
        name: the lead's, as far as it is known.
        studio: its name.
        goal: what the lead wants to reach, in their words; empty where there is none.
        progress: how much of it is reached, percent.
        missed: what was missed, as a clause (`missed_in_words`); empty where that is not known.
    """

    name: str | None
    studio: str
    goal: str = ""
    progress: int = 0
    missed: str = ""


def text_of(kind: str, language: str, style: str, about: About, own: Mapping[str, str] | None = None) -> str:
    """A nudge's free text: the studio's own if it has one in the lead's language, else ours, else in English.

    One of the studio's that speaks of a goal is not for who has none, nor one that names what was missed where that is
    not known.

    Args:
        kind: the type of nudge.
        language: ISO 639-1.
        style: of motivation.
        about: what it speaks of.
        own: the studio's texts by language.
    """
    if own and language in own and _can_be_filled(own[language], about):
        return _filled(own[language], language, about)
    spoken = language if language in _TEXTS[kind] else "en"
    return _filled(_TEXTS[kind][spoken][style], spoken, about)


def last_question(language: str, about: About) -> str:
    """What a lead who has not answered for long is asked once, before nothing goes until they write."""
    spoken = language if language in _LAST_QUESTION else "en"
    return _filled(_LAST_QUESTION[spoken], spoken, about)


def is_own(language: str, about: About, own: Mapping[str, str]) -> bool:
    """Whether the studio's own text is what `text_of` gives."""
    return language in own and _can_be_filled(own[language], about)


def missed_in_words(what: str | None, when: str, language: str) -> str:
    """What a lead missed, as a clause.

    Args:
        what: what was booked; None: nothing was, and the lead has paused since their last training.
        when: the moment of either, in words of that language.
        language: in English where we don't speak it.
    """
    return f"{what}, {when}" if what else _LAST_TRAINING.get(language, _LAST_TRAINING["en"]).format(when=when)


def _can_be_filled(text: str, about: About) -> bool:
    needs_goal = any(word in text for word in _OF_GOAL)
    return not (needs_goal and not about.goal) and not (_OF_MISSED in text and not about.missed)


def _filled(text: str, language: str, about: About) -> str:
    if not about.missed:
        text = text.replace(f": {_OF_MISSED}", "")
    return text.format(
        name=first_name(about.name, language),
        studio=about.studio,
        goal=about.goal,
        progress=about.progress,
        missed=about.missed,
    )


def first_name(name: str | None, language: str) -> str:
    """How to call a lead, also one who is known by a number alone."""
    words = (name or "").split()
    return words[0][:_LONGEST_NAME] if words else _NAMELESS.get(language, _NAMELESS["en"])

"""Whether what a model wrote may be said to a lead. What belongs here: the one pure rule, and its words as data.

A model is told all of this beforehand (`briefing.py`), and is not trusted to have heeded it. The rule errs on the safe
side: what is refused is asked for once more with the reasons, and then a person answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pilar.messaging.folding import folded

LENGTHS: Mapping[str, int] = {"short": 400, "medium": 800, "long": 1_500}
"""Characters by the `response_length` of a studio's agent. WhatsApp takes 4,096; nobody reads that on a phone."""


@dataclass(frozen=True)
class Allowed:
    """What a text may hold.

    Attributes:
        longest: characters.
        languages: ISO 639-1; a text in another that is known here is refused.
        contacts: phone numbers, addresses of mail and of pages that may be named: the studio's and the lead's own.
    """

    longest: int
    languages: frozenset[str]
    contacts: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Objection:
    """Why a text may not be said: a code that is counted, and a sentence that the model can use."""

    code: str
    sentence: str


_WORDS: Mapping[str, str] = {
    "en": "the and you your is are with for we can what have will would this that please not a i to of do does how "
    "much when my it in want good hello hi at on which there from or yes thanks am if but",
    "nl": "de het een en je jij jouw ik wij we met voor niet kan zijn wat dat ook graag naar bij is in hoi hallo mijn "
    "mag hoe wanneer te of goed wil er op van aan ja maar als welke veel om bedankt dank",
    "de": "der die das und du dein ich wir mit nicht kannst ist sind auch gern zum bei uns dich ein eine hallo mein "
    "wie wann zu gut will es im am in was von auf ja danke aber wenn oder fur den dem",
    "fr": "le la les et vous votre est sont avec pour nous une un pas que des du tu ton peux dans je bonjour merci "
    "mon ma comment quand a de en oui mais si ou il y",
    "es": "el los las y tu usted es son con para nosotros una un no que por del puedes muy tus hola yo mi como cuando "
    "de en la si pero o gracias a se lo",
    "it": "il gli e tu sei sono con per noi una un non che di del puoi molto ciao nel anche la io mio come quando in "
    "si ma o grazie a da lo i",
    "pt": "o os as e voce seu sao com para nos uma um nao que do da pode muito ola voces em eu meu como quando de a "
    "sim mas ou obrigado se no na",
}
"""Common words, folded, by language."""
_SIGNS = {language: frozenset(words.split()) for language, words in _WORDS.items()}
_SIGNS_AT_LEAST = 3

_MEDICAL = re.compile(
    # Naming an illness as the lead's, promising to heal, and telling what to take.
    r"\b(you (have|suffer from|are suffering from)|je (hebt|lijdt aan)|du (hast|leidest an)) "
    r"(an? |een |eine? )?(\w+ ){0,2}\w*(itis|injury|fracture|hernia|disease|syndrome|diabetes|infection|blessure|"
    r"breuk|ziekte|infectie|verletzung|bruch|krankheit|entzundung)\b"
    r"|\b(cure[sd]?|heals?|genees\w*|geneest|heilt|heilen)\b.{0,40}\b(pain|injur\w+|disease\w*|illness\w*|diabetes|"
    r"depression|pijn|blessure\w*|ziekte\w*|depressie|schmerz\w*|krankheit\w*|verletzung\w*)\b"
    r"|\b(take|use|swallow|neem|slik|gebruik|nimm|nehmen)\b.{0,30}\b(ibuprofen|paracetamol|aspirin\w*|diclofenac|"
    r"medication|medicine|painkillers?|medicijn\w*|pijnstiller\w*|medikament\w*|schmerzmittel)\b"
    r"|\b(diagnos\w+)\b|\b\d+ ?(mg|milligram\w*|milligramm)\b"
)
"""Read on folded text. A doctor may be pointed to; an illness may be named as the lead's own by nobody here."""

_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w.,:/-])(?:\+|00)?\d(?:[ ()./-]{0,2}\d){7,14}(?![\w])")
_DATES = re.compile(r"\b\d{4}-\d{2}-\d{2}\b|\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|\b\d{1,2}[:.]\d{2}\b")
_PAGE = re.compile(
    r"(?:https?://|www\.)[^\s<>]+|\b[a-z0-9-]+\.(?:com|net|org|nl|de|be|eu|io|app|fit|me|ly)\b(?:/\S*)?", re.IGNORECASE
)
_ACCOUNT = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")
_UNFILLED = re.compile(r"\{\{?\s*\w+\s*\}?\}|\[(?:your|name|naam|studio|insert)\b[^\]]*\]", re.IGNORECASE)


def objections(text: str, allowed: Allowed) -> tuple[Objection, ...]:
    """Why a text may not be said; empty: it may.

    Args:
        text: as the model wrote it.
        allowed: what it may hold.
    """
    text = text.strip()
    if not text:
        return (Objection("empty", "It says nothing."),)
    found = []
    if len(text) > allowed.longest:
        found.append(Objection("too_long", f"It has {len(text)} characters; at most {allowed.longest} are allowed."))
    language = language_of(text)
    if language is not None and allowed.languages and language not in allowed.languages:
        wanted = " or ".join(sorted(allowed.languages))
        found.append(Objection("language", f"It is in {language!r}; write in {wanted!r}."))
    if _MEDICAL.search(folded(text)):
        found.append(Objection("medical", "It makes a medical claim; refer to a doctor and claim nothing."))
    if _foreign(text, allowed.contacts):
        found.append(
            Objection("personal_data", "It names a phone number, an address or an account that is not the studio's.")
        )
    if _UNFILLED.search(text):
        found.append(Objection("unfilled", "It holds a placeholder; write what is meant."))
    return tuple(found)


def language_of(text: str, *, at_least: int = _SIGNS_AT_LEAST, ahead: float = 2.0) -> str | None:
    """The language that a text is clearly in, of those that are known here; None where that is not clear.

    Args:
        text: anything.
        at_least: how many common words of it the text must have.
        ahead: how many times as many as of the next language.
    """
    words = re.findall(r"\w+", folded(text))
    counts = {language: sum(word in signs for word in words) for language, signs in _SIGNS.items()}
    best, second = sorted(counts, key=lambda language: -counts[language])[:2]
    return best if counts[best] >= max(at_least, 1) and counts[best] >= ahead * counts[second] else None


def _foreign(text: str, contacts: frozenset[str]) -> bool:
    known = {_plain(one) for one in contacts}
    if any(_plain(one) not in known for one in _MAIL.findall(text)):
        return True
    rest = _MAIL.sub(" ", text)
    if any(_plain(one) not in known for one in _PAGE.findall(rest)) or _ACCOUNT.search(rest):
        return True
    rest = _DATES.sub(" ", _PAGE.sub(" ", rest))
    digits = {re.sub(r"\D", "", one) for one in contacts}
    return any(not _same_number(re.sub(r"\D", "", one), digits) for one in _PHONE.findall(rest))


def _same_number(number: str, known: set[str]) -> bool:
    """Whether it is one of those, written with its country or without."""
    bare = number.removeprefix("00").lstrip("0")
    return any(len(bare) >= 7 and one.endswith(bare) for one in known)


def _plain(contact: str) -> str:
    bare = re.sub(r"^(?:https?://)?(?:www\.)?", "", contact.strip().lower())
    return bare.rstrip("/.,!?)")

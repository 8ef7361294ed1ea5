"""What a model says. What belongs here: small rules from a conversation to an answer; pure, and fixed by the seed.

It understands a few words of three languages. A test that needs certain words scripts them (`scripts.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from provider_sandbox.models import refusing
from provider_sandbox.models.asked import Answer, Asked, Call, Tool
from provider_sandbox.models.filling import Material, fill, fill_text

_SIGNS: Mapping[str, tuple[str, ...]] = {
    "nl": (
        *("de", "het", "een", "ik", "je", "jij", "jullie", "wij", "hoi", "hallo"),
        *("dag", "goedemorgen", "wat", "wanneer", "hoe", "graag", "kan", "mag", "wil", "bedankt", "niet"),
    ),
    "de": (
        *("der", "die", "das", "ein", "eine", "ich", "du", "ihr", "wir", "hallo", "moin"),
        *("servus", "guten", "was", "wann", "wie", "gern", "kann", "darf", "will", "danke", "nicht"),
    ),
    "en": (
        *("the", "a", "an", "i", "you", "we", "hi", "hello", "hey", "what"),
        *("when", "how", "please", "can", "may", "want", "thanks", "thank", "not", "good", "morning"),
    ),
}
_GREETED = re.compile(r"^\W*(hi|hello|hey|hoi|hallo|dag|moin|servus|good \w+|goede\w+|guten \w+)\b", re.IGNORECASE)
_GREETING = {"en": "Hello!", "nl": "Hallo!", "de": "Hallo!"}
_HEARD = {
    "en": "You wrote about {topic}: gladly, let us look at that together.",
    "nl": "Je schreef over {topic}: graag, laten we daar samen naar kijken.",
    "de": "Du schriebst über {topic}: gern, sehen wir uns das zusammen an.",
}
_NOTHING = {
    "en": "What can I do for you?",
    "nl": "Wat kan ik voor je doen?",
    "de": "Was kann ich für dich tun?",
}
_FOUND = {"en": "I looked: {result}", "nl": "Ik heb gekeken: {result}", "de": "Ich habe nachgesehen: {result}"}
_EXACT = re.compile(r"(?:say|answer|reply)(?: only| just)?(?: with)?:? [\"'«“](.{1,200}?)[\"'»”]", re.IGNORECASE)


def language_of(text: str) -> str:
    """`nl`, `de` or `en`: whichever has most of its common words in the text, English where none has."""
    words = re.findall(r"\w+", text.lower())
    counts = {language: sum(word in signs for word in words) for language, signs in _SIGNS.items()}
    best = max(counts, key=lambda language: counts[language])
    return best if counts[best] > counts["en"] else "en"


def compose(asked: Asked) -> Answer:
    """The answer to a question."""
    said = asked.said
    language = language_of(said)
    last = asked.turns[-1]
    words = _words(said, language) if last.role != "tool" else _FOUND[language].format(result=last.text)
    material = Material(said, words, language, asked.seed)
    tool = _wanted(asked, last.role == "tool")
    if tool is not None:
        return Answer(calls=(Call(tool.name, fill_text(tool.schema, material)),), finish="tools")
    if asked.schema is not None:
        return Answer(_document(asked.schema, material))
    return Answer(words)


def _document(schema: Mapping[str, Any], material: Material) -> str:
    field = refusing.finding_of(schema)
    if field is None:
        return fill_text(schema, material)
    words = refusing.message_of(material.prompt)
    filled = fill(schema, replace(material, prompt=words, language=language_of(words)))
    return json.dumps({**filled, field: refusing.read(words)})


def _wanted(asked: Asked, has_result: bool) -> Tool | None:
    """The tool that has to be used, or that the conversation asks for: one of whose name's words is said."""
    if asked.must_use and asked.tools:
        # Any will do: the last is the one that ends the matter where an answer is given by a tool.
        named = [tool for tool in asked.tools if tool.name == asked.must_use]
        return _asked_for(asked, has_result) or asked.tools[-1] if not named else named[0]
    return _asked_for(asked, has_result)


def _asked_for(asked: Asked, has_result: bool) -> Tool | None:
    if has_result:
        return None
    said = set(re.findall(r"[^\W_]+", asked.said.lower()))
    for tool in asked.tools:
        if said & {word for word in re.split(r"[_\W]+", tool.name.lower()) if len(word) > 3}:
            return tool
    return None


def _words(said: str, language: str) -> str:
    exact = _EXACT.search(said)
    if exact:
        return exact[1]
    greeting = f"{_GREETING[language]} " if _GREETED.match(said) else ""
    rest = _GREETED.sub("", said)
    topics = [word for word in re.findall(r"[^\W\d_]{5,}", rest) if word.lower() not in _SIGNS[language]]
    if not topics:
        return greeting + _NOTHING[language]
    return greeting + _HEARD[language].format(topic=max(topics, key=len).lower())

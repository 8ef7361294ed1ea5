"""A document as a form: a field for each of its leaves. What belongs here: the pure way there and back.

What does not: whether what comes back is valid (the document's own model says that), and how a field looks.

What a form sends is laid over the document that it was made from, so what it leaves out stays. Entries of lists can be
changed and taken out; who wants another one writes it into the document itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

LONG = 60
"""Text from so many characters on gets a field of several lines."""
TAKE_OUT = "take-out:"
"""What the name of the box begins with that takes an entry out."""


@dataclass(frozen=True)
class Field:
    """One leaf, or the box that takes an entry of a list out.

    Attributes:
        name: where it is in the document; the names of steps with a slash between them.
        label: the same in words.
        kind: a line, text, a number, yes or no, one line per entry, or the box.
        value: what is there.
    """

    name: str
    label: str
    kind: Literal["line", "text", "number", "flag", "lines", "take-out"]
    value: Any


def fields_of(document: Any, name: str = "") -> Iterator[Field]:
    """The fields for a document, in its order."""
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield from fields_of(value, _below(name, key))
    elif isinstance(document, list) and any(isinstance(one, Mapping) for one in document):
        for number, value in enumerate(document):
            place = _below(name, number)
            yield from fields_of(value, place)
            yield Field(TAKE_OUT + place, f"Take out: {_words(place)}", "take-out", value=False)
    elif isinstance(document, list):
        yield Field(name, f"{_words(name)} (one per line)", "lines", "\n".join(map(str, document)))
    elif isinstance(document, bool):
        yield Field(name, _words(name), "flag", document)
    elif isinstance(document, int | float):
        yield Field(name, _words(name), "number", document)
    else:
        text = "" if document is None else str(document)
        yield Field(name, _words(name), "text" if len(text) >= LONG else "line", text)


def read(document: Any, sent: Mapping[str, str], name: str = "") -> Any:
    """The document with what a form sent for its fields; a number that is none stays text, for the model to refuse."""
    if isinstance(document, Mapping):
        return {key: read(value, sent, _below(name, key)) for key, value in document.items()}
    if isinstance(document, list) and any(isinstance(one, Mapping) for one in document):
        places = [(value, _below(name, number)) for number, value in enumerate(document)]
        return [read(value, sent, place) for value, place in places if TAKE_OUT + place not in sent]
    if isinstance(document, bool):
        return name in sent
    if name not in sent:
        return document
    text = sent[name].replace("\r\n", "\n")
    if isinstance(document, list):
        return [line.strip() for line in text.split("\n") if line.strip()]
    if document is None and not text:
        return None
    return _number(text) if isinstance(document, int | float) else text


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _below(name: str, key: object) -> str:
    return f"{name}/{key}" if name else str(key)


def _words(name: str) -> str:
    """A place in words: entries of lists count from one."""
    steps = [str(int(step) + 1) if step.isdecimal() else step.replace("_", " ") for step in name.split("/")]
    return " · ".join(steps).capitalize()

"""What an answer to a weekly check-in says. What belongs here: reading it, in English, Dutch and German; pure.

It errs on the side of not understanding: what is not clearly an answer goes to the rules, as every message does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pilar.messaging.folding import folded

MOST_TRAININGS = 21
"""In a week; more is no number of trainings."""
_MOST_WORDS = 25
_MOST_WORDS_OF_FEELING = 8

_NUMBERS = {
    **dict.fromkeys(("no", "none", "zero", "geen", "nul", "kein", "keine", "keinmal", "null"), 0),
    **dict.fromkeys(("one", "once", "een", "eenmaal", "ein", "eine", "einmal"), 1),
    **dict.fromkeys(("two", "twice", "twee", "tweemaal", "zwei", "zweimal"), 2),
    **dict.fromkeys(("three", "drie", "driemaal", "drei", "dreimal"), 3),
    **dict.fromkeys(("four", "vier", "viermaal", "viermal"), 4),
    **dict.fromkeys(("five", "vijf", "vijfmaal", "funf", "funfmal"), 5),
    **dict.fromkeys(("six", "zes", "sechs", "sechsmal"), 6),
    **dict.fromkeys(("seven", "zeven", "sieben", "siebenmal"), 7),
}  # fmt: skip
_WHOLE = frozenset({
    *("none", "zero", "once", "twice", "nul", "eenmaal", "tweemaal", "driemaal", "null"),
    *("keinmal", "einmal", "zweimal", "dreimal", "viermal", "funfmal", "sechsmal", "siebenmal"),
})  # fmt: skip
"""Words that are a number of times of themselves."""
_ARTICLES = frozenset({"een", "ein", "eine", "one", "no", "geen", "kein", "keine"})
"""Words that are a number only where what is counted follows, or nothing does."""
_GOES_ON = frozenset({"again", "more"})
_TIMES = (
    r"(?:x|times?|keer|maal|mal|trainings?|trainingen|sessions?|sessies?|workouts?|classes|lessen|einheiten|"
    r"trainiert|getraind|trained)"
)
_NUMBER = rf"(\d{{1,2}}|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})"
_COUNTED = re.compile(rf"(?<![\w.,:/-]){_NUMBER}\s*{_TIMES}\b")
_ALONE = re.compile(rf"(?<![\w.,:/-]){_NUMBER}(?![\w:/.-]*\d)\b(?!\s*(?:uur|uhr|am|pm|o'clock|kg|km|%))")

_FEELINGS = (
    (5, "great fantastic amazing awesome super top excellent geweldig fantastisch heerlijk toll klasse prima"),
    (4, "good fine well nice strong goed goede lekker fijn fijne sterk gut gute schon schone stark"),
    (3, "ok okay oke alright average meh middling matig geht redelijk mittel"),
    (2, "hard tired tough heavy exhausted sore zwaar moe vermoeid stijf schwer mude anstrengend erschopft muskelkater"),
    (1, "bad awful terrible horrible poor slecht vreselijk beroerd schlecht furchtbar schrecklich mies"),
)  # fmt: skip
_FEELING = {word: score for score, words in _FEELINGS for word in words.split()}
_SIGNS = {"💪": 5, "🔥": 5, "🤩": 5, "😀": 5, "😊": 4, "🙂": 4, "👍": 4, "😐": 3, "😅": 3, "😓": 2, "😴": 2, "😫": 2,
          "😞": 1, "😢": 1, "👎": 1}  # fmt: skip
_NOT = frozenset({"not", "niet", "nicht", "never", "isn't", "wasn't"})


@dataclass(frozen=True)
class Told:
    """What a lead told about their week.

    Attributes:
        trainings: how many there were; None: not told.
        feeling: 1 (bad) to 5 (great); None: not told.
    """

    trainings: int | None
    feeling: int | None


def understood(words: str) -> Told | None:
    """What an answer says; None where it is not clearly one.

    A number counts with what is counted («3 times»), or where nothing else is a number in a short answer («3, great»).

    Args:
        words: as the lead wrote them.
    """
    plain = folded(words)
    found = re.findall(r"[\w']+", plain)
    if not found or "?" in words or len(found) > _MOST_WORDS:
        return None
    feeling = _feeling(found, words)
    trainings = _trainings(plain, found)
    if trainings is None and (feeling is None or len(found) > _MOST_WORDS_OF_FEELING):
        return None
    return Told(trainings, feeling)


def _trainings(plain: str, found: list[str]) -> int | None:
    counted = _COUNTED.search(plain)
    if counted is not None:
        return _as_number(counted.group(1))
    whole = [
        word for word, after in zip(found, [*found[1:], ""], strict=True) if word in _WHOLE and after not in _GOES_ON
    ]
    if whole:
        return _NUMBERS[whole[0]]
    alone = _ALONE.findall(plain)
    # A number that begins the answer, or is all of it: in the midst of a sentence it may be anything.
    if len(alone) == 1 and found[0] == alone[0] and (len(found) == 1 or alone[0] not in _ARTICLES):
        return _as_number(alone[0])
    return None


def _as_number(word: str) -> int | None:
    number = int(word) if word.isdigit() else _NUMBERS[word]
    return number if number <= MOST_TRAININGS else None


def _feeling(found: list[str], words: str) -> int | None:
    for place, word in enumerate(found):
        if word in _FEELING:
            score = _FEELING[word]
            negated = any(one in _NOT for one in found[max(0, place - 2) : place])
            return 6 - score if negated and score != 3 else score
    return next((score for sign, score in _SIGNS.items() if sign in words), None)

"""What WhatsApp takes as a template. What belongs here: the pure rules, each with a sentence that says what to do.

Source: Meta, «Template components» and «Template review» of the WhatsApp Business Platform: lower-case names, at most
1,024 characters, variables in braces and numbered in turn, none at either end or beside another, and enough words
around them. What stands for a variable is ours: a text is filled in with the lead's first name and the studio's name,
and the report of a goal with the goal too.
"""

from __future__ import annotations

import re

from pilar.errors import Invalid
from pilar.messaging.purposes import VARIABLE, purpose_of

VALUES = ("the lead's first name", "the studio's name")
"""What is filled in for {{1}} and {{2}}."""
MORE_VALUES = {"coach_goal_report": ("the goal", "how much of it is reached")}
"""What is filled in after these, by what the template is for."""
LONGEST_NAME, LONGEST_BODY = 60, 1_024
CATEGORIES = ("marketing", "utility")
WORDS_PER_VARIABLE = 2
"""A text needs more words than twice its variables."""
_BRACES = re.compile(r"[{}]")
_BESIDE = re.compile(r"\}\}\s*\{\{")
_LINES = re.compile(r"\n\s*\n\s*\n")


def problems(name: str, language: str, category: str, body: str) -> list[str]:
    """What is wrong with a template, each as a sentence that says what to do; empty where WhatsApp takes it.

    Args:
        name: as WhatsApp would name it.
        language: ISO 639-1.
        category: marketing or utility.
        body: the text, with {{1}} and {{2}} where something is filled in.
    """
    text = body.strip()
    numbers = [int(number) for number in VARIABLE.findall(text)]
    known = sorted(set(numbers))
    there_are = (*VALUES, *MORE_VALUES.get(purpose_of(name), ()))
    values = ", ".join(f"{{{{{place}}}}} for {value}" for place, value in enumerate(there_are, start=1))
    found = (
        (
            not re.fullmatch(rf"[a-z0-9_]{{1,{LONGEST_NAME}}}", name),
            (
                f"The name {name!r} won't do: use up to {LONGEST_NAME} lower-case letters, digits and underscores,"
                " such as trial_reminder."
            ),
        ),
        (
            not re.fullmatch(r"[a-z]{2}", language),
            f"The language {language!r} won't do: use two letters, such as nl.",
        ),
        (category not in CATEGORIES, f"The category {category!r} won't do: choose {' or '.join(CATEGORIES)}."),
        (not text, "There is no text: write what the lead reads."),
        (
            len(text) > LONGEST_BODY,
            f"The text has {len(text)} characters: WhatsApp takes {LONGEST_BODY} at most.",
        ),
        (
            known != list(range(1, len(known) + 1)) or len(known) > len(there_are),
            f"The variables are not numbered in turn from {{{{1}}}}: use {values}.",
        ),
        (
            bool(_BRACES.search(VARIABLE.sub("", text))),
            f"There is a brace that belongs to no numbered variable: use {values}, and no other braces.",
        ),
        (
            bool(numbers) and (text.startswith("{{") or text.endswith("}}")),
            "The text begins or ends with a variable: put words, or at least a full stop, around it.",
        ),
        (bool(_BESIDE.search(text)), "Two variables stand side by side: put a word between them."),
        (
            bool(numbers) and len(VARIABLE.sub(" ", text).split()) <= WORDS_PER_VARIABLE * len(numbers),
            "There are too few words for so many variables: write more around them.",
        ),
        (bool(_LINES.search(text)), "There is more than one empty line in a row: leave one at most."),
    )
    return [sentence for holds, sentence in found if holds]


def check(name: str, language: str, category: str, body: str) -> None:
    """Raise `Invalid` with everything that is wrong with a template."""
    if found := problems(name, language, category, body):
        raise Invalid(" ".join(found))

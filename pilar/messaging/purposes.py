"""What a template is for, and which others may stand in for it. What belongs here: pure rules about names and texts.

A purpose is a name without its version: `welcome_lead` and `welcome_lead_v2` serve the same one, and so does each
language of either. One that is approved stands in for a sibling that is not, where it is filled in by the same values.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sqlalchemy import Row

APPROVED, REJECTED = "approved", "rejected"
UNDECIDED = ("draft", "pending")
DISABLED = "disabled"
"""The state of a template that people did not want: its text is not handed in again."""
RETIRED = (DISABLED, "archived", "pending_deletion", "deleted")
"""States of templates that never come back: their siblings stand in for them."""
PAUSED = "paused"
"""The state of a template that rests for its quality, and comes back by itself."""
VARIABLE = re.compile(r"\{\{(\d+)\}\}")
_VERSION = re.compile(r"_v[0-9]+$")


def purpose_of(name: str) -> str:
    """What a template of that name is for."""
    return _VERSION.sub("", name)


def without_country(language: str) -> str:
    """The language that a template speaks: `en` of WhatsApp's `en_US`."""
    return language.partition("_")[0]


def variables_of(body: str) -> frozenset[str]:
    """What is filled in, by number."""
    return frozenset(VARIABLE.findall(body))


@dataclass(frozen=True)
class Purpose:
    """How the templates of one purpose stand.

    Attributes:
        name: the purpose.
        approved: those that WhatsApp has approved.
        rejected: those that it won't have.
        gone: those that never come back.
        is_gone: there are no others.
    """

    name: str
    approved: tuple[Row[Any], ...]
    rejected: tuple[Row[Any], ...]
    gone: tuple[Row[Any], ...]
    is_gone: bool

    @property
    def is_served(self) -> bool:
        """Whether there is one to send, be it in another language or wording."""
        return bool(self.approved)

    @property
    def again(self) -> tuple[Row[Any], ...]:
        """Those whose text can be handed in once more, under another name, since no other is left."""
        return tuple(row for row in self.gone if row.state != DISABLED and not row.adopted) if self.is_gone else ()


def purposes_of(templates: Iterable[Row[Any]]) -> list[Purpose]:
    """How each purpose of a studio's templates is served, by name.

    What was made at WhatsApp may serve one, and wants nothing of us where it doesn't.
    """
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    for one in templates:
        if one.adopted and (one.state != APPROVED or one.unusable is not None):
            continue
        found[purpose_of(one.name)].append(one)
    return [
        Purpose(
            name,
            tuple(row for row in rows if row.state == APPROVED),
            tuple(row for row in rows if row.state == REJECTED),
            tuple(row for row in rows if row.state in RETIRED),
            all(row.state in RETIRED for row in rows),
        )
        for name, rows in sorted(found.items())
    ]


def next_name(name: str, taken: Collection[str]) -> str:
    """The next version of a template's name that is free: `welcome_lead_v2` after `welcome_lead`."""
    version = 2
    while (found := f"{purpose_of(name)}_v{version}") in taken:
        version += 1
    return found


class Template(Protocol):
    """What is looked at of a template."""

    @property
    def name(self) -> str:
        """As WhatsApp names it."""

    @property
    def language(self) -> str:
        """ISO 639-1, or as WhatsApp has it, such as `en_US`."""

    @property
    def state(self) -> str:
        """As WhatsApp has it."""

    @property
    def body(self) -> str:
        """With numbered variables."""


_One = TypeVar("_One", bound=Template)


def best_of(templates: Sequence[_One], name: str, language: str) -> _One | None:
    """The template to use where one of that name is wanted, of all the studio's.

    An approved one comes first, then one that comes back; then the language decides, then the name, and last whether it
    is for one country. Another wording stands in only where it takes the same values.
    """
    same = [one for one in templates if one.name == name]
    takes = [variables_of(one.body) for one in same]
    siblings = [
        one
        for one in templates
        if one.name == name or (purpose_of(one.name) == purpose_of(name) and variables_of(one.body) in takes)
    ]

    def rank(one: _One) -> tuple[int, int, bool, str, str]:
        usable = 0 if one.state == APPROVED else 1 if one.state == PAUSED else 2
        speaks = without_country(one.language)
        spoken = 0 if speaks == language else 1 if speaks == "en" else 2
        return (usable, spoken, one.name != name, one.name, one.language)

    return min(siblings, key=rank, default=None)

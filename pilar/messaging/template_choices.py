"""The templates that staff may write with. What belongs here: which there are for a lead, filled in; none is sent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.messaging import template_store
from pilar.messaging.decisions import Category
from pilar.messaging.names import first_name
from pilar.messaging.number_test import TEMPLATE
from pilar.messaging.purposes import variables_of, without_country
from pilar.workspaces import store as workspaces

_VARIABLE = re.compile(r"\{\{(\d+)\}\}")
_CATEGORIES: dict[str, Category] = {"marketing": "marketing", "utility": "utility"}


@dataclass(frozen=True)
class TemplateChoice:
    """A template that may be sent to a lead.

    Attributes:
        name: as WhatsApp names it.
        language: of the sibling that would be sent.
        category: what it counts as.
        parameters: what is filled in.
        preview: what the lead would read.
    """

    name: str
    language: str
    category: Category
    parameters: tuple[str, ...]
    preview: str


def choices(connection: Connection, workspace_id: UUID, lead: Row[Any]) -> list[TemplateChoice]:
    """The approved templates, each in the lead's language, else in English, else in any that is approved."""
    studio = workspaces.get_workspace(connection, workspace_id).name
    values = (first_name(lead.name) or studio, studio)
    approved = template_store.templates_of(connection, workspace_id, state="approved")
    # What takes more is filled in by who knows of what: a goal, and how far it is reached.
    found = [row for row in approved if row.unusable is None and len(variables_of(row.body)) <= len(values)]
    names = dict.fromkeys(row.name for row in found if row.category in _CATEGORIES and row.name != TEMPLATE)
    return [_choice(_spoken([row for row in found if row.name == name], lead.language), values) for name in names]


def filled(body: str, parameters: Sequence[str]) -> str:
    """A template's text with its variables filled in; those that nothing is given for stay as they are. Pure."""

    def value(match: re.Match[str]) -> str:
        number = int(match[1])
        return parameters[number - 1] if 0 < number <= len(parameters) else match[0]

    return _VARIABLE.sub(value, body)


def _spoken(siblings: Sequence[Row[Any]], language: str) -> Row[Any]:
    def rank(row: Row[Any]) -> tuple[bool, bool, str]:
        speaks = without_country(row.language)
        return (speaks != language, speaks != "en", row.language)

    return min(siblings, key=rank)


def _choice(row: Row[Any], values: Sequence[str]) -> TemplateChoice:
    parameters = tuple(values[: len(set(_VARIABLE.findall(row.body)))])
    return TemplateChoice(row.name, row.language, _CATEGORIES[row.category], parameters, filled(row.body, parameters))

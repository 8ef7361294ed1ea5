"""Templates filled in. What belongs here: finding a message's template and putting its parameters in their places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from provider_sandbox.meta import errors, media, templates
from provider_sandbox.state import Body, Transaction

LONGEST_PARAMETER = 1024
FORMATS = ("image", "video", "document")


def filled(tx: Transaction, phone: Body, wanted: object) -> Body:
    """The parts of a message that is sent by template.

    Raises:
        GraphError: there is no such template that can be used, or the parameters are not its.
    """
    if not isinstance(wanted, Mapping) or not isinstance(wanted.get("name"), str):
        raise errors.missing("template['name']")
    language = wanted.get("language")
    if not isinstance(language, Mapping) or not isinstance(language.get("code"), str):
        raise errors.invalid("The parameter template['language']['code'] is required.")
    template = _usable(tx, phone["waba"], wanted["name"], language["code"])
    values = _parameters(tx, phone, template, wanted.get("components") or [])
    text = templates.text_of(template)
    expected = len(templates.variables(text))
    if len(values) != expected:
        raise errors.refused(132000, f"The body has {len(values)} parameters where {expected} are expected.")
    return {
        "type": "template",
        "text": templates.filled(text, values),
        "template": {"name": template["name"], "language": template["language"], "parameters": values},
        "category": template["category"].lower(),
    }


def _usable(tx: Transaction, waba: str, name: str, language: str) -> Body:
    template = templates.find(tx, waba, name, language)
    if template and template["status"] == "PAUSED":
        raise errors.refused(132015, f"{name} is paused.")
    if template and template["status"] == "DISABLED":
        raise errors.refused(132016, f"{name} is disabled.")
    if template is None or template["status"] != "APPROVED":
        raise errors.refused(132001, f"There is no approved {name} in {language}.")
    return template


def _parameters(tx: Transaction, phone: Body, template: Body, components: Sequence[Any]) -> list[str]:
    values: list[str] = []
    for component in components:
        kind = str(component.get("type")).lower() if isinstance(component, Mapping) else ""
        if kind == "body":
            values += [_value(parameter) for parameter in component.get("parameters") or []]
        elif kind == "header":
            _header(tx, phone, template, component.get("parameters") or [])
        elif kind != "button" or not templates.component(template["components"], "BUTTONS"):
            raise errors.refused(132012, f"The template has no {kind or 'such'} component.")
    return values


def _value(parameter: object) -> str:
    text = parameter.get("text") if isinstance(parameter, Mapping) and parameter.get("type") == "text" else None
    if not isinstance(text, str) or not text:
        raise errors.refused(132012, "A parameter of the body must be a text.")
    if len(text) > LONGEST_PARAMETER:
        raise errors.refused(132005, f"A parameter of the body may have {LONGEST_PARAMETER} characters.")
    if any(forbidden in text for forbidden in ("\n", "\t", "     ")):
        raise errors.refused(132007, "A parameter may hold no line break, tab or more than four spaces in a row.")
    return text


def _header(tx: Transaction, phone: Body, template: Body, parameters: Sequence[Any]) -> None:
    header = templates.component(template["components"], "HEADER")
    form = str(header.get("format", "TEXT")).lower() if header else ""
    given = parameters[0] if len(parameters) == 1 and isinstance(parameters[0], Mapping) else {}
    if not header or given.get("type") != form:
        wish = f"one {form}" if form else "nothing"
        raise errors.refused(132012, f"The template's header takes {wish}.")
    content = given.get(form)
    if form in FORMATS:
        if not isinstance(content, Mapping) or not (content.get("id") or content.get("link")):
            raise errors.refused(132012, f"The header's {form} needs an id or a link.")
        if content.get("id"):
            media.usable(tx, phone, str(content["id"]), form)
    elif not isinstance(content, str) or not content:
        raise errors.refused(132012, "The header's parameter must be a text.")

"""Pages, both ways. What belongs here: rendering the sandbox's own pages, and reading anybody's as a person would."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request
from jinja2 import Environment, FileSystemLoader

Attributes = dict[str, str]


@cache
def environment() -> Environment:
    """The templates."""
    return Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)


def render(name: str, **values: Any) -> str:
    """One of the templates, filled in; everything put into it is escaped."""
    return environment().get_template(name).render(values)


async def form_fields(request: Request) -> dict[str, str]:
    """The fields of a form-encoded body."""
    return dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))


@dataclass
class Form:
    """A form with the fields that a browser would send, and its buttons by their words."""

    attributes: Attributes
    fields: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, Attributes] = field(default_factory=dict)


class Page(HTMLParser):
    """What a person can act on in a page: its elements' attributes, links and forms."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, Attributes]] = []
        self.forms: list[Form] = []
        self._button: Attributes | None = None
        self._form: Form | None = None
        self._words = ""
        self._select, self._options = "", 0
        self.feed(html)
        self.close()

    def first(self, name: str, value: str) -> Attributes | None:
        """The attributes of the first element that has this attribute with this value."""
        for _tag, attributes in self.elements:
            if attributes.get(name) == value:
                return attributes
        return None

    def links(self) -> list[str]:
        """The targets of all links, in order."""
        return [attributes["href"] for tag, attributes in self.elements if tag == "a" and "href" in attributes]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of an element."""
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag == "form":
            self._form = Form(attributes)
            self.forms.append(self._form)
        elif tag == "input" and self._form and "name" in attributes:
            self._form.fields[attributes["name"]] = attributes.get("value", "")
        elif tag in ("select", "textarea") and self._form and "name" in attributes:
            self._select, self._options = attributes["name"] if tag == "select" else "", 0
            self._form.fields[attributes["name"]] = ""
        elif tag == "option" and self._form and self._select:
            # A browser sends the first option unless another one is chosen.
            if not self._options or "selected" in attributes:
                self._form.fields[self._select] = attributes.get("value", "")
            self._options += 1
        elif tag == "button":
            self._button, self._words = attributes, ""

    def handle_endtag(self, tag: str) -> None:
        """Close a form or a button."""
        if tag == "form":
            self._form = None
        elif tag == "button" and self._button is not None:
            if self._form:
                self._form.buttons[self._words.strip()] = self._button
            self._button = None

    def handle_data(self, data: str) -> None:
        """Gather a button's words."""
        if self._button is not None:
            self._words += data

"""Somebody who uses the sandbox's pages without a script: opens one, fills a form in, presses a button."""

from __future__ import annotations

from dataclasses import dataclass
from html import unescape
from re import DOTALL, search, sub

import httpx

from provider_sandbox.pages import Form, Page
from provider_sandbox.testing import RunningSandbox


@dataclass
class Visitor:
    sandbox: RunningSandbox

    def open(self, path: str) -> str:
        """The page, as text for people."""
        answer = self.sandbox.client.get(path, follow_redirects=True)
        assert answer.status_code == 200, f"{path} answered {answer.status_code}: {answer.text}"
        return words(answer.text)

    def form(self, page: str, button: str, **having: str) -> Form:
        """The first form of a page with such a button and such fields."""
        for form in Page(self.sandbox.client.get(page).text).forms:
            if button in form.buttons and having.items() <= form.fields.items():
                return form
        raise AssertionError(f"{page} has no form with a button {button!r} and {having}")

    def post(self, page: str, button: str, having: dict[str, str] | None = None, **typed: str) -> httpx.Response:
        form = self.form(page, button, **(having or {}))
        pressed = form.buttons[button]
        unknown = typed.keys() - form.fields.keys()
        assert not unknown, f"the form has no {unknown}"
        fields = {**form.fields, **typed}
        if "name" in pressed:
            fields[pressed["name"]] = pressed.get("value", "")
        return self.sandbox.client.post(form.attributes["action"], data=fields, follow_redirects=True)

    def press(self, page: str, button: str, having: dict[str, str] | None = None, **typed: str) -> str:
        """Fill in, press, and read the page that this leads to."""
        answer = self.post(page, button, having, **typed)
        assert answer.status_code == 200, f"{button} answered {answer.status_code}: {answer.text}"
        return words(answer.text)


def words(html: str) -> str:
    """What is read in a page's notice and content."""
    body = search(r'<div id="notice".*</main>', html, DOTALL)
    assert body, html
    return " ".join(unescape(sub(r"<[^>]+>", " ", body[0])).split())

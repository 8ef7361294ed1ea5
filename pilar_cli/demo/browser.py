"""A browser without a screen. What belongs here: reading pages, following links and sending forms, as a person would.

Nothing is taken from the database: what is not on the page was not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Self
from urllib.parse import urljoin, urlsplit

import httpx

from pilar.errors import Permanent, Transient


@dataclass(frozen=True)
class Form:
    """A form of a page, as it would be sent untouched."""

    action: str
    fields: Mapping[str, str]


class Page(HTMLParser):
    """What a person acts on in a page: links and forms; and which part says what about whom, by `data-` attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.links: list[str] = []
        self.forms: list[Form] = []
        self.rows: list[tuple[dict[str, str], list[str]]] = []
        """Elements with `data-` attributes, in order, each with the texts that follow it up to the next one."""
        self._fields: dict[str, str] | None = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of an element."""
        given = {name: value or "" for name, value in attrs}
        told = {name.removeprefix("data-"): value for name, value in given.items() if name.startswith("data-")}
        if told:
            self.rows.append((told, []))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "form":
            self._fields = {}
            self.forms.append(Form(given.get("action", ""), self._fields))
        elif tag in ("input", "textarea", "select") and self._fields is not None and "name" in given:
            self._fields[given["name"]] = given.get("value", "")
        elif tag == "option" and self._fields and "selected" in given:
            self._fields[next(reversed(self._fields))] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """Close a form."""
        if tag == "form":
            self._fields = None

    def handle_data(self, data: str) -> None:
        """Gather what is said."""
        if self.rows and data.strip():
            self.rows[-1][1].append(data.strip())

    def form(self, action_ends: str) -> Form | None:
        """The first form whose address ends so."""
        return next((form for form in self.forms if form.action.endswith(action_ends)), None)


class Browser:
    """Keeps its cookies; use it as a context or close it."""

    def __init__(self, url: str) -> None:
        """Take the web service's address."""
        self._url = url
        self.path = "/"
        """Where the last answer was found, after all redirections."""
        self._client = httpx.Client(
            base_url=url,
            headers={"accept": "text/html,application/xhtml+xml"},
            follow_redirects=True,
            trust_env=False,
            verify=False,  # noqa: S501 - plain http on loopback
            timeout=60.0,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the browser."""
        self._client.close()

    def sign_in(self, link: str) -> str:
        """Open a one-time link and press its button; return the path it leads to.

        Raises:
            Permanent: the page has no button, or the way ends at the sign-in page.
        """
        form = next((form for form in self.read(link).forms if form.action.startswith("/sign-in/link/")), None)
        if form is None:
            raise Permanent("The page behind the one-time link has no button to sign in with.")
        answer = self._ask("POST", urljoin(self._url, form.action), dict(form.fields))
        if answer.status_code != httpx.codes.OK or answer.url.path.startswith("/sign-in"):
            raise Permanent(f"Signing in led to {answer.url.path} with {answer.status_code}.")
        return answer.url.path

    def read(self, path: str) -> Page:
        """A page; raise `Permanent` where there is none for this person."""
        answer = self.get(path)
        if answer.status_code != httpx.codes.OK:
            raise Permanent(f"{answer.url.path} answered {answer.status_code}.")
        return Page(answer.text)

    def get(self, path: str, *, follow: bool = True) -> httpx.Response:
        """Whatever is answered there."""
        return self._ask("GET", path, follow=follow)

    def send(self, path: str, action_ends: str, **typed: str) -> Page:
        """Open a page, fill in one of its forms, send it, and read what comes back.

        Raises:
            Permanent: the page has no such form, or the form is refused.
        """
        form = self.read(path).form(action_ends)
        if form is None:
            raise Permanent(f"{path} has no form that leads to …{action_ends}.")
        answer = self._ask("POST", form.action, {**form.fields, **typed})
        if answer.status_code != httpx.codes.OK:
            raise Permanent(f"{form.action} answered {answer.status_code}.")
        return Page(answer.text)

    def _ask(
        self, method: str, path: str, fields: Mapping[str, str] | None = None, *, follow: bool = True
    ) -> httpx.Response:
        headers = {"origin": self._url} if method == "POST" else {}
        try:
            answer = self._client.request(method, path, data=fields, headers=headers, follow_redirects=follow)
        except httpx.HTTPError as error:
            raise Transient(f"The web service does not answer: {type(error).__name__}.") from error
        self.path = answer.url.path
        return answer


def leads_to(answer: httpx.Response) -> str:
    """The path that an answer redirects to, empty where it does not."""
    return urlsplit(answer.headers.get("location", "")).path if answer.is_redirect else ""

"""The founder's visit with a browser. What belongs here: walking through the pages as a person would, and reading them.

Nothing is taken from the database: what is not on the page was not seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx

from pilar.errors import Permanent, Transient

_PAGES_AT_MOST = 1_000


@dataclass(frozen=True)
class SeenStudio:
    """A studio as the overview shows it."""

    name: str
    state: str


class Pages(HTMLParser):
    """What the founder acts on in a page: links, the first form of the main part, the list of studios."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.studios: dict[str, SeenStudio] = {}
        self._row: tuple[str, str] | None = None
        self._title: list[str] | None = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of an element."""
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
            if self._row and given["href"].startswith("/studios/"):
                self._title = []
        elif tag == "form":
            self.forms.append((given.get("action", ""), {}))
        elif tag == "input" and self.forms and "name" in given:
            self.forms[-1][1][given["name"]] = given.get("value", "")
        elif "data-workspace" in given:
            self._row = (given["data-workspace"], given.get("data-state", ""))

    def handle_data(self, data: str) -> None:
        """Gather a studio's name."""
        if self._title is not None:
            self._title.append(data)

    def handle_endtag(self, tag: str) -> None:
        """Close a studio's name."""
        if tag == "a" and self._row and self._title is not None:
            workspace, state = self._row
            self.studios[workspace] = SeenStudio("".join(self._title).strip(), state)
            self._title = None


class Founder:
    """A browser; use it as a context or close it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._browser = httpx.Client(
            base_url=url,
            headers={"accept": "text/html,application/xhtml+xml"},
            follow_redirects=True,
            trust_env=False,
            verify=False,  # noqa: S501 - plain http on loopback
            timeout=60.0,
        )

    def close(self) -> None:
        """Close the browser."""
        self._browser.close()

    def is_kept_out(self, path: str) -> bool:
        """Whether somebody who is not signed in is refused there, or sent to the sign-in page."""
        answer = self._get(path, follow=False)
        if answer.is_redirect:
            return urlsplit(answer.headers["location"]).path == "/sign-in"
        return answer.status_code == httpx.codes.UNAUTHORIZED

    def sign_in(self, link: str) -> None:
        """Open a one-time link, press its button, and come to the overview.

        Raises:
            Permanent: the page has no button, or the way does not end there.
        """
        page = self._read(link)
        form = next(((action, fields) for action, fields in page.forms if action.startswith("/sign-in/link/")), None)
        if form is None:
            raise Permanent("The page behind the one-time link has no button to sign in with.")
        action, fields = form
        try:
            answer = self._browser.post(urljoin(self._url, action), data=fields, headers={"origin": self._url})
        except httpx.HTTPError as error:
            raise Transient(f"The web service does not answer: {type(error).__name__}.") from error
        if answer.status_code != httpx.codes.OK or answer.url.path != "/overview":
            raise Permanent(f"Signing in led to {answer.url.path} with {answer.status_code}, not to the overview.")

    def look_for(self, wanted: Collection[str]) -> dict[str, SeenStudio]:
        """What the overview and its further pages show of these studios; it stops when all are found."""
        seen: dict[str, SeenStudio] = {}
        for page in self._overviews():
            seen |= {workspace: studio for workspace, studio in page.studios.items() if workspace in wanted}
            if len(seen) == len(wanted):
                break
        return seen

    def follow_to_dagster(self) -> int:
        """Follow the link to Dagster on the overview; return the status of the answer.

        Raises:
            Permanent: there is no such link.
        """
        link = next((link for link in self._read("/overview").links if link.startswith("/dagster/")), None)
        if link is None:
            raise Permanent("The overview has no link to Dagster.")
        return self._get(link).status_code

    def _overviews(self) -> Iterator[Pages]:
        path: str | None = "/overview"
        for _ in range(_PAGES_AT_MOST):
            if path is None:
                return
            page = self._read(path)
            yield page
            path = next((link for link in page.links if link.startswith("/overview?cursor=")), None)

    def _read(self, path: str) -> Pages:
        answer = self._get(path)
        if answer.status_code != httpx.codes.OK:
            raise Permanent(f"{answer.url.path} answered {answer.status_code}.")
        return Pages(answer.text)

    def _get(self, path: str, *, follow: bool = True) -> httpx.Response:
        try:
            return self._browser.get(path, follow_redirects=follow)
        except httpx.HTTPError as error:
            raise Transient(f"The web service does not answer: {type(error).__name__}.") from error

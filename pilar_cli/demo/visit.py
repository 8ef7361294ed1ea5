"""The founder's visit. What belongs here: what the founder looks at, and what the pages say; see `browser.py`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import httpx

from pilar.errors import Permanent
from pilar_cli.demo.browser import Browser, Page, leads_to

_PAGES_AT_MOST = 1_000


@dataclass(frozen=True)
class SeenStudio:
    """A studio as the overview shows it."""

    name: str
    state: str


def is_kept_out(browser: Browser, path: str) -> bool:
    """Whether somebody who is not signed in is refused there, or sent to the sign-in page."""
    answer = browser.get(path, follow=False)
    return leads_to(answer) == "/sign-in" or answer.status_code == httpx.codes.UNAUTHORIZED


def look_for(browser: Browser, wanted: Collection[str]) -> dict[str, SeenStudio]:
    """What the overview and its further pages show of these studios; it stops when all are found."""
    seen: dict[str, SeenStudio] = {}
    for page in _overviews(browser):
        seen |= {
            told["workspace"]: SeenStudio(texts[0] if texts else "", told.get("state", ""))
            for told, texts in page.rows
            if told.get("workspace") in wanted
        }
        if len(seen) == len(wanted):
            break
    return seen


def follow_to_dagster(browser: Browser) -> int:
    """Follow the link to Dagster on the overview; return the status of the answer.

    Raises:
        Permanent: there is no such link.
    """
    link = next((link for link in browser.read("/overview").links if link.startswith("/dagster/")), None)
    if link is None:
        raise Permanent("The overview has no link to Dagster.")
    return browser.get(link).status_code


def _overviews(browser: Browser) -> Iterator[Page]:
    path: str | None = "/overview"
    for _ in range(_PAGES_AT_MOST):
        if path is None:
            return
        page = browser.read(path)
        yield page
        path = next((link for link in page.links if link.startswith("/overview?cursor=")), None)

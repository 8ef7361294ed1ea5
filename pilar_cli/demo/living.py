"""What people do in the demonstration once there are studios: affiliates, leads, owners, the founder, a refund.

What belongs here: who does what, through the pages and the simulated providers. What does not: when (`story.py`,
`day.py`) and what came of it (`life.py`).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from pilar.database.engine import Database
from pilar.errors import Permanent, Transient
from pilar_cli.demo import life
from pilar_cli.demo.browser import Browser
from pilar_cli.demo.day import Day
from pilar_cli.demo.people import writers

AFFILIATE = ("Trail Running Weekly", "affiliate@trail.example")
ANSWER = "Hi, this is Sam from the front desk. How can I help you?"
PER_VARIANT = 15
"""So many leads each variant has to meet before the experiment may be decided."""

_LINK = re.compile(r"/a/[A-Za-z0-9_-]+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Office:
    """The founder's browser, signed in."""

    def __init__(self, url: str, link: str) -> None:
        """Take the web service's address and a one-time link."""
        self.browser = Browser(url)
        self.browser.sign_in(link)

    def invite_affiliate(self, name: str = AFFILIATE[0], email: str = AFFILIATE[1]) -> tuple[UUID, str]:
        """Add an affiliate with a link; return whose it is and the link's path."""
        self.browser.send("/affiliates", "/affiliates", name=name, email=email)
        place = self.browser.path
        page = self.browser.send(place, "/links", campaign=f"demonstration {secrets.token_hex(3)}")
        found = _LINK.search(page.html)
        if found is None:
            raise Permanent("The affiliate's page shows no link.")
        return _id_in(place), found[0]

    def start_experiment(self) -> UUID:
        """Have the answer to those who ask for a trial tried in two variants; the one that runs is taken up."""
        running = [told for told, _ in self.browser.read("/experiments").rows if told.get("state") == "running"]
        for told in running:
            if "experiment" in told:
                return UUID(told["experiment"])
        self.browser.send("/experiments", "/experiments/trial", minimum=str(PER_VARIANT))
        return _id_in(self.browser.path)

    def close(self) -> None:
        """Close the browser."""
        self.browser.close()


def follow(url: str, path: str) -> str:
    """Somebody clicks an affiliate's link; return the click's id, which goes with them to the checkout."""
    with Browser(url) as visitor:
        answer = visitor.get(path, follow=False)
    click = parse_qs(urlsplit(answer.headers.get("location", "")).query).get("click")
    if not click:
        raise Permanent(f"The affiliate's link answered {answer.status_code} and counted no click.")
    return str(click[0])


class Owners:
    """The studios' owners, who answer where a lead asked for a person."""

    def __init__(self, url: str, database: Database, link_of: Callable[[UUID], str], studios: Sequence[UUID]) -> None:
        """Take the web service's address, the product's database, one-time links, and whose owners they are."""
        self._url = url
        self._database = database
        self._link_of = link_of
        self._studios = studios
        self._browsers: dict[UUID, Browser] = {}
        self._signed_in: set[UUID] = set()
        self.answered: set[tuple[UUID, UUID]] = set()

    def answer_one(self) -> bool:
        """Answer one lead in the shared inbox; return whether somebody waited."""
        for studio, lead in life.waiting_for_a_person(self._database, self._studios):
            if (studio, lead) in self.answered:
                continue
            try:
                self._browser(studio).send(f"/studios/{studio}/conversations/{lead}", "/answer", text=ANSWER)
            except Transient:
                return True  # the web service was away: the page is opened again, as one would
            self.answered.add((studio, lead))
            return True
        return False

    def close(self) -> None:
        """Close their browsers."""
        for browser in self._browsers.values():
            browser.close()

    def _browser(self, studio: UUID) -> Browser:
        if studio not in self._browsers:
            self._browsers[studio] = Browser(self._url)
        browser = self._browsers[studio]
        if studio not in self._signed_in:
            browser.sign_in(self._link_of(studio))
            self._signed_in.add(studio)
        return browser


def live_a_day(
    day: Day,
    database: Database,
    owners: Owners,
    studios: Sequence[UUID],
    seed: int,
    show: Callable[[datetime], None],
) -> None:
    """Have leads write in, be answered, nudged and helped, all through a day.

    Args:
        day: runs the clock.
        database: the product's.
        owners: those of the studios.
        studios: whose day it is.
        seed: decides who writes.
        show: called with the business moment over and over.
    """

    def meanwhile(now: datetime) -> None:
        owners.answer_one()
        show(now)

    day.live(studios, writers(life.phone_numbers(database, studios), seed), meanwhile)
    while owners.answer_one():
        pass


def _id_in(path: str) -> UUID:
    found = _UUID.search(path)
    if found is None:
        raise Permanent(f"{path} names nothing.")
    return UUID(found[0])

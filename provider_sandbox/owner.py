"""The studio's owner. What belongs here: reading mail, opening the set-up link, and accepting Meta's terms in person.

The owner does what a person with a browser does and no more: opens the page, follows its link, presses the button, and
looks whether the product says that all is well. When something fails, the owner tries again later, from the mail on.
"""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from datetime import timedelta
from hashlib import sha256
from urllib.parse import urljoin, urlsplit

import httpx

from provider_sandbox.mail import Mail
from provider_sandbox.meta import agenda
from provider_sandbox.pages import Form, Page
from provider_sandbox.state import Transaction
from provider_sandbox.tasks import NotDone, TaskQueue
from provider_sandbox.trust import trusted

QUEUE = "owner"
WIDTH = 8
LINK = re.compile(r"https?://[^\s<>\"']+")
PATH = "/setup/"
ACCEPT = "Accept"
HABIT = "owner.habit"
OPENS_MAIL = "owner.opens_mail"
"""On the agenda of business time: somebody comes to their mail at last."""


def set_habit(tx: Transaction, email: str, hours: float | None) -> None:
    """Say how long an owner leaves mail unread from now on, in hours of business time; None: for ever."""
    tx.put(HABIT, email.lower(), {"hours": hours})


class Owner:
    """Plays the owner of every studio."""

    def __init__(self, tasks: TaskQueue, delay: float) -> None:
        """`tasks` holds the visits; `delay` is how many seconds after a mail's arrival its link is opened."""
        self._tasks = tasks
        self._delay = delay

    def read(self, tx: Transaction, mail: Mail) -> None:
        """Plan a visit for each set-up link in a mail: who is asked again looks again."""
        email = mail.recipients[0]
        habit = tx.get(HABIT, email.lower())
        for link in links_in(mail):
            if habit is None:
                self._tasks.add(tx, topic=email, name=link, lane=link, delay=self._delay)
                continue
            subject = json.dumps([email, link])
            # A reminder does not make them slower.
            if habit["hours"] is not None and not agenda.planned(tx, OPENS_MAIL, subject):
                agenda.plan(tx, OPENS_MAIL, subject, tx.business_now() + timedelta(hours=habit["hours"]))

    def open_mail(self, tx: Transaction, subject: str) -> None:
        """Somebody who let their mail lie comes to it."""
        email, link = json.loads(subject)
        self._tasks.add(tx, topic=email, name=link, lane=link, delay=self._delay)

    async def visit(self, task: sqlite3.Row) -> int:
        """Walk from the link to the product's confirmation; return the last status, or raise `NotDone`."""
        way = httpx.AsyncHTTPTransport(verify=trusted(), local_address=address_of(task["topic"], task["name"]))
        async with httpx.AsyncClient(follow_redirects=True, trust_env=False, transport=way, timeout=10.0) as browser:
            answer = await browser.get(task["name"])
            page = _read(answer, "the set-up page")
            if page.first("data-state", "done"):
                return answer.status_code
            link = page.first("data-action", "connect-whatsapp")
            if not link or "href" not in link:
                raise NotDone("the set-up page offers no way to connect WhatsApp", answer.status_code)
            dialog = await browser.get(urljoin(str(answer.url), link["href"]))
            form = _accept_form(_read(dialog, "Meta's dialog"), dialog.status_code)
            button = form.buttons[ACCEPT]
            fields = {**form.fields, button.get("name", ACCEPT): button.get("value", "")}
            target = urljoin(str(dialog.url), form.attributes.get("action") or str(dialog.url))
            back = await browser.post(target, data=fields)
            _read(back, "the product's callback")
            if urlsplit(str(back.url)).netloc == urlsplit(target).netloc:
                raise NotDone("the dialog did not lead back to the product", back.status_code)
            return back.status_code


def address_of(email: str, link: str) -> str | None:
    """The address that an owner's browser comes from: each has one of their own, as they have in life.

    Without it a product would take a hundred owners for one visitor who guesses links. None where the link leads off
    this machine, or where a machine has one loopback address only: the system's own choice.
    """
    is_local = (urlsplit(link).hostname or "").startswith("127.")
    if not is_local or sys.platform != "linux":
        return None
    first, second, third = sha256(email.encode()).digest()[:3]
    return f"127.{1 + first % 254}.{second}.{1 + third % 254}"


def links_in(mail: Mail) -> list[str]:
    """The set-up links of a mail, each once, in order; from its text and from its HTML."""
    found = [link.rstrip(".,;:)>]") for link in LINK.findall(mail.text)] + Page(mail.html).links()
    return [link for link in dict.fromkeys(found) if urlsplit(link).path.startswith(PATH)]


def _read(answer: httpx.Response, what: str) -> Page:
    if answer.status_code != 200:
        raise NotDone(f"{what} answered {answer.status_code}", answer.status_code)
    return Page(answer.text)


def _accept_form(page: Page, status: int) -> Form:
    for form in page.forms:
        if ACCEPT in form.buttons:
            return form
    raise NotDone("the page behind the link has no Accept button", status)

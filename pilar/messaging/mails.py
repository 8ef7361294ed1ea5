"""E-mail, for leads whom WhatsApp can't reach and who agreed to it. What belongs here: handing over, and a mail's text.

What does not: whether one goes at all (`verdict_elsewhere.py`) and the link that ends it (`unsubscribing.py`). SMTP has
no idempotency key and tells nothing afterwards: a mail whose outcome is not known is settled by its kind's policy
alone, and its Message-ID is made of our message's id, so that a second copy can be told from another mail. What leads
answer is not read here: it goes to the studio's own mailbox, and each mail says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

from pilar.database.engine import Database, Scope
from pilar.errors import Permanent
from pilar.messaging import store
from pilar.messaging.phrases import phrase
from pilar.messaging.rooms import People
from pilar.messaging.unsubscribing import link_of
from pilar.providers.email.client import Letterhead, Mailer
from pilar.workspaces import store as workspaces

if TYPE_CHECKING:
    from pilar.messaging.attempts import Outgoing

EFFECT = "mail.to_lead"
LONGEST_SUBJECT = 78
"""Characters; more is cut off by those who show it."""
_ENDS = re.compile(r"(?<=[.!?…])\s")


class MailSender:
    """Hands messages to the mail server."""

    def __init__(self, database: Database, mailer: Mailer, people: People, public_url: str) -> None:
        """Take the mailer, who signs links, and our address as the world sees it: the links lead there."""
        self._database = database
        self._mailer = mailer
        self._people = people
        self._public_url = public_url

    def __call__(self, row: Row[Any], out: Outgoing) -> str:
        """Send a mail, and return what names it."""
        letter, language = self._letterhead(row)
        message_id = f"lead.{row.id}"
        self._mailer.send(
            out.to,
            subject_of(out.words),
            body_of(out.words, language, letter),
            None,
            message_id,
            letterhead=letter.head,
        )
        return message_id

    def _letterhead(self, row: Row[Any]) -> tuple[Letter, str]:
        with self._database.transaction(Scope.fleet()) as connection:
            document = workspaces.load_configuration(connection, row.workspace_id)[1]
            lead = store.get_lead(connection, row.workspace_id, row.lead_id)
            owner = workspaces.find_owner(connection, row.workspace_id)
            path = link_of(connection, self._people, row.workspace_id, row.id)
        policy, studio = document.operator.policies.email, document.studio.name
        reply_to = policy.reply_to or (owner.email if owner else "")
        if not reply_to:
            raise Permanent("The studio has no mailbox that answers could go to: name one among its channels.")
        return Letter(Letterhead(studio, reply_to, f"{self._public_url}{path}"), policy.postal_address), lead.language


@dataclass(frozen=True)
class Letter:
    """Who writes: the letterhead, and the studio's postal address, which may have several lines."""

    head: Letterhead
    postal_address: str


def subject_of(words: str) -> str:
    """A mail's subject, which is its first sentence, cut at a word where it is long."""
    line = next((one for one in map(str.strip, words.splitlines()) if one), "")
    sentence = " ".join(_ENDS.split(line, maxsplit=1)[0].split())
    if len(sentence) <= LONGEST_SUBJECT:
        return sentence
    cut = sentence[: LONGEST_SUBJECT - 1]
    return f"{cut.rpartition(' ')[0] or cut}…"


def body_of(words: str, language: str, letter: Letter) -> str:
    """A mail's text: the words, why they come, where answers go, who writes, and how to be left alone."""
    studio, link = letter.head.name, letter.head.unsubscribe
    below = [
        phrase("mail_why", language, studio),
        phrase("mail_answers", language, studio),
        f"{phrase('mail_stop', language, studio)}:\n{link}",
        f"{studio}\n{letter.postal_address}",
    ]
    # Two hyphens and a space: what comes below is the letterhead's, and is not quoted in an answer (RFC 3676, 4.3).
    return "\n\n".join([words, "-- \n" + below[0], *below[1:]]) + "\n"

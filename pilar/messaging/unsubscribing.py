"""The link in an e-mail that ends e-mail. What belongs here: making it, reading it, and doing what it asks for.

What does not: what follows from a withdrawal (`consent.py`). Whoever holds the link is taken for the lead: it is
signed, and stands in a mail to them only. A GET changes nothing, since programs look at links before people do; a POST
ends e-mail at once (RFC 8058), and is the lead's own word, as is the one that takes it back.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.facts import Cause
from pilar.clocks import Clocks
from pilar.errors import Conflict, NotFound
from pilar.ids import new_id
from pilar.messaging import consent, store
from pilar.messaging.facts import opted_out_scope
from pilar.messaging.rooms import People
from pilar.tokens import same
from pilar.workspaces import store as workspaces

PATH = "/mail/"
_PURPOSE = "mail:unsubscribe"
_ID, _SIGNATURE = 16, 16
"""Bytes. Half of a SHA-256 is more than anybody can guess at."""

Wish = Literal["stop", "again"]


@dataclass(frozen=True)
class Subscription:
    """How a lead stands to e-mail of a studio.

    Attributes:
        message_id: of the mail that the link stands in.
        lead_id: the lead's, by the id of the row.
        language: theirs, ISO 639-1.
        studio: its name.
        is_on: they get e-mail, as far as they themselves are asked.
        may_return: they may agree anew here: nothing forbids all messages to them.
    """

    workspace_id: UUID
    message_id: UUID
    lead_id: UUID
    language: str
    studio: str
    is_on: bool
    may_return: bool


def link_of(connection: Connection, people: People, workspace_id: UUID, message_id: UUID) -> str:
    """The path of the link in one mail. Needs the fleet's scope."""
    content = workspace_id.bytes + message_id.bytes
    signature = people.digests.signature(connection, _PURPOSE, content)[:_SIGNATURE]
    return f"{PATH}{base64.urlsafe_b64encode(content + signature).decode()}"


def read(connection: Connection, people: People, token: str) -> Subscription:
    """Whose link it is, and how they stand.

    Args:
        connection: a transaction in the fleet's scope.
        people: who signs.
        token: the link's last part.

    Raises:
        NotFound: it is no link of ours, or the mail's data is gone.
    """
    content = _content(connection, people, token)
    row = store.find_message(connection, UUID(bytes=content[_ID:]), UUID(bytes=content[:_ID]))
    if row is None:
        raise _nothing()
    lead = store.get_lead(connection, row.workspace_id, row.lead_id)
    counts = store.consents(connection, row.workspace_id, lead.id)
    is_silent = opted_out_scope(counts) == "all"
    return Subscription(
        workspace_id=row.workspace_id,
        message_id=row.id,
        lead_id=lead.id,
        language=lead.language,
        studio=workspaces.get_workspace(connection, row.workspace_id).name,
        is_on=counts.get("email") is True and not is_silent,
        may_return=not is_silent and lead.lifecycle != "erased",
    )


def ask(connection: Connection, clocks: Clocks, people: People, token: str, wish: Wish) -> Subscription:
    """Do what a link asks for, and return how the lead stands then; what is asked for twice is done once.

    Arguments are those of `read`, both clocks, and what is asked for. Raises `NotFound` likewise, and `Conflict` where
    the lead wants no messages at all, and so no e-mail again.
    """
    found = read(connection, people, token)
    store.lock_lead(connection, found.workspace_id, found.lead_id)
    found = read(connection, people, token)
    place = (connection, clocks, found.workspace_id, found.lead_id)
    # Each change of mind is another proof: the same one counts once.
    proof = f"mail:{found.message_id}:{new_id()}"
    if wish == "stop" and found.is_on:
        consent.withdraw(*place, "email", "link", proof, Cause.new(), people)
    elif wish == "again" and not found.is_on:
        if not found.may_return:
            raise Conflict("You asked for no messages at all: write START to the studio first.")
        consent.grant(*place, "email", "link", proof, people)
    return read(connection, people, token)


def _content(connection: Connection, people: People, token: str) -> bytes:
    try:
        given = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise _nothing() from error
    content, signature = given[: 2 * _ID], given[2 * _ID :]
    if len(given) != 2 * _ID + _SIGNATURE:
        raise _nothing()
    expected = people.digests.signature(connection, _PURPOSE, content)[:_SIGNATURE]
    if not same(expected, signature):
        raise _nothing()
    return content


def _nothing() -> NotFound:
    return NotFound("There is nothing at this address.")

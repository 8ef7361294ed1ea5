"""How a studio's channels were found at the last look. What belongs here: reading it for API and page; nothing changes.

What does not: looking (`channel_look.py`), and the account and its steps (`channels.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pilar.clocks import Clocks
from pilar.messaging import number_store
from pilar.messaging.number_store import NumberStanding
from pilar.provisioning import replacement_store as store
from pilar.provisioning.drift import WITHIN


@dataclass(frozen=True)
class Replaced:
    """A replacement of a number, under way or over; moments are business time but for `begun_at`."""

    old_number: str
    new_number: str | None
    why: str
    waits_on: str | None
    wait_reason: str | None
    begun_at: datetime
    moved_at: datetime | None
    ended_at: datetime | None
    outcome: str | None


@dataclass(frozen=True)
class Seen:
    """What was found.

    Attributes:
        looked_at, look_at: real time of the last look and the next; None: there was none.
        trouble: what ails the number at Twilio; None: nothing.
        waits_on: who has to act; None: nobody.
        reason: what has to be done, as a sentence.
        troubled_since: business time.
        standing: how WhatsApp stands to the number.
        repairs: by channel, how often its webhooks were pointed to us within the last hour.
        replacements: the newest first.
    """

    looked_at: datetime | None
    look_at: datetime | None
    trouble: str | None
    waits_on: str | None
    reason: str | None
    troubled_since: datetime | None
    standing: NumberStanding
    repairs: dict[str, int]
    replacements: Sequence[Replaced]


def seen(connection: Connection, clocks: Clocks, workspace_id: UUID) -> Seen:
    """What is known of a studio's channels, in its own scope or the fleet's."""
    look = store.look_of(connection, workspace_id)
    since = clocks.real.now() - WITHIN
    names = Replaced.__dataclass_fields__
    return Seen(
        looked_at=look.looked_at if look else None,
        look_at=look.look_at if look else None,
        trouble=look.trouble if look else None,
        waits_on=look.waits_on if look else None,
        reason=look.reason if look else None,
        troubled_since=look.troubled_since if look else None,
        standing=number_store.standing_of(connection, workspace_id),
        repairs={name: store.repairs_since(connection, workspace_id, name, since) for name in ("sms", "whatsapp")},
        replacements=[
            Replaced(**{name: getattr(row, name) for name in names})
            for row in store.replacements_of(connection, workspace_id)
        ],
    )

"""Free times that a lead may choose from. What belongs here: offering them, and booking the one that is chosen.

An offer keeps no time free: whoever answers first has it, the calendar's lock and the table's constraint see to that,
and who comes second is offered others. Rooms above offer too (a coach, after a training that was missed).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from pilar.agents import phrases, slot_store
from pilar.agents.hearing import Heard, Hearing
from pilar.agents.words import moment_in_short
from pilar.bookings import bookings
from pilar.clocks import Clocks
from pilar.errors import Conflict, NotFound
from pilar.ids import new_id
from pilar.messaging.folding import folded
from pilar.messaging.outbox import Button
from pilar.workspaces.store import get_workspace

TRIAL = "trial-session"
"""What is booked, by its short name."""
NOTICE = timedelta(hours=2)
"""Nobody is asked to come sooner than that."""
MOST = 3
"""Times in an offer: as many as a message has buttons."""
GOOD_FOR = timedelta(hours=24)
"""How long an offer may be answered, in business time."""
ORIGIN = "reply:slots"

_LOOKED_AT = 200
_CHOICE = re.compile(r"slot:([0-9a-f-]{36}):([1-9])")
_NUMBERS = {
    **dict.fromkeys(("1", "one", "first", "the first", "een", "eerste", "de eerste", "eins", "erste", "das erste"), 1),
    **dict.fromkeys(("2", "two", "second", "the second", "twee", "tweede", "de tweede", "zwei", "zweite"), 2),
    **dict.fromkeys(("3", "three", "third", "the third", "drie", "derde", "de derde", "drei", "dritte"), 3),
}


@dataclass(frozen=True)
class Offer:
    """Times that were offered.

    Attributes:
        id: comes back with the choice.
        slots: in the order of their numbers.
        zone: the studio's.
    """

    id: UUID
    slots: tuple[datetime, ...]
    zone: ZoneInfo

    def buttons(self, language: str) -> tuple[Button, ...]:
        """A button for each."""
        return tuple(
            Button(f"slot:{self.id}:{number}", f"{number}: {moment_in_short(slot, self.zone, language)}")
            for number, slot in enumerate(self.slots, 1)
        )


def choose(connection: Connection, workspace_id: UUID, event_type: str, now: datetime) -> tuple[datetime, ...]:
    """Up to three free times, on different days as far as there are; none where there is nothing to be booked."""
    try:
        free = bookings.free_slots(
            connection, workspace_id, event_type, start=now + NOTICE, days=bookings.DAYS_AHEAD, limit=_LOOKED_AT
        )
    except NotFound:
        return ()
    zone = ZoneInfo(get_workspace(connection, workspace_id).time_zone)
    first_of_day: dict[Any, datetime] = {}
    for slot in free:
        first_of_day.setdefault(slot.starts_at.astimezone(zone).date(), slot.starts_at)
    found = [*first_of_day.values()][:MOST]
    found += [one.starts_at for one in free if one.starts_at not in found][: MOST - len(found)]
    return tuple(sorted(found))


def offer(
    connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, event_type: str, *, cause: str
) -> Offer | None:
    """Offer a lead free times; None where none is free. The same cause offers once.

    Args:
        connection: a transaction that holds the lead.
        clocks: both clocks.
        workspace_id: the studio's.
        lead_id: to whom.
        event_type: the short name of what can be booked.
        cause: what makes it.
    """
    zone = ZoneInfo(get_workspace(connection, workspace_id).time_zone)
    if known := slot_store.of_cause(connection, workspace_id, cause):
        return Offer(known.id, slot_store.moments(known), zone)
    now = clocks.business.now()
    slots = choose(connection, workspace_id, event_type, now)
    if not slots:
        return None
    made = Offer(new_id(), slots, zone)
    slot_store.add(
        connection,
        {
            "workspace_id": workspace_id,
            "id": made.id,
            "lead_id": lead_id,
            "event_type": event_type,
            "slots": [one.isoformat() for one in slots],
            "cause": cause,
            "made_at": now,
            "expires_at": now + GOOD_FOR,
        },
    )
    return made


def hear_choice(connection: Connection, clocks: Clocks, hearing: Hearing) -> Heard | None:
    """Book the time that a lead has chosen; None where their message chooses none.

    A button names its offer for ever; a number means the newest offer, while it is good.
    """
    now = clocks.business.now()
    chosen = _CHOICE.fullmatch(hearing.choice or "")
    if chosen is not None:
        found = slot_store.find(connection, hearing.workspace_id, hearing.lead_id, UUID(chosen.group(1)))
        number = int(chosen.group(2))
    else:
        number = _NUMBERS.get(folded(hearing.text), 0)
        found = slot_store.newest(connection, hearing.workspace_id, hearing.lead_id) if number else None
        if found is not None and (found.booking_id is not None or found.expires_at <= now):
            found = None
    if found is None or not 1 <= number <= len(found.slots):
        return None
    slot = slot_store.moments(found)[number - 1]
    if found.booking_id is not None:
        booked = slot_store.booked_at(connection, hearing.workspace_id, found.booking_id)
        return Heard(ORIGIN, phrases.BOOKED_BEFORE, {"slot": booked})
    if found.expires_at <= now:
        return _others(connection, clocks, hearing, found, phrases.OFFER_EXPIRED)
    try:
        made = bookings.book(
            connection,
            clocks,
            hearing.workspace_id,
            found.event_type,
            hearing.lead_id,
            slot,
            cause=f"booking:{hearing.message_id}",
            source="offer",
            story=hearing.story,
        )
    except (Conflict, NotFound):
        return _others(connection, clocks, hearing, found, phrases.OTHERS_FREE)
    slot_store.keep_booking(connection, hearing.workspace_id, found.id, made.id)
    return Heard(ORIGIN, phrases.BOOKED, {"slot": made.starts_at})


def _others(
    connection: Connection, clocks: Clocks, hearing: Hearing, before: Row[Any], said: Mapping[str, str]
) -> Heard:
    """Offer other times in place of an offer."""
    made = offer(
        connection,
        clocks,
        hearing.workspace_id,
        hearing.lead_id,
        before.event_type,
        cause=f"answer:{hearing.message_id}",
    )
    if made is None:
        return Heard(ORIGIN, phrases.NOTHING_FREE, needs_person=True)
    return Heard(ORIGIN, said, {"slots": made.slots}, made.buttons(hearing.language))

"""What a rule may have done besides talking. What belongs here: offering a trial, booking it, asking for coaching.

Each runs in the transaction of its message, under the lead's lock, so that it is done once with the answer that tells
of it. What was offered is kept with the lead: a «yes» means that very time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.agents import phrases, slot_offers, store
from pilar.agents.events import CoachingAskedFor
from pilar.agents.rules import CallFunction
from pilar.agents.slot_offers import NOTICE, TRIAL
from pilar.backplane.facts import Cause, Event, emit
from pilar.bookings import bookings
from pilar.bookings import store as calendar
from pilar.clocks import Clocks
from pilar.errors import Conflict, NotFound
from pilar.messaging import consent
from pilar.messaging import store as messaging
from pilar.messaging.outbox import Button

WANTS_TRIAL = "trial"
"""The tag of a lead who asked for a trial and has none booked; their «yes» books one."""

HELD = timedelta(hours=4)
"""For how long a time that was offered to one lead is offered to no other, as long as there are others."""

_LOOKED_AT = 200
"""Free times that are looked at for one that nobody else was offered."""


@dataclass(frozen=True)
class Outcome:
    """What is to be said.

    Attributes:
        said: the text by language.
        values: what it is filled in with.
        needs_person: nobody but a person can go on from here.
        buttons: what can be chosen from.
    """

    said: Mapping[str, str]
    values: Mapping[str, Any] = field(default_factory=dict)
    needs_person: bool = False
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True)
class Occasion:
    """For whom, and because of which message, a function is done."""

    workspace_id: UUID
    lead: Row[Any]
    message_id: UUID
    source: str
    story: Cause


def perform(connection: Connection, clocks: Clocks, wanted: CallFunction, at: Occasion) -> Outcome:
    """Do it, and return what is to be said about it."""
    if wanted.function == "offer_trial_slot":
        return _offer(connection, clocks, at, wanted.texts)
    if wanted.function == "offer_slots":
        return _offer_several(connection, clocks, at, wanted.texts)
    if wanted.function == "book_offered_slot":
        return _book(connection, clocks, at, wanted.texts)
    return _take_wish(connection, clocks, at, wanted.texts)


def foresee(
    connection: Connection,
    now: datetime,
    wanted: CallFunction,
    workspace_id: UUID,
    lead_id: UUID | None,
    properties: Mapping[str, Any],
) -> Outcome:
    """What would be said if it were done now; nothing is."""
    if wanted.function == "ask_for_coaching":
        return Outcome(wanted.texts)
    if wanted.function == "offer_slots":
        slots = slot_offers.choose(connection, workspace_id, TRIAL, now)
        return Outcome(wanted.texts, {"slots": slots}) if slots else _nothing_free()
    slot = _offered(properties) if wanted.function == "book_offered_slot" else None
    slot = slot or next_slot(connection, workspace_id, lead_id, now)
    return Outcome(wanted.texts, {"slot": slot}) if slot else _nothing_free()


def next_slot(connection: Connection, workspace_id: UUID, lead_id: UUID | None, now: datetime) -> datetime | None:
    """The first free time for a trial, preferably one that no other lead was offered a moment ago."""
    try:
        kind = calendar.get_event_type(connection, workspace_id, TRIAL)
    except NotFound:
        return None  # the studio has no trials to be booked any more
    free = bookings.free_slots(
        connection, workspace_id, TRIAL, start=now + NOTICE, days=bookings.DAYS_AHEAD, limit=_LOOKED_AT
    )
    if not free:
        return None
    on_offer = store.slots_on_offer(connection, workspace_id, lead_id, now - HELD)
    length = timedelta(minutes=kind.buffer_before_minutes + kind.duration_minutes + kind.buffer_minutes)
    apart = (slot.starts_at for slot in free if all(abs(slot.starts_at - offered) >= length for offered in on_offer))
    return next(apart, free[0].starts_at)


def _offer(connection: Connection, clocks: Clocks, at: Occasion, said: Mapping[str, str]) -> Outcome:
    now = clocks.business.now()
    slot = next_slot(connection, at.workspace_id, at.lead.id, now)
    if slot is None:
        return _nothing_free()
    offered = {**at.lead.properties, "offered_slot": slot.isoformat(), "offered_at": now.isoformat()}
    messaging.change_lead(connection, at.workspace_id, at.lead.id, {"properties": offered})
    return Outcome(said, {"slot": slot})


def _offer_several(connection: Connection, clocks: Clocks, at: Occasion, said: Mapping[str, str]) -> Outcome:
    cause = f"answer:{at.message_id}"
    made = slot_offers.offer(connection, clocks, at.workspace_id, at.lead.id, TRIAL, cause=cause)
    if made is None:
        return _nothing_free()
    return Outcome(said, {"slots": made.slots}, buttons=made.buttons(at.lead.language))


def _book(connection: Connection, clocks: Clocks, at: Occasion, said: Mapping[str, str]) -> Outcome:
    slot = _offered(at.lead.properties) or next_slot(connection, at.workspace_id, at.lead.id, clocks.business.now())
    if slot is None:
        return _nothing_free()
    cause = f"booking:{at.message_id}"
    try:
        made = bookings.book(
            connection,
            clocks,
            at.workspace_id,
            TRIAL,
            at.lead.id,
            slot,
            cause=cause,
            source=at.source,
            story=at.story,
        )
    except (Conflict, NotFound):
        return _offer(connection, clocks, at, phrases.TAKEN)
    kept = {name: value for name, value in at.lead.properties.items() if not name.startswith("offered_")}
    # The wish is fulfilled: another «yes» is about something else.
    tags = [tag for tag in at.lead.tags if tag != WANTS_TRIAL]
    messaging.change_lead(connection, at.workspace_id, at.lead.id, {"properties": kept, "tags": tags})
    return Outcome(said, {"slot": made.starts_at})


def _take_wish(connection: Connection, clocks: Clocks, at: Occasion, said: Mapping[str, str]) -> Outcome:
    proof = f"message:{at.message_id}"
    # No people: a rule took the words for agreement, and who was erased is written to again by their own START alone.
    consent.grant(connection, clocks, at.workspace_id, at.lead.id, "marketing", "keyword", proof)
    event = Event(
        payload=CoachingAskedFor(lead_id=at.lead.id),
        key=f"{CoachingAskedFor.type_name}:{at.message_id}",
        aggregate=("lead", str(at.lead.id)),
        workspace_id=at.workspace_id,
    )
    emit(connection, clocks, [event], at.story)
    return Outcome(said)


def _offered(properties: Mapping[str, Any]) -> datetime | None:
    offered = properties.get("offered_slot")
    return datetime.fromisoformat(offered) if offered else None


def _nothing_free() -> Outcome:
    return Outcome(phrases.NOTHING_FREE, needs_person=True)

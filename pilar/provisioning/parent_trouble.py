"""One of our accounts at Twilio is suspended: one incident for it, whatever number of studios is under it.

What belongs here: having it opened, brought up to date with each studio that is found to suffer, and closed. What does
not: finding it (`channel_look.py`) and where studios are placed (`twilio_parents.py`).

Whoever finds it, or finds it to be over, holds the account's lock from before it keeps what it found: so the incident
names all that were found, and none is closed while another studio tells of the same trouble.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.facts import Cause, emit
from pilar.backplane.notices import IncidentRequested, end_incidents, incident, is_asked_for
from pilar.clocks import Clocks
from pilar.provisioning import twilio_store as store

TROUBLE = "parent_suspended"
NAMED = 10
"""So many studios are named; of the others there is a count."""


def key(parent_sid: str) -> str:
    """What the incident is known by."""
    return f"channels:{TROUBLE}:{parent_sid}"


def tell(
    connection: Connection, clocks: Clocks, parent_sid: str, first: str, *, is_new: bool, occasion: UUID, story: Cause
) -> None:
    """A studio was found to suffer, which is kept already: have the incident opened or brought up to date.

    Args:
        connection: a transaction in the fleet's scope that holds the account by `twilio_store.lock_parent`.
        clocks: both clocks.
        parent_sid: our account.
        first: the account that studios without a place are under.
        is_new: the studio was well before; else only an incident that is not there is opened.
        occasion: the id of the work that found it.
        story: what it belongs to.
    """
    if not is_new and is_asked_for(connection, key(parent_sid)):
        return
    names = store.suffering(connection, parent_sid, first, TROUBLE)
    request = IncidentRequested(
        dedupe_key=key(parent_sid),
        title="Twilio has suspended one of our accounts",
        description=f"Twilio refuses our account {parent_sid}: it is suspended, or its token is wrong. {_told(names)}",
        severity="critical",
        component="twilio_integration",
    )
    emit(connection, clocks, [incident(request, key=f"{TROUBLE}:{occasion}")], story)


def is_over(connection: Connection, clocks: Clocks, parent_sid: str, first: str, story: Cause) -> None:
    """The account works: have its incident closed, and its other studios looked at by the next sweep."""
    end_incidents(
        connection, clocks, [key(parent_sid)], reason="A look has found our account to work again.", cause=story
    )
    store.look_now(connection, parent_sid, first, TROUBLE, clocks.real.now())


def _told(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED])
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"Found at {len(names)} {'studio' if len(names) == 1 else 'studios'} so far: {shown}{more}."

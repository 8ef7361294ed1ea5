"""Following a studio's calendar from elsewhere. What belongs here: secret addresses, and what is read under one.

What does not: the form of what is read (`ics.py`). Whoever knows the address reads the calendar, names of leads
included: it is told once, stored hashed, and revoked by the studio's owner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.bookings import feed_store, store
from pilar.bookings.ics import Entry
from pilar.clocks import Clocks
from pilar.errors import Conflict, Invalid, NotFound
from pilar.ids import new_id
from pilar.tokens import new_token, token_hash
from pilar.workspaces.store import hold_workspace

AT_MOST = 20
"""Addresses that one studio may have in force."""
PAST = timedelta(days=30)
"""How long what is over stays in a feed."""
ENTRIES = 2_000
"""The most bookings in one feed."""
LONGEST_NAME = 60


@dataclass(frozen=True)
class Feed:
    """One address, without its secret; times are real time."""

    id: UUID
    name: str
    created_at: datetime
    revoked_at: datetime | None


def make(connection: Connection, clocks: Clocks, workspace_id: UUID, name: str, actor: str) -> tuple[Feed, str]:
    """Give a studio another address; return it with its secret, which is told nowhere else.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        workspace_id: the studio.
        name: who will follow it.
        actor: who asks, as in the audit log.

    Raises:
        Invalid: the name is empty or too long.
        Conflict: the studio has as many as it may, or is closed.
    """
    name = name.strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Invalid(f"Say in 1 to {LONGEST_NAME} characters who will follow the calendar.")
    # Held, so that a studio that is closed at this moment does not miss this address when it revokes them.
    if hold_workspace(connection, workspace_id).state == "closed":
        raise Conflict("This studio is closed: its calendar can't be followed any more.")
    store.lock_calendar(connection, workspace_id)
    if sum(one.revoked_at is None for one in feed_store.feeds_of(connection, workspace_id)) >= AT_MOST:
        raise Conflict(f"There are {AT_MOST} addresses already: revoke one that nobody uses.")
    token, now = new_token("calendar"), clocks.real.now()
    made = Feed(new_id(), name, now, None)
    feed_store.add_feed(
        connection,
        {
            "workspace_id": workspace_id,
            "id": made.id,
            "name": name,
            "token_hash": token_hash(token),
            "created_by": actor,
            "created_at": now,
        },
    )
    _record(connection, clocks, workspace_id, made.id, "bookings.feed_made", actor)
    return made, token


def revoke(connection: Connection, clocks: Clocks, workspace_id: UUID, feed_id: UUID, actor: str) -> None:
    """Have an address show nothing any more; one that is revoked stays so.

    Raises:
        NotFound: the studio has no such address.
    """
    if feed_store.revoke_feed(connection, workspace_id, feed_id, clocks.real.now()):
        _record(connection, clocks, workspace_id, feed_id, "bookings.feed_revoked", actor)
    elif all(one.id != feed_id for one in feed_store.feeds_of(connection, workspace_id)):
        raise NotFound("There is no such address.")


def revoke_all(connection: Connection, clocks: Clocks, workspace_id: UUID, actor: str) -> None:
    """Have none of a studio's addresses show anything any more: in the transaction that closes the studio."""
    for one in feed_store.feeds_of(connection, workspace_id):
        if one.revoked_at is None:
            revoke(connection, clocks, workspace_id, one.id, actor)


def feeds_of(connection: Connection, workspace_id: UUID) -> list[Feed]:
    """A studio's addresses, those in force and those revoked, the newest first."""
    rows = feed_store.feeds_of(connection, workspace_id)
    return [Feed(row.id, row.name, row.created_at, row.revoked_at) for row in rows]


def studio_of(connection: Connection, token: str) -> UUID:
    """Whose calendar an address shows; needs the fleet's scope.

    Raises:
        NotFound: nobody's, or it was revoked.
    """
    found = feed_store.studio_of(connection, token_hash(token))
    if found is None:
        raise NotFound("There is no calendar at this address (any more).")
    return found


def booked(connection: Connection, workspace_id: UUID, now: datetime) -> list[tuple[Entry, UUID]]:
    """What is in a studio's feed at a moment of business time, with the lead of each."""
    return [
        (
            Entry(
                id=row.id,
                starts_at=row.starts_at,
                ends_at=row.ends_at,
                changed_at=row.cancelled_at or row.created_at,
                sequence=row.sequence,
                title=row.name,
                is_cancelled=row.state == "cancelled",
            ),
            row.lead_id,
        )
        for row in store.bookings_since(connection, workspace_id, now - PAST, ENTRIES)
    ]


def titled(entries: list[tuple[Entry, UUID]], names: Mapping[UUID, str | None]) -> list[Entry]:
    """The entries with who comes in their titles, as far as that is known."""
    return [
        replace(entry, title=f"{entry.title}: {names[lead]}") if names.get(lead) else entry for entry, lead in entries
    ]


def _record(connection: Connection, clocks: Clocks, workspace_id: UUID, feed_id: UUID, action: str, actor: str) -> None:
    audit.record(
        connection,
        actor=actor,
        action=action,
        subject=f"booking_feed:{feed_id}",
        now=clocks.real.now(),
        workspace_id=workspace_id,
    )

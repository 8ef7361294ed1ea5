"""Under which of our accounts at Twilio a studio's account is made.

What belongs here: placing, and seeing to it that room runs short as an incident before it runs out. What does not:
making the account (`twilio_steps.py`).

Twilio gives each parent 1,000 subaccounts unless it grants more. A placement is committed before the account is made,
under a lock, so that the same parent is asked again after a crash and none is given more than it may have. What was
made before placements were kept stands under the first parent. A parent that turns a studio away, since Twilio counts
otherwise than we do or has suspended it, is set aside for a while and the studio goes to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.facts import Cause, emit
from pilar.backplane.notices import IncidentRequested, Severity, incident
from pilar.clocks import Clocks
from pilar.provisioning import twilio_store as store

SHORT = 0.1
"""Less room than this share of all is an incident."""
AGAIN = timedelta(hours=6)
"""How often an incident that lasts is asked for again."""


ASIDE = timedelta(hours=6)
"""How long (real time) a parent that has turned a studio away gets no other: Twilio may raise its limit any day."""


@dataclass(frozen=True)
class Room:
    """How many subaccounts a parent has of those that it may have; `is_aside`: it takes none now."""

    parent_sid: str
    used: int
    capacity: int
    is_aside: bool = False

    @property
    def free(self) -> int:
        """How many more it may have."""
        return 0 if self.is_aside else max(0, self.capacity - self.used)


def rooms(connection: Connection, parents: Sequence[str], capacity: int, now: datetime | None = None) -> list[Room]:
    """How full each parent is, in the order in which they are named; needs the fleet's scope.

    Args:
        connection: a transaction in the fleet's scope.
        parents: their SIDs.
        capacity: subaccounts that each may have.
        now: real time; None: none counts as set aside.
    """
    used = store.placed(connection)
    before = used.pop(None, 0)
    aside = store.aside_since(connection, now - ASIDE) if now else set()
    return [
        Room(sid, used.get(sid, 0) + (before if place == 0 else 0), capacity, sid in aside)
        for place, sid in enumerate(parents)
    ]


def turned_away(connection: Connection, clocks: Clocks, workspace_id: UUID, parent_sid: str, reason: str) -> None:
    """A parent has not taken a studio: it is set aside, and the studio has no place any more."""
    store.lock_placing(connection)
    store.set_aside(connection, parent_sid, reason[:500], clocks.real.now())
    store.remove_placement(connection, workspace_id, parent_sid)


def place(
    connection: Connection, clocks: Clocks, workspace_id: UUID, parents: Sequence[str], capacity: int, story: Cause
) -> str | None:
    """The parent that a studio's account is under: the one it was given before, else the one with the most room.

    Args:
        connection: a transaction in the fleet's scope; it holds all placing until its end.
        clocks: both clocks.
        workspace_id: the studio.
        parents: the parents' SIDs, the first of them the oldest.
        capacity: subaccounts that each may have.
        story: what an incident refers to.

    Returns:
        Its SID; None where all are full, which is an incident.
    """
    store.lock_placing(connection)
    if known := store.placement_of(connection, workspace_id):
        return known
    now = clocks.real.now()
    if store.has_account(connection, workspace_id):
        store.add_placement(connection, workspace_id, parents[0], now)
        return parents[0]
    found = rooms(connection, parents, capacity, now)
    best = max(found, key=lambda room: room.free)
    left = sum(room.free for room in found)
    if best.free:
        store.add_placement(connection, workspace_id, best.parent_sid, now)
        left -= 1
    if left < SHORT * capacity * len(found):
        _tell(connection, clocks, left, found, story)
    return best.parent_sid if best.free else None


def _tell(connection: Connection, clocks: Clocks, left: int, found: Sequence[Room], story: Cause) -> None:
    severity: Severity = "high" if left else "critical"
    aside = [room.parent_sid for room in found if room.is_aside]
    why = f" Set aside, since they turned a studio away: {', '.join(aside)}." if aside else ""
    how = f"Room for {left} more studios is left" if left else "No room for another studio is left"
    request = IncidentRequested(
        dedupe_key=f"twilio.parents:{severity}",
        title="Twilio's parent accounts are filling up" if left else "Twilio's parent accounts are full",
        description=f"{how} under {len(found)} parent accounts.{why} Open another at Twilio and add it to "
        "PILAR_TWILIO_PARENTS, or have Twilio raise the limit and set PILAR_TWILIO_PARENT_CAPACITY.",
        severity=severity,
        component="twilio",
    )
    window = int(clocks.real.now().timestamp() // AGAIN.total_seconds())
    emit(connection, clocks, [incident(request, key=f"{request.dedupe_key}:{window}")], story)

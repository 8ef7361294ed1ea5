"""Under which of our accounts at Twilio a studio's account is made.

What belongs here: placing, and seeing to it that room runs short as an incident before it runs out. What does not:
making the account (`twilio_steps.py`).

Twilio gives each parent 1,000 subaccounts unless it grants more. A placement is committed before the account is made,
under a lock, so that the same parent is asked again after a crash and none is given more than it may have. What was
made before placements were kept stands under the first parent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
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


@dataclass(frozen=True)
class Room:
    """How many subaccounts a parent has of those that it may have."""

    parent_sid: str
    used: int
    capacity: int

    @property
    def free(self) -> int:
        """How many more it may have."""
        return max(0, self.capacity - self.used)


def rooms(connection: Connection, parents: Sequence[str], capacity: int) -> list[Room]:
    """How full each parent is, in the order in which they are named; needs the fleet's scope."""
    used = store.placed(connection)
    before = used.pop(None, 0)
    return [Room(sid, used.get(sid, 0) + (before if place == 0 else 0), capacity) for place, sid in enumerate(parents)]


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
    found = rooms(connection, parents, capacity)
    best = max(found, key=lambda room: room.free)
    left = sum(room.free for room in found)
    if best.free:
        store.add_placement(connection, workspace_id, best.parent_sid, now)
        left -= 1
    if left < SHORT * capacity * len(found):
        _tell(connection, clocks, left, len(found), story)
    return best.parent_sid if best.free else None


def _tell(connection: Connection, clocks: Clocks, left: int, parents: int, story: Cause) -> None:
    severity: Severity = "high" if left else "critical"
    how = f"Room for {left} more studios is left" if left else "No room for another studio is left"
    request = IncidentRequested(
        dedupe_key=f"twilio.parents:{severity}",
        title="Twilio's parent accounts are filling up" if left else "Twilio's parent accounts are full",
        description=f"{how} under {parents} parent accounts. Open another at Twilio and add it to "
        "PILAR_TWILIO_PARENTS, or have Twilio raise the limit and set PILAR_TWILIO_PARENT_CAPACITY.",
        severity=severity,
        component="twilio",
    )
    window = int(clocks.real.now().timestamp() // AGAIN.total_seconds())
    emit(connection, clocks, [incident(request, key=f"{request.dedupe_key}:{window}")], story)

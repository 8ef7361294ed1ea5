"""Where an outbound message stands. What belongs here: the states and how statuses fold into one; pure.

Statuses come in any order and more than once: `delivered` may be missing where `read` came first, and may follow
`failed`. So they are folded by rank, and a message never goes back.
"""

from __future__ import annotations

QUEUED = "queued"
HELD = "held"
"""Kept back: paused, or over budget until it resets."""
REFUSED = "refused"
"""Our own verdict was no."""
DRY_RUN = "dry_run"
"""Decided and recorded, and on purpose not sent."""
CANCELLED = "cancelled"
"""Withdrawn before it was handed over."""
ATTEMPTED = "attempted"
"""Committed before the provider is called."""
UNKNOWN = "unknown"
"""The call ended without an answer; a status or the policy settles it."""
ACCEPTED = "accepted"
SENT = "sent"
FAILED = "failed"
DELIVERED = "delivered"
READ = "read"

UNSENT = (QUEUED, HELD)
"""What an opt-out withdraws."""
IN_DOUBT = (ATTEMPTED, UNKNOWN)
TAKEN = (ACCEPTED, SENT, DELIVERED, READ)
"""What the provider has."""

_RANK = {ATTEMPTED: 0, UNKNOWN: 0, ACCEPTED: 1, SENT: 2, FAILED: 3, DELIVERED: 4, READ: 5}


def fold(state: str, status: str) -> str:
    """The state after a status was told; what was never handed over, or is unheard of, stays as it is."""
    if state not in _RANK or status not in _RANK:
        return state
    return status if _RANK[status] > _RANK[state] else state

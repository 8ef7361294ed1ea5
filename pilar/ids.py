"""Public identifiers. What belongs here: how an id is made. Internal positions are the database's identity columns."""

from __future__ import annotations

import os
import time
from uuid import UUID

FLEET = UUID(int=0)
"""Stands for «no workspace» where a key must not be null (the queue is walked by workspace)."""


def new_id() -> UUID:
    """A UUID of version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then random bits.

    Ordered by time of creation, so that indexes on it grow at one end.
    """
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def id_after(last: UUID | None) -> UUID:
    """A fresh id that is above another one, even of the same millisecond or of a clock that was ahead."""
    fresh = new_id()
    if last is None or fresh > last:
        return fresh
    # One up within the 62 bits that are random: the version's and the variant's bits stay.
    return UUID(int=last.int + 1)

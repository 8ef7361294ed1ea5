"""The arithmetic of the audit log's seal: what is hashed, and in which form. Pure, so that anybody can redo it.

What belongs here: canonical forms and hashes. What does not: which entries may be sealed (`sealing.py`), and reading
them back (`verifying.py`).

A form is canonical when it can be read back in one way only: each field is marked as there or not, and carries its
length. A field is the text that PostgreSQL prints for it (its `jsonb` has a form of its own already, and numbers in
it keep every digit), so that no library stands between what is stored and what is hashed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FIRST_POSITION = -(1 << 63)
"""Where the first segment begins: below every position, so that nothing can be slipped in before it."""
NOTHING_BEFORE = bytes(32)
"""What stands for the hash before the first segment's."""

_SHORT = 8
_PLACE = 8

COLUMNS = (
    "position",
    "id",
    "workspace_id",
    "actor",
    "action",
    "subject",
    "correlation_id",
    "details",
    "recorded_at",
)
"""The fields of an entry, in the order in which they are hashed. A new column is added at the end."""


@dataclass(frozen=True)
class Entries:
    """The entries of one segment, hashed.

    Attributes:
        hashes: by position, in order.
    """

    hashes: Mapping[int, bytes]

    @property
    def content(self) -> bytes:
        """One hash over all of them."""
        return hashlib.sha256(b"".join(self.hashes.values())).digest()

    @property
    def digests(self) -> bytes:
        """Per entry its position and the beginning of its hash: tells which entry a broken segment is broken at."""
        return b"".join(
            position.to_bytes(_PLACE, "big", signed=True) + found[:_SHORT] for position, found in self.hashes.items()
        )


@dataclass(frozen=True)
class Difference:
    """Where entries and seal part."""

    position: int
    what: str
    """`changed`, `deleted`, or `inserted` behind the seal."""


def canonical(fields: Sequence[str | None]) -> bytes:
    """Fields in a form that can be read back in one way only."""
    parts = []
    for field in fields:
        if field is None:
            parts.append(b"\x00")
        else:
            encoded = field.encode()
            parts += (b"\x01", len(encoded).to_bytes(8, "big"), encoded)
    return b"".join(parts)


def hash_entries(rows: Sequence[tuple[int, Sequence[str | None]]]) -> Entries:
    """Hash the entries of a segment: their positions, in order, and their fields as text."""
    return Entries({position: hashlib.sha256(canonical(fields)).digest() for position, fields in rows})


def hash_segment(
    before: bytes, *, segment: int, from_position: int, to_position: int, entries: int, sealed_at: str, content: bytes
) -> bytes:
    """The hash of a segment, which holds the one before it.

    Args:
        before: the hash of the segment before it.
        segment: its number.
        from_position: where it begins.
        to_position: where it ends.
        entries: how many entries it holds.
        sealed_at: seconds since 1970 as PostgreSQL prints them.
        content: the hash over its entries.
    """
    numbers = [str(number) for number in (segment, from_position, to_position, entries)]
    return hashlib.sha256(before + canonical([*numbers, sealed_at]) + content).digest()


def first_difference(digests: bytes, found: Entries) -> Difference | None:
    """The lowest position at which entries are not what was sealed; None where the digests can't tell."""
    size = _PLACE + _SHORT
    sealed = {
        int.from_bytes(digests[at : at + _PLACE], "big", signed=True): digests[at + _PLACE : at + size]
        for at in range(0, len(digests), size)
    }
    for position in sorted(sealed.keys() | found.hashes.keys()):
        if position not in found.hashes:
            return Difference(position, "deleted")
        if position not in sealed:
            return Difference(position, "inserted")
        if found.hashes[position][:_SHORT] != sealed[position]:
            return Difference(position, "changed")
    return None

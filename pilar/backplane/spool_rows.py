"""A delivery as a row of the spool, and back. What belongs here: that, and what room it takes; no file.

Names are stored as bytes, since a delivery that can't be written as text anywhere else is to be kept here too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pilar.backplane.deliveries import NewDelivery
from pilar.backplane.facts import Lane

PAGE = 4096
COLUMNS = "provider, external_id, workspace_id, headers, body, received_at, lane, refused"
_ROW_BYTES = 256
"""What a row takes beside what it holds."""

Row = tuple[int, bytes, bytes, str | None, str, bytes, str, str, str | None]


@dataclass(frozen=True)
class Arrival:
    """A delivery on its way into the file.

    Attributes:
        number: its place in the order of arrival.
        delivery: what is kept.
        refused: why the database refuses it for good; it is kept aside then, and not replayed.
    """

    number: int
    delivery: NewDelivery
    refused: str | None = None


@dataclass(frozen=True)
class Spooled:
    """A delivery in the file: what it says, or why it can't be read."""

    seq: int
    delivery: NewDelivery | None
    fault: str = ""

    @property
    def size(self) -> int:
        """Of its body, in bytes."""
        return len(self.delivery.body) if self.delivery else 0


def encoded(arrival: Arrival, base: int) -> Row:
    """A delivery as a row; its number of arrival counts from `base`."""
    one = arrival.delivery
    return (
        base + arrival.number,
        one.provider.encode("utf-8", "surrogatepass"),
        one.external_id.encode("utf-8", "surrogatepass"),
        str(one.workspace_id) if one.workspace_id else None,
        json.dumps(dict(one.headers)),
        one.body,
        one.received_at.isoformat(),
        one.lane.value,
        arrival.refused,
    )


def room_for(row: Row) -> int:
    """What a row takes at most; what does not fit beside others takes whole pages of its own."""
    size = _ROW_BYTES + 2 * len(row[2]) + len(row[4]) + len(row[5])
    return size if size < PAGE // 4 else (size // PAGE + 2) * PAGE


def decoded(row: Row) -> Spooled:
    """A row, with its key in place of its number of arrival, as a delivery."""
    seq, provider, external_id, workspace_id, headers, body, received_at, lane, _ = row
    try:
        return Spooled(
            seq,
            NewDelivery(
                provider.decode("utf-8", "surrogatepass"),
                external_id.decode("utf-8", "surrogatepass"),
                body,
                json.loads(headers),
                UUID(workspace_id) if workspace_id else None,
                datetime.fromisoformat(received_at),
                Lane(lane),
            ),
        )
    except ValueError as error:
        return Spooled(seq, None, f"it can't be read: {error}")

"""What a room does with what it keeps about one person: the shape that rooms fill in, and no room itself.

A lead is messaging's, and rooms above and below keep rows about them. Each names its tables here and says how they go
over to another lead, are told, are erased and are withdrawn; `app.py` lists the rooms. So messaging knows none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row


@dataclass(frozen=True)
class Moment:
    """Something that happened with a lead, as a timeline shows it.

    Attributes:
        at: business time.
        kind: message, consent, booking, nudge, call, note, …
        says: one sentence, or what was written.
        detail: where it stands, and who did it; empty: nothing to add.
    """

    at: datetime
    kind: str
    says: str
    detail: str = ""


@dataclass(frozen=True)
class About:
    """Whom it is about, in one transaction of the fleet's that holds the lead's row.

    Attributes:
        connection: that transaction.
        workspace_id: the studio.
        lead_id: who.
        now: business time.
    """

    connection: Connection
    workspace_id: UUID
    lead_id: UUID
    now: datetime

    @property
    def key(self) -> dict[str, Any]:
        """What every statement about them is told."""
        return {"w": self.workspace_id, "lead": self.lead_id, "now": self.now}


def nothing(_: About) -> None:
    """There is nothing to do."""


def no_moments(_: About, _limit: int) -> list[Moment]:
    """There is nothing to show."""
    return []


@dataclass(frozen=True)
class Room:
    """A room's part.

    Attributes:
        name: under which the export shows what it tells.
        tables: those whose rows name a lead, each of which `move` goes through.
        move: have everything name another lead.
        tell: everything it keeps about them, by table.
        erase: shred what tells who they are, and call off what is to come.
        withdraw: call off what was to be sent to them unasked.
        beneath: tables whose rows hang on those of `tables` and go with them; told and erased by the room as well.
        moments: the newest for the timeline, so many at most.
    """

    name: str
    tables: frozenset[str]
    move: Callable[[About, UUID], None]
    tell: Callable[[About], dict[str, list[dict[str, Any]]]]
    erase: Callable[[About], None] = nothing
    withdraw: Callable[[About], None] = nothing
    moments: Callable[[About, int], list[Moment]] = no_moments
    beneath: frozenset[str] = frozenset()


def told(rows: Iterable[Row[Any]]) -> list[dict[str, Any]]:
    """Rows as JSON may hold them."""
    return [{name: _plain(value) for name, value in zip(row._fields, row, strict=True)} for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (UUID, Decimal)):
        return str(value)
    return value.hex() if isinstance(value, (bytes, memoryview)) else value

"""Who waits on whom, for the founder, read from schema `analytics` and from nothing else.

What belongs here: what that page is told. What does not: the waits themselves, which are provisioning's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, func, select

from pilar.operator.tables import studio_overview


@dataclass(frozen=True)
class Party:
    """How many studios wait on a party, in vain some of them, and since when the longest (real time)."""

    waits_on: str
    count: int
    expired: int
    oldest: datetime | None


@dataclass(frozen=True)
class Waiting:
    """A studio that waits, or its number; `wait_since` is real time, `wait_link` where to act at a provider."""

    workspace_id: UUID
    name: str
    state: str
    wait_title: str | None
    waits_on: str
    wait_reason: str | None
    wait_since: datetime | None
    wait_link: str | None
    wait_in_vain: bool


def parties(connection: Connection) -> Sequence[Party]:
    """On whom studios wait, most of them first."""
    query = (
        select(
            studio_overview.c.waits_on,
            func.count(),
            func.count().filter(studio_overview.c.wait_in_vain),
            func.min(studio_overview.c.wait_since),
        )
        .where(studio_overview.c.waits_on.is_not(None))
        .group_by(studio_overview.c.waits_on)
        .order_by(func.count().desc(), studio_overview.c.waits_on)
    )
    return [Party(*row) for row in connection.execute(query)]


def longest(connection: Connection, *, on: str | None = None, limit: int = 100) -> Sequence[Waiting]:
    """The studios that have waited longest, on one party or on any."""
    columns = [studio_overview.c[name] for name in Waiting.__dataclass_fields__]
    query = (
        select(*columns)
        .where(studio_overview.c.waits_on.is_not(None))
        .order_by(studio_overview.c.wait_since, studio_overview.c.workspace_id)
        .limit(limit)
    )
    if on is not None:
        query = query.where(studio_overview.c.waits_on == on)
    return [Waiting(*row) for row in connection.execute(query)]

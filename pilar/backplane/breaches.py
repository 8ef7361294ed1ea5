"""Putting promises to the test. What belongs here: running the query of an invariant; the promises are the rooms'."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from pilar.backplane.invariants import Invariant
from pilar.clocks import Clocks
from pilar.masking import mask

TIMEOUT = "60s"
"""A promise that can't be looked at within this time is no promise: the query needs an index."""


@dataclass(frozen=True)
class Breaches:
    """What breaks a promise.

    Attributes:
        count: how many rows the query returned, counted up to the limit.
        rows: the rows, masked.
        more: whether there are more.
    """

    count: int
    rows: tuple[dict[str, Any], ...]
    more: bool


def find_breaches(connection: Connection, clocks: Clocks, invariant: Invariant, *, limit: int = 20) -> Breaches:
    """The rows that break a promise, at most `limit` of them; none while it holds. Needs the fleet's scope.

    Raises:
        DBAPIError: the query can't be run, or not in time. The transaction is over then.
    """
    connection.execute(text(f"set local statement_timeout = '{TIMEOUT}'"))
    now = {"business_now": clocks.business.now(), "real_now": clocks.real.now()}
    found = connection.execute(text(invariant.query), now).mappings().fetchmany(limit + 1)
    rows = tuple(mask(dict(row)) for row in found[:limit])
    return Breaches(len(rows), rows, more=len(found) > limit)

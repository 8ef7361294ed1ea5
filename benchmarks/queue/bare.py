"""The limit: what the same tables give when their statements are called one after the other, and nothing else is done.

What belongs here: every use of `backplane/store.py` that the benchmark makes. No payload is read, no handler is found,
no savepoint is set and no lease renewed. `python -m benchmarks.queue.bare URL work` answers as the sides do.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from benchmarks.queue.peers.reporting import Tally
from pilar.backplane import store
from pilar.backplane.facts import Lane
from pilar.database.engine import Database, Scope, set_local

BATCH = 500
WORKSPACES = 50
CLAIMS_ONLY = set_local(store.CLAIMS_ONLY)
"""What the drain says at the beginning of a transaction that only claims."""
_WORKER = "bare"
_LEASE = timedelta(seconds=60)
_NOTHING_DUE = 0.05


@dataclass
class Claimer:
    """Claims as the drain does: a few items from each of the next workspaces, and on from there."""

    batch: int = BATCH
    workspaces: int = WORKSPACES
    _cursor: UUID = field(default=store.ABOVE_ALL)

    def claim(self, connection: Connection) -> list[Any]:
        """Claim one batch of the default lane; in a transaction that was begun by `begin`."""
        found = self._look(connection, self._cursor, self.batch // self.workspaces, self.batch)
        rows, reached = found.rows, found.cursor
        if found.visited < self.workspaces:
            if len(rows) <= self.batch // 2:
                left = self.batch - len(rows)
                rows = [*rows, *self._look(connection, store.ABOVE_ALL, -(-left // max(found.visited, 1)), left).rows]
            reached = None
        self._cursor = reached or store.ABOVE_ALL
        return rows

    def _look(self, connection: Connection, cursor: UUID, each: int, most: int) -> store.Claimed:
        now = datetime.now(UTC)
        return store.claim(
            connection,
            lane=Lane.DEFAULT,
            cursor=cursor,
            workspaces=self.workspaces,
            each=each,
            most=most,
            due_before=now,
            now=now,
            lease_until=now + _LEASE,
            worker=_WORKER,
        )


def settle(connection: Connection, rows: list[Any], claimed_at: datetime) -> None:
    """Settle claimed rows as done."""
    settled = [store.SettledRow(row.position, row.fencing_token, "done") for row in rows]
    store.settle(connection, _WORKER, settled, claimed_at=claimed_at, now=datetime.now(UTC))


def batches(database: Database) -> Iterator[int]:
    """Settle a batch and claim the next one in a transaction, until nothing is due; yields the size of each."""
    claimer = Claimer()
    rows: list[Any] = []
    claimed_at = datetime.now(UTC)
    while True:
        with database.transaction(Scope.fleet(), settings=store.BY_INDEX if rows else CLAIMS_ONLY) as connection:
            settle(connection, rows, claimed_at)
            claimed_at = datetime.now(UTC)
            rows = claimer.claim(connection)
        if not rows:
            return
        yield len(rows)


def work(url: str) -> None:
    """Drain until standard input ends."""
    tally, told = Tally(), threading.Event()
    tally.report_until_told(told.set)
    with closing(Database(url)) as database:
        while not told.is_set():
            for size in batches(database):
                for _ in range(size):
                    tally.hit()
            told.wait(_NOTHING_DUE)
    tally.close()


if __name__ == "__main__":
    work(sys.argv[1])

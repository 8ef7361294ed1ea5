"""One drain for all drivers: claim a batch, run its handlers, settle it.

The worker keeps it warm, Dagster's runs call it until nothing is due, tests call it step by step. What does not
belong here: when to drain (that is the drivers'), what happens to a batch (`batches.py`), and what the work is (that
is the handlers').
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from pilar.backplane import batches, outcomes, store
from pilar.backplane.batches import Batch, LeaseLost
from pilar.backplane.facts import Lane
from pilar.backplane.handlers import Outside, Registry, Work
from pilar.backplane.pace import Pace
from pilar.backplane.sweeping import Sweeper
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import Transient

log = logging.getLogger(__name__)

_WORKSPACES_PER_CLAIM = 50
_MOVED_AT_ONCE = 1_000
_HOLDS_PER_VISIT = 200


class Turned(NamedTuple):
    """What one turn did; false where there was nothing to do."""

    claimed: int
    """Pieces that were claimed, or put aside under a pause."""
    moved: int
    """Pieces that have come due, or were let in."""

    def __bool__(self) -> bool:
        return self.claimed + self.moved > 0


@dataclass
class Drain:
    """Claims work and runs it.

    Attributes:
        worker: the name under which work is claimed, unique among living processes.
        lease: how long claimed work is held unless the lease is renewed (`renew_leases`).
        threads: how many outside handlers run at once in the lane of replies, and how many in all the others.
        batch: how many pieces of work are claimed at once, at most; fewer where they take long (`pace.py`).
    """

    database: Database
    registry: Registry
    clocks: Clocks
    worker: str
    lease: timedelta = timedelta(seconds=30)
    threads: int = 8
    batch: int = 500
    _cursors: dict[Lane, UUID] = field(default_factory=dict)
    _paces: dict[Lane, Pace] = field(default_factory=dict)
    _seen: store.Glance = field(default_factory=lambda: store.Glance(frozenset(), later=False, parked=False))
    """What the last glance saw."""
    _is_idle: bool = True
    """Whether the last turn found nothing to do."""
    _woken_by: Lane | None = None
    """The lane that held work after the last rest."""
    _turn: str = ""
    """Where the last visit to parked work ended."""
    _ahead: dict[Lane, store.Claimed] = field(default_factory=dict)
    """What was claimed in the transaction that settled the batch before it."""
    _in_flight: dict[tuple[int, str], Work[Any]] = field(default_factory=dict)
    _futures: dict[Future[None], tuple[bool, list[Work[Any]]]] = field(default_factory=dict)
    """What runs outside, and whether in the lane of replies."""
    _mutex: threading.Lock = field(default_factory=threading.Lock)
    _pools: dict[bool, ThreadPoolExecutor] = field(default_factory=dict)
    _sweeper: Sweeper = field(init=False)

    def __post_init__(self) -> None:
        self._sweeper = Sweeper(self.database.url)

    def turn(self, lanes: Sequence[Lane], *, waiting_for: timedelta = timedelta(0)) -> Turned:
        """Look what there is to do, move what has come due, and take one batch of each lane that holds work.

        Args:
            lanes: in this order; a lane may be named again, for those who must not wait for all the others.
            waiting_for: leave alone what has waited for less: it is a living worker's.
        """
        self._look(lanes, waiting_for)
        moved = self.promote() if self._seen.later or self._seen.parked else 0
        taken = 0
        for lane in lanes:
            # Each batch that is settled looks again: what it did may have brought work into lanes that were empty.
            if lane in self._seen.lanes or lane in self._ahead:
                taken += self.step(lane, waiting_for=waiting_for)
        self._is_idle = taken + moved == 0
        return Turned(taken, moved)

    def _look(self, lanes: Sequence[Lane], waiting_for: timedelta) -> None:
        """See which lanes hold work and claim from the first, all in one transaction.

        After a rest the same lane as the last time is tried before anything is looked at: a moment is saved where it
        matters, and the look follows when its batch is settled.
        """
        lane, claimed = self._woken_by if self._is_idle else None, store.NOTHING
        with self.database.pipelined(Scope.fleet(), settings=store.CLAIMS_ONLY) as connection:
            if lane in lanes and lane is not None:
                claimed = self._claim_more(connection, lane, waiting_for)
            if not claimed:
                self._glance(connection)
                lane = next((one for one in lanes if one in self._seen.lanes), None)
                if lane is not None and not (self._seen.later or self._seen.parked):
                    claimed = self._claim_more(connection, lane, waiting_for)
        if claimed and lane is not None:
            self._keep_ahead(lane, claimed)
            if self._is_idle:
                self._woken_by = lane

    def promote(self) -> int:
        """Move scheduled work whose time has come into the queue, and let parked work in; return how much moved."""
        with self.database.transaction(Scope.fleet()) as connection:
            moved = store.promote(
                connection,
                business_now=self.clocks.business.now(),
                real_now=self.clocks.real.now(),
                limit=_MOVED_AT_ONCE,
            )
        with self.database.transaction(Scope.fleet(), settings=store.BY_INDEX) as connection:
            admitted, self._turn = store.admit(
                connection,
                now=self.clocks.real.now(),
                cursor=self._turn,
                holds=_HOLDS_PER_VISIT,
                limit=_MOVED_AT_ONCE,
            )
            self._glance(connection)
        return moved + admitted

    def step(self, lane: Lane, *, waiting_for: timedelta = timedelta(0)) -> int:
        """Claim one batch of a lane and run it; return how many pieces were claimed, or put aside under a pause.

        Transactional handlers have run when this returns; outside ones run on in threads, and nothing more is claimed
        in a lane whose threads have enough to do. Replies have threads of their own: a slow provider that others wait
        for keeps no lead waiting.

        Args:
            lane: which lane.
            waiting_for: leave alone what has waited for less: it is a living worker's.
        """
        self.reap()
        claimed = self._take_ahead(lane)
        if claimed is None:
            room = self._wanted(lane)
            if room <= 0:
                return 0
            with self.database.pipelined(Scope.fleet(), settings=store.CLAIMS_ONLY) as connection:
                claimed = self._claim(connection, lane, waiting_for, room)
        rows = claimed.rows
        if rows:
            began = time.monotonic()
            batch = batches.tell_apart(rows, self.registry, self.clocks.real.now())
            for handler, works in batches.in_groups(batch.outside):
                self._submit(works, handler, lane)
            self._run(batch, lane, waiting_for, len(rows))
            self._sweeper.settled(len(rows))
            self._pace(lane).learn(len(rows), time.monotonic() - began, together=batch.together)
        return len(rows) + claimed.put_aside

    @property
    def is_busy(self) -> bool:
        """Whether outside handlers are running."""
        self.reap()
        return bool(self._futures)

    @property
    def has_a_heap(self) -> bool:
        """Whether a full batch of cheap work is in hand: there is probably much more of it."""
        with self._mutex:
            return any(len(claimed.rows) == self.batch for claimed in self._ahead.values())

    def wait_for_one(self, seconds: float) -> None:
        """Wait until an outside handler ends, at most so long."""
        wait(list(self._futures), timeout=seconds, return_when="FIRST_COMPLETED")

    def run_until_idle(
        self,
        deadline: datetime,
        lanes: Iterable[Lane] = tuple(Lane),
        *,
        waiting_for: timedelta = timedelta(0),
    ) -> int:
        """Drain until nothing is due or the deadline (real time) has passed; return how many pieces were claimed."""
        total, lanes = 0, list(lanes)
        while self.clocks.real.now() < deadline:
            turned = self.turn(lanes, waiting_for=waiting_for)
            total += turned.claimed
            if not turned and not self._wait_for_one():
                break
        self.finish()
        return total

    def renew_leases(self) -> None:
        """Extend the leases of what is running; called at least three times per lease."""
        with self._mutex:
            held = [batches.claim_of(work) for work in self._in_flight.values()]
            held += [_held(row) for claimed in self._ahead.values() for row in claimed.rows]
        if held:
            with self.database.transaction(Scope.fleet()) as connection:
                store.extend(connection, self.worker, held, self.clocks.real.now() + self.lease)

    def finish(self) -> None:
        """Wait for the handlers that are running, and give back what was claimed ahead."""
        with self._mutex:
            held = [_held(row) for claimed in self._ahead.values() for row in claimed.rows]
            self._ahead.clear()
        self._give_back(held)
        wait(list(self._futures))
        self.reap()

    def leave(self) -> None:
        """Give back what has not begun, for others to take at once; then `close` waits for what has."""
        cancelled = [(future, works) for future, (_, works) in self._futures.items() if future.cancel()]
        for future, works in cancelled:
            del self._futures[future]
            self._landed(works)
        self._give_back([batches.claim_of(work) for _, works in cancelled for work in works])

    def close(self) -> None:
        """Finish and give the threads back."""
        self.finish()
        for pool in self._pools.values():
            pool.shutdown()
        self._pools.clear()
        self._sweeper.close()

    def _pace(self, lane: Lane) -> Pace:
        return self._paces.setdefault(lane, Pace(self.batch))

    def _wanted(self, lane: Lane) -> int:
        """How much to claim."""
        return min(self._pace(lane).batch, self._room(lane))

    def _room(self, lane: Lane) -> int:
        """How much more a lane's threads can be given: a little ahead, so that they never wait for it."""
        if lane is Lane.INBOX:
            return self.batch
        is_reply = lane is Lane.REPLY
        under_way = [len(works) for of_replies, works in self._futures.values() if of_replies == is_reply]
        if not under_way:
            return self.batch
        if max(under_way) > 1:
            # Groups are worth their while when they are large: the next are made of a full batch.
            return self.batch if len(under_way) <= self.threads // 2 else 0
        return self.threads * 4 - len(under_way)

    def _glance(self, connection: Connection) -> None:
        self._seen = store.glance(
            connection, list(Lane), business_now=self.clocks.business.now(), real_now=self.clocks.real.now()
        )

    def _keep_ahead(self, lane: Lane, claimed: store.Claimed) -> None:
        if claimed:
            with self._mutex:
                self._ahead[lane] = claimed

    def _take_ahead(self, lane: Lane) -> store.Claimed | None:
        with self._mutex:
            return self._ahead.pop(lane, None)

    def _claim_more(self, connection: Connection, lane: Lane, waiting_for: timedelta) -> store.Claimed:
        """What a lane that has nothing claimed ahead may be given."""
        room = 0 if lane in self._ahead else self._wanted(lane)
        return self._claim(connection, lane, waiting_for, room) if room > 0 else store.NOTHING

    def _claim(self, connection: Connection, lane: Lane, waiting_for: timedelta, most: int) -> store.Claimed:
        now = self.clocks.real.now()

        def look(cursor: UUID, workspaces: int, each: int) -> store.Claimed:
            return store.claim(
                connection,
                lane=lane,
                cursor=cursor,
                workspaces=workspaces,
                each=each,
                most=workspaces * each,
                due_before=now - waiting_for,
                now=now,
                lease_until=now + self.lease,
                worker=self.worker,
            )

        workspaces = min(_WORKSPACES_PER_CLAIM, most)
        each = most // workspaces
        began_at = self._cursors.get(lane, store.ABOVE_ALL)
        found = look(began_at, workspaces, each)
        while not found and found.visited == workspaces:
            # All that these workspaces have is under way: the next ones may have more.
            found = look(found.cursor or store.ABOVE_ALL, workspaces, each)
        rows, put_aside, reached = found.rows, found.put_aside, found.cursor
        if found.visited < workspaces:
            # The walk came to its end, and goes on at the top: in equal shares, and no further than they go round, else
            # some would be left behind each time. Where it began at the top, the few who have work share what is left,
            # unless nobody had as much as was asked for: then everything has been seen.
            reached = None
            left = most - len(rows)
            is_lap = began_at is not store.ABOVE_ALL
            has_more = is_lap or len(rows) + put_aside >= each
            if has_more and len(rows) + put_aside <= most // 2:
                among = min(_WORKSPACES_PER_CLAIM, left // each) if is_lap else max(1, found.visited)
                more = look(store.ABOVE_ALL, among, each if is_lap else max(1, left // among))
                rows, put_aside = rows + more.rows, put_aside + more.put_aside
                reached = more.cursor if is_lap and more.visited == among else None
        self._cursors[lane] = reached or store.ABOVE_ALL
        return store.Claimed(rows, put_aside, reached, found.visited)

    def _run(self, batch: Batch, lane: Lane, waiting_for: timedelta, claimed: int) -> None:
        """Settle a batch, and claim the next one in the same transaction where there is probably more."""
        if not (batch.transactional or batch.fans or batch.refused):
            return
        room = 0 if batch.outside else self._wanted(lane)
        ahead: store.Claimed | None = None
        try:
            with self.database.transaction(Scope.fleet(), settings=batches.SAVEPOINT) as connection:
                batches.settle_batch(connection, batch, self.clocks, self.worker)
                if 2 * claimed >= room > 0:
                    ahead = self._claim(connection, lane, waiting_for, room)
                self._glance(connection)
        except LeaseLost:
            log.warning("a lease was lost before its batch was settled: run again without it")
            ahead = None
            with self.database.transaction(Scope.fleet(), settings=batches.SAVEPOINT) as connection:
                batches.settle_batch(connection, batch, self.clocks, self.worker, held=True)
        if ahead is not None:
            self._keep_ahead(lane, ahead)

    def _submit(self, works: list[Work[Any]], handler: Outside, lane: Lane) -> None:
        is_reply = lane is Lane.REPLY
        if is_reply not in self._pools:
            self._pools[is_reply] = ThreadPoolExecutor(self.threads, "replies" if is_reply else "outside")
        with self._mutex:
            self._in_flight.update({(work.position, work.handler): work for work in works})
        self._futures[self._pools[is_reply].submit(self._run_outside, works, handler)] = is_reply, works

    def _run_outside(self, works: list[Work[Any]], handler: Outside) -> None:
        try:
            ended = outcomes.of_outside(handler, works)
            with self.database.transaction(Scope.fleet(), settings=store.BY_INDEX) as connection:
                settled = batches.settle_outside(connection, self.clocks, self.worker, works, ended)
            if settled < len(works):
                log.warning("%d leases on %s were lost before they were settled", len(works) - settled, works[0].type)
        finally:
            self._landed(works)

    def _landed(self, works: Iterable[Work[Any]]) -> None:
        with self._mutex:
            for work in works:
                self._in_flight.pop((work.position, work.handler), None)

    def _give_back(self, held: Sequence[store.Held]) -> None:
        if not held:
            return
        try:
            with self.database.transaction(Scope.fleet()) as connection:
                store.release(connection, self.worker, held)
        except (Transient, DBAPIError) as error:
            log.warning("%d pieces of work are free only when their leases end: %s", len(held), error)

    def _wait_for_one(self) -> bool:
        """Wait until a running handler ends; False where none runs."""
        self.reap()
        if not self._futures:
            return False
        wait(list(self._futures), timeout=self.lease.total_seconds() / 3, return_when="FIRST_COMPLETED")
        self.renew_leases()
        self.reap()
        return True

    def reap(self) -> None:
        """Forget the handlers that have ended, and log what they could not settle."""
        ended = {future for future in self._futures if future.done()}
        for future in ended:
            del self._futures[future]
            # What could not be settled (the database is away) is leased until it is claimed again.
            if error := future.exception():
                log.error("a piece of work could not be settled: %s", error)


def _held(row: Any) -> store.Held:
    return row.position, row.fencing_token
